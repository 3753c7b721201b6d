#include "counted.h"

struct xdp_md {
	__u32 data;
};

SEC("freplace/replaceable") int run_replacing(struct xdp_md *ctx)
{
	count();
	return 2;
}
