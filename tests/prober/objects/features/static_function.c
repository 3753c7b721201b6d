#include "../counted.h"

static __noinline int inner(int number)
{
	count();
	return number;
}

SEC("tc") int program(void *ctx)
{
	return inner(3) + inner(4) - 7;
}
