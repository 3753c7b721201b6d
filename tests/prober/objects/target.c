/* A program with a function that another can replace, and one that a program can watch. */
#include "counted.h"

struct xdp_md {
	__u32 data;
};

__noinline int replaceable(struct xdp_md *ctx)
{
	int result = 2;

	asm volatile("" : "+r"(result));
	return result;
}

SEC("xdp") int whole(struct xdp_md *ctx)
{
	return replaceable(ctx);
}
