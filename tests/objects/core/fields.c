// SPDX-License-Identifier: GPL-2.0 OR MIT
// Questions about fields: where, how large, whether, signed; direct accesses of each size; arrays, nested and
// nameless members, pointers, unions.
#include "core.h"

struct list_head {
	struct list_head *next, *prev;
} KERNEL;

struct mm_struct {
	struct {
		unsigned long task_size;
		void *pgd;
		unsigned long start_code, end_code;
	};
} KERNEL;

struct sched_entity {
	u64 sum_exec_runtime;
	u64 vruntime;
	struct list_head group_node;
} KERNEL;

struct cred {
	struct {
		u32 val;
	} uid;
} KERNEL;

/* A part of the kernel's, in another order. */
struct task_struct {
	char comm[16];
	int pid;
	int tgid;
	int exit_code;
	unsigned int flags;
	struct task_struct *real_parent;
	struct mm_struct *mm;
	struct cred *cred;
	struct sched_entity se;
	u64 start_time;
	struct list_head tasks;
	unsigned int policy;
	int prio;
	unsigned long nvcsw;
} KERNEL;

struct in6_addr {
	union {
		u8 u6_addr8[16];
		u16 u6_addr16[8];
		u32 u6_addr32[4];
	} in6_u;
} KERNEL;

struct sock_common {
	union {
		u64 skc_addrpair;
		struct {
			u32 skc_daddr;
			u32 skc_rcv_saddr;
		};
	};
	union {
		u32 skc_portpair;
		struct {
			u16 skc_dport;
			u16 skc_num;
		};
	};
	u16 skc_family;
	volatile u8 skc_state;
	struct in6_addr skc_v6_daddr;
} KERNEL;

struct sock {
	struct sock_common __sk_common;
	int sk_rcvbuf;
	void (*sk_state_change)(struct sock *sk);
} KERNEL;

/* Ends in a flexible array; there it is one of several in a union. */
struct bpf_array {
	u32 elem_size;
	char value[];
} KERNEL;

struct bpf_prog_array {
	u32 rcu;
	struct {
		void *prog;
	} items[];
} KERNEL;

struct ethhdr {
	u8 h_dest[6];
	u8 h_source[6];
	u16 h_proto;
} KERNEL;

struct linux_binprm {
	char buf[256];
} KERNEL;

struct rusage {
	struct {
		long tv_sec;
		long tv_usec;
	} ru_utime;
} KERNEL;

volatile u64 out;

BTF_PROGRAM(direct)
{
	struct task_struct *task = (void *)ctx[1];

	out = task->pid;
	out += task->tgid + task->exit_code;
	out += task->flags;
	out += task->se.vruntime;
	out += task->comm[3];
	out += task->start_time;
	out += task->tasks.next != 0;
	out += task->real_parent->real_parent->mm != 0;
	out += task->real_parent->cred->uid.val;
	return 0;
}

BTF_PROGRAM(probed)
{
	struct task_struct *task = (void *)ctx[1];
	char comm[16];

	BPF_CORE_READ_STR_INTO(&comm, task, real_parent, comm);
	out = BPF_CORE_READ(task, mm, pgd) != 0;
	out += BPF_CORE_READ(task, mm, end_code);
	out += BPF_CORE_READ(task, real_parent, real_parent, se.sum_exec_runtime);
	out += comm[0];
	return 0;
}

