/* One map of each type. */
#include "counted.h"

/* The numbers of linux/bpf.h. */
#define MAP(number, name, entries, key_bytes, value_bytes, map_options) \
	struct { \
		__uint(type, number); \
		__uint(max_entries, entries); \
		__uint(key_size, key_bytes); \
		__uint(value_size, value_bytes); \
		__uint(map_flags, map_options); \
	} name SEC(".maps")

MAP(1, hash, 4, 4, 8, 0);
MAP(2, array, 4, 4, 8, 0);
MAP(3, prog_array, 4, 4, 4, 0);
MAP(4, perf_event_array, 0, 4, 4, 0);
MAP(5, percpu_hash, 4, 4, 8, 0);
MAP(6, percpu_array, 4, 4, 8, 0);
MAP(7, stack_trace, 4, 4, 80, 0);
MAP(8, cgroup_array, 4, 4, 4, 0);
MAP(9, lru_hash, 4, 4, 8, 0);
MAP(10, lru_percpu_hash, 4, 4, 8, 0);
MAP(11, lpm_trie, 4, 8, 8, 1);
MAP(14, devmap, 4, 4, 4, 0);
MAP(15, sockmap, 4, 4, 4, 0);
MAP(16, cpumap, 1, 4, 4, 0);
MAP(17, xskmap, 4, 4, 4, 0);
MAP(18, sockhash, 4, 4, 4, 0);
MAP(20, reuseport_sockarray, 4, 4, 4, 0);
MAP(22, queue, 4, 0, 8, 0);
MAP(23, stack, 4, 0, 8, 0);
MAP(25, devmap_hash, 4, 4, 4, 0);
MAP(27, ringbuf, 4096, 0, 0, 0);
MAP(30, bloom_filter, 4, 0, 8, 0);
MAP(31, user_ringbuf, 4096, 0, 0, 0);
MAP(33, arena, 4, 0, 0, 1 << 10);

/* What keeps values with something else needs the types of both. */
#define STORAGE(number, name, key_type) \
	struct { \
		__uint(type, number); \
		__uint(map_flags, 1); \
		__type(key, key_type); \
		__type(value, __u64); \
	} name SEC(".maps")

STORAGE(24, sk_storage, int);
STORAGE(28, inode_storage, int);
STORAGE(29, task_storage, int);
STORAGE(32, cgrp_storage, int);

struct storage_key {
	__u64 cgroup;
	__u32 attach_type;
};

struct {
	__uint(type, 19);
	__type(key, struct storage_key);
	__type(value, __u64);
} cgroup_storage SEC(".maps");

struct {
	__uint(type, 21);
	__type(key, struct storage_key);
	__type(value, __u64);
} percpu_cgroup_storage SEC(".maps");

struct inner {
	__uint(type, 2);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} inner SEC(".maps");

struct {
	__uint(type, 12);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(values, struct inner);
} array_of_maps SEC(".maps") = { .values = { &inner } };

struct {
	__uint(type, 13);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(values, struct inner);
} hash_of_maps SEC(".maps") = { .values = { &inner } };
