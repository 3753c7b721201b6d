// SPDX-License-Identifier: GPL-2.0 OR MIT
// A congestion control for TCP, as a struct of functions.

#define SEC(name) __attribute__((section(name), used))

typedef unsigned int u32;
struct sock;

// As much of the kernel's as is used here; members are found by their names.
struct tcp_congestion_ops___ours {
	u32 (*ssthresh)(struct sock *sk);
	void (*cong_avoid)(struct sock *sk, u32 ack, u32 acked);
	void (*set_state)(struct sock *sk, unsigned char new_state);
	u32 (*undo_cwnd)(struct sock *sk);
	char name[16];
	u32 flags;
};

SEC("struct_ops/threshold")
u32 threshold(unsigned long long *ctx)
{
	return 2;
}

SEC("struct_ops/avoid")
void avoid(unsigned long long *ctx)
{
}

SEC("struct_ops/undo")
u32 undo(unsigned long long *ctx)
{
	return 2;
}

SEC(".struct_ops.link")
struct tcp_congestion_ops___ours linked = {
	.ssthresh = (void *)threshold,
	.cong_avoid = (void *)avoid,
	.undo_cwnd = (void *)undo,
	.name = "hachi_linked",
};

SEC(".struct_ops")
struct tcp_congestion_ops___ours plain = {
	.ssthresh = (void *)threshold,
	.cong_avoid = (void *)avoid,
	.undo_cwnd = (void *)undo,
	.name = "hachi_plain",
};

char _license[] SEC("license") = "GPL";
