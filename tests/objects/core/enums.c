// SPDX-License-Identifier: GPL-2.0 OR MIT
// Questions about enumerators: 32 and 64 bits, signed, flavours, such as are missing.
#include "core.h"

enum bpf_map_type {
	BPF_MAP_TYPE_HASH___here = 77,
	BPF_MAP_TYPE_RINGBUF___here,
	BPF_MAP_TYPE_ARENA___here,
	BPF_MAP_TYPE_NO_SUCH___here,
};

/* Local values of 64 bits, of an enum that has 32 there. */
enum bpf_attach_type___wide {
	BPF_CGROUP_INET_INGRESS___wide = 0x1111111122222222ull,
	BPF_TCX_INGRESS___wide,
	BPF_NO_SUCH___wide,
};

enum hrtimer_mode {
	HRTIMER_MODE_PINNED___x = 99,
};

/* Negative there. */
enum bpf_ret_code_or_similar___none {
	NOTHING = -1,
};

enum migrate_reason___n {
	MR_COMPACTION___n = -5,
};

enum lru_status {
	LRU_REMOVED___x = 4,
};

/* 64 bits there, on newer kernels. */
enum bpf_kfunc_or_flags {
	BPF_F_CTXLEN_MASK_NOT_THERE = 1,
};

enum {
	NAMELESS = 3,
};

typedef enum bpf_map_type map_type_alias___none;

enum tcp_ca_state {
	TCP_CA_Loss___x = 40,
};

enum pageflags {
	PG_locked___x = 20,
};

volatile u64 out;

BTF_PROGRAM(existence)
{
	out = bpf_core_enum_value_exists(enum bpf_map_type, BPF_MAP_TYPE_HASH___here);
	out += bpf_core_enum_value_exists(enum bpf_map_type, BPF_MAP_TYPE_RINGBUF___here) << 1;
	out += bpf_core_enum_value_exists(enum bpf_map_type, BPF_MAP_TYPE_ARENA___here) << 2;
	out += bpf_core_enum_value_exists(enum bpf_map_type, BPF_MAP_TYPE_NO_SUCH___here) << 3;
	out += bpf_core_enum_value_exists(enum bpf_attach_type___wide, BPF_TCX_INGRESS___wide) << 4;
	out += bpf_core_enum_value_exists(enum bpf_attach_type___wide, BPF_NO_SUCH___wide) << 5;
	out += bpf_core_enum_value_exists(enum bpf_ret_code_or_similar___none, NOTHING) << 6;
	return 0;
}

BTF_PROGRAM(values)
{
	out = bpf_core_enum_value(enum bpf_map_type, BPF_MAP_TYPE_HASH___here);
	out += bpf_core_enum_value(enum bpf_map_type, BPF_MAP_TYPE_RINGBUF___here);
	out += bpf_core_enum_value(enum bpf_attach_type___wide, BPF_CGROUP_INET_INGRESS___wide);
	out += bpf_core_enum_value(enum hrtimer_mode, HRTIMER_MODE_PINNED___x);
	out += bpf_core_enum_value(enum lru_status, LRU_REMOVED___x);
	out += bpf_core_enum_value(enum tcp_ca_state, TCP_CA_Loss___x);
	out += bpf_core_enum_value(enum pageflags, PG_locked___x);
	return 0;
}

BTF_PROGRAM(missing)
{
	out = bpf_core_enum_value(enum bpf_map_type, BPF_MAP_TYPE_NO_SUCH___here);
	out += bpf_core_enum_value(enum bpf_map_type, BPF_MAP_TYPE_ARENA___here);
	out += bpf_core_enum_value(enum bpf_attach_type___wide, BPF_NO_SUCH___wide);
	out += bpf_core_enum_value(enum bpf_attach_type___wide, BPF_TCX_INGRESS___wide);
	out += bpf_core_enum_value(enum bpf_ret_code_or_similar___none, NOTHING);
	return 0;
}

/* The same in 64 bits by a mask that newer kernels have. */
enum bpf_iter_feature_or_flags___x {
	HIGH = 0x8000000000000000ull,
};

BTF_PROGRAM(high)
{
	out = bpf_core_enum_value_exists(enum bpf_iter_feature_or_flags___x, HIGH);
	return 0;
}
