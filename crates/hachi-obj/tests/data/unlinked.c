// SPDX-License-Identifier: GPL-2.0 OR MIT
// Still to be linked: a function, variables and a map are defined elsewhere, and one program needs
// none of them.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct shared {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, int);
	__type(value, long);
};

extern struct shared shared_map SEC(".maps");
extern volatile const int shared_limit SEC(".rodata");
extern volatile int shared_count;
extern int shared_function(int);

SEC("xdp")
int looks_up(struct xdp_md *ctx)
{
	int key = 1;
	long *value = bpf_map_lookup_elem(&shared_map, &key);

	return value ? *value : shared_limit;
}

SEC("xdp")
int calls(struct xdp_md *ctx)
{
	return shared_function(ctx->data_end - ctx->data) + shared_count;
}

SEC("xdp")
int alone(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
