#include "../counted.h"

extern const void schedule __ksym;
extern const void no_such_symbol_anywhere __ksym __weak;

SEC("tc") int program(void *ctx)
{
	const void *volatile there = &schedule;
	const void *volatile absent = &no_such_symbol_anywhere;

	if (there && !absent)
		count();
	return 0;
}
