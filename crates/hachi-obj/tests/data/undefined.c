// SPDX-License-Identifier: GPL-2.0 OR MIT
// Calls a function that is neither defined nor declared as the kernel's.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

int nowhere(void *ctx);

SEC("xdp")
int lost(struct xdp_md *ctx)
{
	return nowhere(ctx);
}

char _license[] SEC("license") = "GPL";
