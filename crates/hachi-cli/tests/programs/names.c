/* Names that tests overwrite with others of the same length. Compiled from this directory:
 *
 *   clang -g -O2 -target bpf -fdebug-compilation-dir=/src -c names.c -o ../objects/names.o
 */
#define SEC(name) __attribute__((section(name), used))
#define __uint(name, value) int(*name)[value]
#define __type(name, value) value *name

typedef unsigned int u32;
typedef unsigned long long u64;

struct xdp_md {
	u32 data, data_end, data_meta, ingress_ifindex, rx_queue_index;
};

struct TYPENAMETYPENAME {
	u64 MEMBERNAMEMEMBER;
};

enum ENUMNAMEENUMNAME {
	VALUENAMEVALUENA = 3,
};

struct {
	__uint(type, 1);
	__uint(max_entries, 16);
	__type(key, u32);
	__type(value, struct TYPENAMETYPENAME);
} MAPNAMEMAPNAME SEC(".maps");

static void *(*lookup)(void *map, const void *key) = (void *)1;

enum ENUMNAMEENUMNAME GLOBALNAMEGLOBAL = VALUENAMEVALUENA;

#line 40 "FILENAMEFILENAME"
SEC("xdp") int PROGNAMEPROGNAME(struct xdp_md *ctx)
{
	u32 key = GLOBALNAMEGLOBAL;
	return lookup(&MAPNAMEMAPNAME, &key) ? 2 : 1;
}

SEC("SECTIONNAMESECTI") int OTHERNAMEOTHERNA(struct xdp_md *ctx)
{
	return 2;
}

char LICENSE[] SEC("license") = "LICENCELICENCELI";
