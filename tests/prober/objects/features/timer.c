#include "../counted.h"

struct bpf_timer {
	__u64 opaque[2];
} __attribute__((aligned(8)));

struct timed {
	struct bpf_timer timer;
};

struct {
	__uint(type, 2);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct timed);
} timers SEC(".maps");

static int fired(void *map, __u32 *key, struct timed *value)
{
	return 0;
}

SEC("tc") int program(void *ctx)
{
	__u32 zero = 0;
	struct timed *value = bpf_map_lookup_elem(&timers, &zero);

	if (!value)
		return 0;
	bpf_timer_init(&value->timer, &timers, 1);
	bpf_timer_set_callback(&value->timer, fired);
	if (!bpf_timer_start(&value->timer, 1000, 0))
		count();
	return 0;
}
