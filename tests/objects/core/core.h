/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* What the questions of this directory are asked with: no type of the kernel but those that each file declares. */
#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#define KERNEL __attribute__((preserve_access_index))
#define BTF_PROGRAM(name) SEC("tp_btf/sched_switch") int name(unsigned long long *ctx)

typedef signed char s8;
typedef unsigned char u8;
typedef short s16;
typedef unsigned short u16;
typedef int s32;
typedef unsigned int u32;
typedef long long s64;
typedef unsigned long long u64;
typedef _Bool bool;

char _license[] SEC("license") = "GPL";
