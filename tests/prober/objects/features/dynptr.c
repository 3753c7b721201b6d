#include "../counted.h"

struct bpf_dynptr {
	__u64 opaque[2];
} __attribute__((aligned(8)));

struct {
	__uint(type, 27);
	__uint(max_entries, 4096);
} ring SEC(".maps");

SEC("tc") int program(void *ctx)
{
	struct bpf_dynptr text;
	__u32 word = 7;

	bpf_ringbuf_reserve_dynptr(&ring, 64, 0, &text);
	if (!bpf_dynptr_write(&text, 0, &word, sizeof(word), 0))
		count();
	bpf_ringbuf_discard_dynptr(&text, 0);
	return 0;
}
