// SPDX-License-Identifier: GPL-2.0 OR MIT
// Maps, global data of every kind, static and global subprograms.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct key {
	__u32 prefix_len;
	__u8 address[4];
};

struct event {
	__u64 time;
	__u32 length;
	char name[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct key);
	__type(value, __u64);
} blocklist SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 262144);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__uint(key_size, 4);
	__uint(value_size, 12);
	__uint(numa_node, 0);
} plain SEC(".maps");

const volatile __u32 limit = 7;
const volatile char tag[8] = "hachi";
__u64 first = 1, second = 2;
static __u32 hits;
__u32 custom SEC(".data.custom") = 5;

static __noinline int count(__u32 index)
{
	__u64 *value = bpf_map_lookup_elem(&counters, &index);

	if (value)
		*value += second;
	__sync_fetch_and_add(&hits, 1);
	return index + first;
}

__noinline int report(struct xdp_md *ctx)
{
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event)
		return 0;
	event->time = bpf_ktime_get_ns();
	event->length = ctx->data_end - ctx->data;
	__builtin_memcpy(event->name, (void *)tag, 8);
	bpf_ringbuf_submit(event, 0);
	return count(custom & 3);
}

SEC("xdp")
int filter(struct xdp_md *ctx)
{
	struct key key = { .prefix_len = 32, .address = { 10, 0, 0, 1 } };

	if (ctx->rx_queue_index > limit)
		return XDP_PASS;
	if (!bpf_map_lookup_elem(&blocklist, &key))
		return count(0) ? XDP_PASS : XDP_ABORTED;
	report(ctx);
	return XDP_DROP;
}

SEC("xdp")
int pass(struct xdp_md *ctx)
{
	return bpf_map_lookup_elem(&plain, &hits) ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
