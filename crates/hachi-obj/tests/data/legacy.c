// SPDX-License-Identifier: GPL-2.0 OR MIT
// Maps as they were defined before BTF.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct bpf_map_def_old {
	unsigned type, key_size, value_size, max_entries, map_flags, id, pinning;
};

struct bpf_map_def_old old_hash SEC("maps") = {
	.type = BPF_MAP_TYPE_HASH,
	.key_size = 4,
	.value_size = 8,
	.max_entries = 16,
	.map_flags = BPF_F_NO_PREALLOC,
};

struct bpf_map_def_old old_array SEC("maps") = {
	.type = BPF_MAP_TYPE_ARRAY,
	.key_size = 4,
	.value_size = 4,
	.max_entries = 3,
	.pinning = 1,
};

SEC("socket")
int look(struct __sk_buff *skb)
{
	__u32 key = skb->len;

	if (bpf_map_lookup_elem(&old_array, &key))
		return 1;
	return bpf_map_lookup_elem(&old_hash, &key) != 0;
}

char _license[] SEC("license") = "GPL";
