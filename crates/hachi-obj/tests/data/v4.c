// SPDX-License-Identifier: GPL-2.0 OR MIT
// Every instruction of cpu v4 that clang can be brought to emit.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

volatile long a = 5;
volatile int b = -7;
volatile short c = 3;
volatile signed char d = -1;
unsigned long shared;

SEC("xdp")
int v4(struct xdp_md *ctx)
{
	long x = a, y = b;
	int z = b;

	x = x / (y | 1) + x % (y | 3);
	z = z / (b | 1) + z % (b | 3);
	x += c + d + (signed char)x + (short)y + (int)a;
	x += __builtin_bswap16(x) + __builtin_bswap32(y) + __builtin_bswap64(x);
	x += __sync_fetch_and_add(&shared, 1);
	x += __sync_fetch_and_or(&shared, 6);
	x += __sync_fetch_and_and(&shared, 7);
	x += __sync_fetch_and_xor(&shared, 8);
	x += __sync_lock_test_and_set(&shared, 9);
	x += __sync_val_compare_and_swap(&shared, 10, 11);
	__sync_fetch_and_xor(&shared, 12);
	asm volatile("%[x] = be32 %[x]; %[x] = le16 %[x]; w3 = -w3; r4 = -r4; gotol 1f; 1:" : [x] "+r"(x) :: "r3", "r4");
	for (int i = 0; i < (z & 63); i++)
		x ^= i * x;
	return x > z ? XDP_PASS : XDP_DROP;
}

char _license[] SEC("license") = "GPL";
