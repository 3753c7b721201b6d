// SPDX-License-Identifier: GPL-2.0 OR MIT
// Callbacks by address, maps that hold maps or programs from the start, sections with targets.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} inner_a SEC(".maps"), inner_b SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 4);
	__type(key, __u32);
	__array(values, struct inner);
} outer SEC(".maps") = {
	.values = { [0] = &inner_a, [2] = &inner_b },
};

int tail(struct __sk_buff *skb);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__uint(key_size, 4);
	__array(values, int(struct __sk_buff *));
} jumps SEC(".maps") = {
	.values = { [1] = &tail },
};

struct total {
	__u64 sum;
	__u32 rounds;
};

static __noinline __u64 weigh(__u64 value)
{
	return value * 3 + 1;
}

static long add(void *map, __u32 *key, __u64 *value, struct total *total)
{
	total->sum += weigh(*value);
	return 0;
}

static long again(__u32 index, struct total *total)
{
	total->rounds += index;
	return index > 100;
}

SEC("tc")
int walk(struct __sk_buff *skb)
{
	struct total total = {};

	bpf_for_each_map_elem(&inner_a, add, &total, 0);
	bpf_loop(1000, again, &total, 0);
	bpf_tail_call(skb, &jumps, 1);
	return total.sum + weigh(total.rounds);
}

SEC("tc")
int tail(struct __sk_buff *skb)
{
	__u32 zero = 0;
	void *map = bpf_map_lookup_elem(&outer, &zero);

	return map && bpf_map_lookup_elem(map, &zero);
}

SEC("?fentry.s/do_unlinkat")
int optional(void *ctx)
{
	return 0;
}

SEC("tp/syscalls/sys_enter_openat")
int on_open(void *ctx)
{
	return 0;
}

SEC("mine/own")
int unknown(void *ctx)
{
	return 0;
}

char _license[] SEC("license") = "GPL";
__u32 _version SEC("version") = 0x060100;
