#include "../counted.h"

struct bpf_spin_lock {
	__u32 val;
};

struct locked {
	struct bpf_spin_lock lock;
	__u32 value;
};

struct {
	__uint(type, 2);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct locked);
} locks SEC(".maps");

SEC("tc") int program(void *ctx)
{
	__u32 zero = 0;
	struct locked *value = bpf_map_lookup_elem(&locks, &zero);

	if (!value)
		return 0;
	bpf_spin_lock(&value->lock);
	value->value++;
	bpf_spin_unlock(&value->lock);
	count();
	return 0;
}
