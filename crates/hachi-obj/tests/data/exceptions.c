// SPDX-License-Identifier: GPL-2.0 OR MIT
// Exceptions: the callback is named by a tag, and no instruction mentions it.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define CALLBACK(name) __attribute__((btf_decl_tag("exception_callback:" #name)))

extern void bpf_throw(__u64 cookie) __ksym;

static __noinline int twice(int value)
{
	return value * 2;
}

__noinline int caught(__u64 cookie)
{
	return twice(cookie) + 1;
}

SEC("tc")
CALLBACK(caught)
int throws(struct __sk_buff *skb)
{
	if (skb->len > 20)
		bpf_throw(20);
	return 0;
}

SEC("tc")
int calm(struct __sk_buff *skb)
{
	return 0;
}

char _license[] SEC("license") = "GPL";
