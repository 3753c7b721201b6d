/* A map whose size is left to its loader. Compiled from this directory:
 *
 *   clang -g -O2 -target bpf -fdebug-compilation-dir=. -c unsized.c -o ../objects/unsized.o
 */
#define SEC(n) __attribute__((section(n), used))
#define __uint(name, val) int (*name)[val]
#define __type(name, val) val *name

typedef unsigned int u32;

struct {
	__uint(type, 1);
	__type(key, u32);
	__type(value, u32);
} LEFT_OPEN SEC(".maps");

static void *(*lookup)(void *, const void *) = (void *)1;

SEC("xdp") int unsized(void *ctx)
{
	u32 key = 1;
	return lookup(&LEFT_OPEN, &key) ? 2 : 1;
}

char LICENSE[] SEC("license") = "GPL";
