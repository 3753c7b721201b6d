// SPDX-License-Identifier: GPL-2.0 OR MIT
// Global variables of which each CPU has its own.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

int hits SEC(".percpu") = 40;
struct {
	char letter;
	long number;
} pair SEC(".percpu") = { 'x', 7 };
char zeroed[5] SEC(".percpu");
long step SEC(".percpu.mine") = 5;

SEC("socket")
int counts(void *ctx)
{
	hits++;
	pair.number += step;
	return hits;
}

SEC("socket")
int plain(void *ctx)
{
	return 3;
}

char _license[] SEC("license") = "GPL";
