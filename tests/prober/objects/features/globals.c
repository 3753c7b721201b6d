#include "../counted.h"

volatile __u32 counter = 1;
const volatile __u32 wanted = 2;
static volatile __u64 zeros[4];

SEC("tc") int program(void *ctx)
{
	zeros[counter & 3]++;
	if (counter + 1 == wanted)
		count();
	return 0;
}
