/* The programs of `programs.rs`, written as one writes them in C. */
#include <linux/types.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

#define MAP(NAME, TYPE, KEY, VALUE, ENTRIES)                                                       \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_##TYPE);                                                 \
		__uint(max_entries, ENTRIES);                                                      \
		__type(key, KEY);                                                                  \
		__type(value, VALUE);                                                              \
	} NAME SEC(".maps")

struct ports {
	__be16 source, destination;
};

static __always_inline struct iphdr *ipv4(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *ethernet = data;
	struct iphdr *ip = (void *)(ethernet + 1);

	if ((void *)(ethernet + 1) > end || ethernet->h_proto != bpf_htons(ETH_P_IP))
		return 0;
	if ((void *)(ip + 1) > end)
		return 0;
	return ip;
}

static __always_inline void add_one(void *map, __u32 index)
{
	__u64 *value = bpf_map_lookup_elem(map, &index);

	if (value)
		*value += 1;
}

MAP(BLOCKED, HASH, __u32, __u64, 1024);
MAP(VERDICTS, PERCPU_ARRAY, __u32, __u64, 2);

SEC("xdp")
int firewall(struct xdp_md *ctx)
{
	struct iphdr *ip = ipv4(ctx);
	__u64 *blocked;
	__u32 source;

	if (!ip)
		return XDP_PASS;
	source = ip->saddr;
	blocked = bpf_map_lookup_elem(&BLOCKED, &source);
	if (blocked) {
		*blocked += 1;
		add_one(&VERDICTS, 1);
		return XDP_DROP;
	}
	add_one(&VERDICTS, 0);
	return XDP_PASS;
}

struct traffic {
	__u64 packets, bytes;
};

MAP(TRAFFIC, PERCPU_ARRAY, __u32, struct traffic, 256);

SEC("xdp")
int count(struct xdp_md *ctx)
{
	struct iphdr *ip = ipv4(ctx);
	struct traffic *traffic;
	__u32 protocol;

	if (!ip)
		return XDP_PASS;
	protocol = ip->protocol;
	traffic = bpf_map_lookup_elem(&TRAFFIC, &protocol);
	if (traffic) {
		traffic->packets += 1;
		traffic->bytes += ctx->data_end - ctx->data;
	}
	return XDP_PASS;
}

struct flow {
	__be32 source, destination;
	struct ports ports;
	__u32 protocol;
};

struct seen {
	__u64 packets, bytes, last;
};

MAP(FLOWS, LRU_HASH, struct flow, struct seen, 4096);

SEC("xdp")
int track(struct xdp_md *ctx)
{
	struct iphdr *ip = ipv4(ctx);
	struct ports *ports;
	struct flow flow;
	struct seen *seen;
	__u64 bytes, now;

	if (!ip || (ip->protocol != 6 && ip->protocol != 17))
		return XDP_PASS;
	ports = (void *)(ip + 1);
	if ((void *)(ports + 1) > (void *)(long)ctx->data_end)
		return XDP_PASS;
	flow.source = ip->saddr;
	flow.destination = ip->daddr;
	flow.ports = *ports;
	flow.protocol = ip->protocol;
	bytes = ctx->data_end - ctx->data;
	now = bpf_ktime_get_ns();
	seen = bpf_map_lookup_elem(&FLOWS, &flow);
	if (seen) {
		seen->packets += 1;
		seen->bytes += bytes;
		seen->last = now;
	} else {
		struct seen first = { .packets = 1, .bytes = bytes, .last = now };

		bpf_map_update_elem(&FLOWS, &flow, &first, 0);
	}
	return XDP_PASS;
}

struct exec {
	__u64 process, user, time;
	char name[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 65536);
} EVENTS SEC(".maps");

SEC("raw_tp/sched_process_exec")
int exec(void *ctx)
{
	struct exec *event = bpf_ringbuf_reserve(&EVENTS, sizeof(*event), 0);

	if (!event)
		return 0;
	event->process = bpf_get_current_pid_tgid();
	event->user = bpf_get_current_uid_gid();
	event->time = bpf_ktime_get_ns();
	bpf_get_current_comm(event->name, sizeof(event->name));
	bpf_ringbuf_submit(event, 0);
	return 0;
}

MAP(STARTS, HASH, __u64, __u64, 4096);
MAP(HISTOGRAM, ARRAY, __u32, __u64, 64);

SEC("raw_tp/sys_exit")
int latency(void *ctx)
{
	__u64 thread = bpf_get_current_pid_tgid(), now = bpf_ktime_get_ns(), rest;
	__u64 *start = bpf_map_lookup_elem(&STARTS, &thread);
	__u32 slot = 0, shift;

	if (!start) {
		bpf_map_update_elem(&STARTS, &thread, &now, 0);
		return 0;
	}
	rest = now - *start;
#pragma unroll
	for (shift = 32; shift; shift /= 2) {
		if (rest >> shift) {
			rest >>= shift;
			slot += shift;
		}
	}
	add_one(&HISTOGRAM, slot);
	bpf_map_delete_elem(&STARTS, &thread);
	return 0;
}

SEC("tc")
int rewrite(struct __sk_buff *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *ethernet = data;
	struct iphdr *ip = (void *)(ethernet + 1);
	struct ports *ports = (void *)(ip + 1);
	__be16 port = bpf_htons(9);

	if ((void *)(ports + 1) > end || ethernet->h_proto != bpf_htons(ETH_P_IP))
		return TC_ACT_OK;
	if (ip->protocol != 17 || ports->destination != bpf_htons(7))
		return TC_ACT_OK;
	if (bpf_l4_csum_replace(ctx, 40, bpf_htons(7), port, BPF_F_PSEUDO_HDR | 2))
		return TC_ACT_OK;
	bpf_skb_store_bytes(ctx, 36, &port, sizeof(port), 0);
	return TC_ACT_OK;
}

struct address {
	__u32 ip, port;
};

MAP(SERVICES, HASH, struct address, struct address, 64);

SEC("cgroup/connect4")
int redirect(struct bpf_sock_addr *ctx)
{
	struct address wanted = { .ip = ctx->user_ip4, .port = ctx->user_port };
	struct address *real = bpf_map_lookup_elem(&SERVICES, &wanted);

	if (real) {
		ctx->user_ip4 = real->ip;
		ctx->user_port = real->port;
	}
	return 1;
}

MAP(TEXT, PERCPU_ARRAY, __u32, __u64, 2);

SEC("xdp")
int words(struct xdp_md *ctx)
{
	__u8 *text = (void *)(long)ctx->data + 42;
	__u64 hash = 0xcbf29ce484222325ull, blanks = 0, *value;
	__u32 index = 0;
	int i;

	if ((void *)(text + 64) > (void *)(long)ctx->data_end)
		return XDP_PASS;
	for (i = 0; i < 64; i++) {
		hash = (hash ^ text[i]) * 0x100000001b3ull;
		blanks += text[i] == ' ';
	}
	value = bpf_map_lookup_elem(&TEXT, &index);
	if (value)
		*value = hash;
	index = 1;
	value = bpf_map_lookup_elem(&TEXT, &index);
	if (value)
		*value += blanks;
	return XDP_PASS;
}
