#include "../counted.h"

int called(void *ctx);

struct {
	__uint(type, 3);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__array(values, int(void *));
} programs SEC(".maps") = { .values = { (void *)&called } };

SEC("tc") int called(void *ctx)
{
	count();
	return 0;
}

SEC("tc") int program(void *ctx)
{
	bpf_tail_call(ctx, &programs, 0);
	return 0;
}
