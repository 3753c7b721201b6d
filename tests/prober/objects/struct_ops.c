/* The least that a congestion control of TCP has, registered as a map and by a link. */
#include "counted.h"

struct sock;

struct tcp_congestion_ops {
	__u32 (*ssthresh)(struct sock *sk);
	__u32 (*undo_cwnd)(struct sock *sk);
	void (*cong_avoid)(struct sock *sk, __u32 ack, __u32 acked);
	void (*init)(struct sock *sk);
	char name[16];
} __attribute__((preserve_access_index));

COUNTS("struct_ops/init", init, 0)
COUNTS("struct_ops/ssthresh", ssthresh, 2)
COUNTS("struct_ops/undo_cwnd", undo, 2)
COUNTS("struct_ops/cong_avoid", avoid, 0)

#define CONTROL(text) \
	{ \
		.init = (void *)run_init, \
		.ssthresh = (void *)run_ssthresh, \
		.undo_cwnd = (void *)run_undo, \
		.cong_avoid = (void *)run_avoid, \
		.name = text, \
	}

#ifdef LINKED
SEC(".struct_ops.link") struct tcp_congestion_ops control = CONTROL("prober_link");
#else
SEC(".struct_ops") struct tcp_congestion_ops control = CONTROL("prober_map");
#endif
