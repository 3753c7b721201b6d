#include "../counted.h"

extern int LINUX_KERNEL_VERSION __kconfig;

SEC("tc") int program(void *ctx)
{
	if (LINUX_KERNEL_VERSION > 0x050000)
		count();
	return 0;
}
