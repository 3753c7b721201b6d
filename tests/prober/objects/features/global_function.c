#include "../counted.h"

__noinline int counted(int number)
{
	count();
	return number + 1;
}

SEC("tc") int program(void *ctx)
{
	return counted(1) - 2;
}
