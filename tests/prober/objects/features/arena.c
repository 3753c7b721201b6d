#include "../counted.h"

struct {
	__uint(type, 33);
	__uint(map_flags, 1 << 10);
	__uint(max_entries, 10);
} arena SEC(".maps");

extern void __attribute__((address_space(1))) *
bpf_arena_alloc_pages(void *map, void __attribute__((address_space(1))) *addr, __u32 pages,
		      int node, __u64 flags) __ksym;

SEC("syscall") int program(void *ctx)
{
	if (bpf_arena_alloc_pages(&arena, 0, 1, -1, 0))
		count();
	return 0;
}
