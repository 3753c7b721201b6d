// SPDX-License-Identifier: GPL-2.0 OR MIT
// Variables in an arena.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define __arena __attribute__((address_space(1)))

struct total {
	__u64 calls;
	__u64 sum;
};

struct {
	__uint(type, 33); // BPF_MAP_TYPE_ARENA, which is newer than many headers
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 4);
} memory SEC(".maps");

__u64 __arena step = 3;
struct total __arena total = { .sum = 100 };

SEC("syscall")
int add(void *ctx)
{
	total.calls++;
	total.sum += step;
	return total.sum;
}

char _license[] SEC("license") = "GPL";