BTF_PROGRAM(questions)
{
	struct task_struct *task = (void *)ctx[1];

	out = bpf_core_field_offset(struct task_struct, se.vruntime);
	out += bpf_core_field_offset(struct task_struct, comm[7]);
	out += bpf_core_field_size(struct task_struct, comm);
	out += bpf_core_field_size(struct task_struct, comm[2]);
	out += bpf_core_field_size(struct task_struct, se);
	out += bpf_core_field_size(task->real_parent);
	out += bpf_core_field_exists(task->prio);
	out += bpf_core_field_exists(task->comm[15]);
	out += __builtin_preserve_field_info(task->prio, BPF_FIELD_SIGNED);
	out += __builtin_preserve_field_info(task->nvcsw, BPF_FIELD_SIGNED) << 1;
	out += __builtin_preserve_field_info(task->prio, BPF_FIELD_LSHIFT_U64) << 2;
	out += __builtin_preserve_field_info(task->prio, BPF_FIELD_RSHIFT_U64) << 8;
	out += __builtin_preserve_field_info(task->se.vruntime, BPF_FIELD_RSHIFT_U64);
	return 0;
}

BTF_PROGRAM(sockets)
{
	struct sock *sk = (void *)ctx[0];

	out = sk->__sk_common.skc_daddr;
	out += sk->__sk_common.skc_num;
	out += sk->__sk_common.skc_family;
	out += sk->__sk_common.skc_state;
	out += sk->__sk_common.skc_v6_daddr.in6_u.u6_addr32[2];
	out += sk->__sk_common.skc_v6_daddr.in6_u.u6_addr8[9];
	out += sk->sk_state_change != 0;
	out += bpf_core_field_size(struct sock, __sk_common.skc_v6_daddr);
	out += bpf_core_field_offset(struct sock, __sk_common.skc_v6_daddr.in6_u.u6_addr16[5]);
	return 0;
}

BTF_PROGRAM(elements)
{
	struct bpf_array *array = (void *)ctx[0];
	struct bpf_prog_array *progs = (void *)ctx[4];
	struct task_struct *tasks = (void *)ctx[1];
	struct ethhdr *eth = (void *)ctx[2];
	struct linux_binprm *bprm = (void *)ctx[3];

	out = array->value[17];
	out += progs->items[3].prog != 0;
	out += tasks[2].pid;
	out += eth->h_source[5];
	out += bprm->buf[255];
	out += bpf_core_field_exists(bprm->buf[200]);
	out += bpf_core_field_offset(struct bpf_array, value[5]);
	return 0;
}

/* Stores: of a register, and of numbers in each size. */
SEC("struct_ops/set_state")
int stores(unsigned long long *ctx)
{
	struct sock *sk = (void *)ctx[0];
	struct task_struct *task = (void *)ctx[1];

	sk->sk_rcvbuf = ctx[2];
	sk->__sk_common.skc_num = 80;
	sk->__sk_common.skc_state = 7;
	task->start_time = 1;
	task->flags = ctx[3];
	task->nvcsw = ctx[4];
	return 0;
}

/* Fields whose size or kind differs from the kernel's. */
struct task_struct___sizes {
	unsigned long flags;	/* unsigned int there: fewer bytes are read */
	u64 policy;
	u32 start_time;		/* u64 there: more bytes */
	u32 nvcsw;
} KERNEL;

struct task_struct___signed {
	long pid;		/* int there: cannot be read as it is */
} KERNEL;

struct task_struct___array {
	char comm[64];		/* 16 there */
	u8 tasks;		/* a struct there */
} KERNEL;

BTF_PROGRAM(resized)
{
	struct task_struct___sizes *task = (void *)ctx[1];

	out = task->flags;
	out += task->policy;
	out += task->start_time;
	out += task->nvcsw;
	return 0;
}

BTF_PROGRAM(not_resizable)
{
	struct task_struct___signed *task = (void *)ctx[1];

	out = task->pid;
	out += bpf_core_field_size(task->pid);
	return 0;
}

BTF_PROGRAM(arrays_differ)
{
	struct task_struct___array *task = (void *)ctx[1];

	out = bpf_core_field_size(task->comm);
	out += bpf_core_field_exists(task->comm[15]);
	out += bpf_core_field_exists(task->comm[16]);
	out += bpf_core_field_exists(task->tasks);
	out += bpf_core_field_offset(task->comm);
	out += task->comm[4];
	return 0;
}
