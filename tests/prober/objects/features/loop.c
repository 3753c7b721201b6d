#include "../counted.h"

static long turn(__u64 number, void *ctx)
{
	count();
	return 0;
}

SEC("tc") int program(void *ctx)
{
	bpf_loop(10, turn, 0, 0);
	return 0;
}
