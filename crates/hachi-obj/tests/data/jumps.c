// SPDX-License-Identifier: GPL-2.0 OR MIT
// Jump tables: `gotox` to what a table in section .jumptables says (clang 22, -mcpu=v4).
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

volatile int seen;

static __noinline int below(unsigned int value)
{
	switch (value) {
	case 0: seen += 3; return 11;
	case 1: seen *= 5; return 7;
	case 2: seen ^= 9; return 23;
	case 3: seen -= 4; return 31;
	case 4: seen |= 2; return 5;
	default: return 1;
	}
}

SEC("tc")
int straight(struct __sk_buff *skb)
{
	return skb->len;
}

SEC("tc")
int jumps(struct __sk_buff *skb)
{
	int result;

	switch (skb->len - 100) {
	case 0: result = 40; seen = 1; break;
	case 1: result = 10; seen += 2; break;
	case 2: result = 90; seen *= 3; break;
	case 3: result = 60; seen ^= 4; break;
	case 4: result = 20; seen -= 5; break;
	case 5: result = 70; seen |= 6; break;
	default: return 0;
	}
	return result + below(skb->len - 100);
}

char _license[] SEC("license") = "GPL";
