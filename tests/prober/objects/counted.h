/* What the programs have in common: each counts how often it runs, and that is all it does.
 *
 * Compiled from this directory and from `features`, with the headers of libbpf 1.7 in DIR/bpf and
 * those of the machine (for usdt.c) in /usr/include:
 *
 *   for file in *.c; do
 *       clang -g -O2 -mcpu=v3 -target bpf -fdebug-compilation-dir=/src -I DIR \
 *           -I /usr/include/x86_64-linux-gnu -c $file
 *   done
 */
typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef int __s32;
typedef unsigned long long __u64;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef __u64 u64;

#include <bpf/bpf_helpers.h>

enum {
	ARRAY = 2,
};

struct {
	__uint(type, ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} hits SEC(".maps");

static __always_inline void count(void)
{
	__u32 zero = 0;
	__u64 *value = bpf_map_lookup_elem(&hits, &zero);

	if (value)
		__sync_fetch_and_add(value, 1);
}

/* A program of that section, `run_NAME`, that counts and gives this result. */
#define COUNTS(section, name, result) \
	SEC(section) int run_##name(void *ctx) \
	{ \
		count(); \
		return result; \
	}

char LICENSE[] SEC("license") = "GPL";
