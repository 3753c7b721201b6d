#include "../counted.h"

struct {
	__uint(type, 27);
	__uint(max_entries, 4096);
} ring SEC(".maps");

SEC("tc") int program(void *ctx)
{
	__u64 *place = bpf_ringbuf_reserve(&ring, 8, 0);

	if (!place)
		return 0;
	*place = 7;
	bpf_ringbuf_submit(place, 0);
	count();
	return 0;
}
