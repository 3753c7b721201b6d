// SPDX-License-Identifier: GPL-2.0 OR MIT
// Questions about whole types: existence, size, id, and whether their shape matches.
#include "core.h"

struct list_head {
	struct list_head *next, *prev;
};

struct task_struct {
	int pid;
	char comm[16];
	struct task_struct *real_parent;
};

struct task_struct___other_pid {
	unsigned int pid;		/* signed there */
};

struct task_struct___other_comm {
	char comm[17];			/* 16 there */
};

struct task_struct___no_such {
	int there_is_no_such_field;
};

struct mm_struct;

struct task_struct___behind {
	struct mm_struct *mm;		/* only announced here */
	struct task_struct *real_parent;
};

struct list_head___empty {};

struct gone {
	long field;
};

union gone_union {
	long field;
};

union bpf_attr {
	struct {
		u32 map_type;
		u32 key_size;
	};
};

/* A struct there. */
union task_struct___union {
	int pid;
};

/* An enum of 32 bits there, with more variants. */
enum bpf_map_type {
	BPF_MAP_TYPE_UNSPECIFIED_HERE = -1,
};

enum bpf_cmd___some {
	BPF_MAP_CREATE___here = 17,
	BPF_PROG_LOAD___here,
};

enum bpf_cmd___none {
	NOT_A_COMMAND,
};

enum bpf_cmd___wide {
	WIDE = 0x123456789ab,
};

enum pid_type___some {
	PIDTYPE_PID___x,
};

typedef int (*filler_t)(void *, void *);
typedef unsigned int gfp_t;
typedef u64 gone_t;
typedef struct {
	int counter;
} atomic_t;
typedef struct list_head no_typedef_there;
typedef void (*ctor_fn_t)(void);
typedef int (*cmp_func_t)(const void *a, const void *b);
typedef int (*cmp_func_t___three)(const void *a, const void *b, const void *c);
typedef void (*cmp_func_t___void)(const void *a, const void *b);
typedef void (*btf_trace_sched_switch)(void *, bool, struct task_struct *, struct task_struct *);
typedef char __kernel_long_t___char;
typedef long __kernel_long_t;

struct hlist_node {
	struct hlist_node *next, **pprev;
};

struct hlist_head {
	struct hlist_node *first;
};

struct callback_head {
	struct callback_head *next;
	void (*func)(struct callback_head *head);
};

struct callback_head___other {
	struct callback_head *next;
	int (*func)(struct callback_head *head);
};

struct file;
struct file_operations {
	long long (*llseek)(struct file *, long long, int);
	int (*fsync)(struct file *, long long, long long, int);
};

struct timespec64 {
	long long tv_sec;
	long tv_nsec;
};

volatile u64 out;

BTF_PROGRAM(existence)
{
	out = bpf_core_type_exists(struct task_struct);
	out += bpf_core_type_exists(struct gone) << 1;
	out += bpf_core_type_exists(union gone_union) << 2;
	out += bpf_core_type_exists(union bpf_attr) << 3;
	out += bpf_core_type_exists(enum bpf_map_type) << 4;
	out += bpf_core_type_exists(enum bpf_cmd___wide) << 5;
	out += bpf_core_type_exists(gfp_t) << 6;
	out += bpf_core_type_exists(gone_t) << 7;
	out += bpf_core_type_exists(atomic_t) << 8;
	out += bpf_core_type_exists(cmp_func_t) << 9;
	out += bpf_core_type_exists(cmp_func_t___three) << 10;
	out += bpf_core_type_exists(cmp_func_t___void) << 11;
	out += bpf_core_type_exists(union task_struct___union) << 12;
	out += bpf_core_type_exists(btf_trace_sched_switch) << 13;
	out += bpf_core_type_exists(__kernel_long_t) << 15;
	out += bpf_core_type_exists(__kernel_long_t___char) << 16;
	out += bpf_core_type_exists(struct mm_struct) << 17;
	out += bpf_core_type_exists(no_typedef_there) << 18;
	out += bpf_core_type_exists(filler_t) << 19;
	return 0;
}

BTF_PROGRAM(sizes)
{
	out = bpf_core_type_size(struct task_struct);
	out += bpf_core_type_size(struct gone);
	out += bpf_core_type_size(union bpf_attr);
	out += bpf_core_type_size(enum bpf_map_type);
	out += bpf_core_type_size(atomic_t);
	out += bpf_core_type_size(gfp_t);
	out += bpf_core_type_size(cmp_func_t);
	out += bpf_core_type_size(struct list_head___empty);
	return 0;
}

BTF_PROGRAM(ids)
{
	out = bpf_core_type_id_local(struct task_struct);
	out += bpf_core_type_id_kernel(struct task_struct);
	out += bpf_core_type_id_kernel(struct gone);
	out += bpf_core_type_id_kernel(gfp_t);
	out += bpf_core_type_id_local(struct gone);
	out += bpf_core_type_id_kernel(struct list_head___empty);
	return 0;
}

BTF_PROGRAM(shapes)
{
	out = bpf_core_type_matches(struct task_struct);
	out += bpf_core_type_matches(struct task_struct___other_pid) << 1;
	out += bpf_core_type_matches(struct task_struct___other_comm) << 2;
	out += bpf_core_type_matches(struct task_struct___no_such) << 3;
	out += bpf_core_type_matches(struct task_struct___behind) << 4;
	out += bpf_core_type_matches(struct list_head) << 5;
	out += bpf_core_type_matches(struct list_head___empty) << 6;
	out += bpf_core_type_matches(union bpf_attr) << 7;
	out += bpf_core_type_matches(union task_struct___union) << 8;
	out += bpf_core_type_matches(enum bpf_cmd___some) << 9;
	out += bpf_core_type_matches(enum bpf_cmd___none) << 10;
	out += bpf_core_type_matches(enum bpf_cmd___wide) << 11;
	out += bpf_core_type_matches(enum pid_type___some) << 12;
	out += bpf_core_type_matches(enum bpf_map_type) << 13;
	out += bpf_core_type_matches(atomic_t) << 14;
	out += bpf_core_type_matches(gfp_t) << 15;
	out += bpf_core_type_matches(cmp_func_t) << 16;
	out += bpf_core_type_matches(cmp_func_t___three) << 17;
	out += bpf_core_type_matches(cmp_func_t___void) << 18;
	out += bpf_core_type_matches(struct hlist_head) << 19;
	out += bpf_core_type_matches(struct callback_head) << 20;
	out += bpf_core_type_matches(struct callback_head___other) << 21;
	out += bpf_core_type_matches(struct file_operations) << 22;
	out += bpf_core_type_matches(struct timespec64) << 23;
	out += bpf_core_type_matches(struct gone) << 24;
	out += bpf_core_type_matches(btf_trace_sched_switch) << 25;
	out += bpf_core_type_matches(__kernel_long_t___char) << 26;
	return 0;
}
