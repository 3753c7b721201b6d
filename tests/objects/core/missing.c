// SPDX-License-Identifier: GPL-2.0 OR MIT
// What a kernel lacks: fields, types, parts of paths, elements; in instructions of every form, behind existence checks
// and not, in subprograms too.
#include "core.h"

struct inner_there {
	int a;
} KERNEL;

struct task_struct {
	int pid;
	int gone_number;
	struct {
		long gone_long;
	};
	struct inner_there gone_struct;
	struct task_struct *gone_pointer;
	struct task_struct *real_parent;
} KERNEL;

struct task_struct___kinds {
	struct task_struct *pid;	/* an int there */
	int real_parent;		/* a pointer there */
	int se;				/* a struct there */
	char comm[100];
} KERNEL;

struct gone {
	int field;
	unsigned bits : 3;
	char array[4];
} KERNEL;

/* Renamed in 5.14. */
struct task_struct___old {
	long state;
} KERNEL;

struct task_struct___new {
	unsigned int __state;
} KERNEL;

volatile u64 out;

static __noinline u64 state_of(void *task)
{
	struct task_struct___new *new = task;
	struct task_struct___old *old = task;

	if (bpf_core_field_exists(new->__state))
		return BPF_CORE_READ(new, __state);
	return BPF_CORE_READ(old, state);
}

__noinline u64 gone_of(struct task_struct *task)
{
	return task ? BPF_CORE_READ(task, gone_pointer, real_parent, pid) : 0;
}

BTF_PROGRAM(guarded)
{
	struct task_struct *task = (void *)ctx[1];

	out = state_of(task);
	if (bpf_core_field_exists(task->gone_number))
		out += task->gone_number;
	if (bpf_core_type_exists(struct gone)) {
		struct gone *gone = (void *)ctx[2];

		out += gone->field + BPF_CORE_READ_BITFIELD_PROBED(gone, bits);
	}
	return 0;
}

BTF_PROGRAM(unguarded)
{
	struct task_struct *task = (void *)ctx[1];

	out = task->gone_number;
	return 0;
}

BTF_PROGRAM(every_form)
{
	struct task_struct *task = (void *)ctx[1];
	struct gone *gone = (void *)ctx[2];

	out = gone_of(task);
	out += task->gone_long;
	out += task->gone_struct.a;
	out += task->gone_pointer->real_parent->pid;
	out += bpf_core_field_offset(struct task_struct, gone_number);
	out += bpf_core_field_size(struct gone, field);
	out += bpf_core_field_size(struct gone, array[2]);
	out += __builtin_preserve_field_info(gone->field, BPF_FIELD_SIGNED);
	out += BPF_CORE_READ_BITFIELD(gone, bits);
	out += bpf_core_type_size(struct gone);
	return 0;
}

BTF_PROGRAM(other_kinds)
{
	struct task_struct___kinds *task = (void *)ctx[1];

	out = (u64)BPF_CORE_READ(task, pid);
	out += BPF_CORE_READ(task, real_parent);
	out += task->se;
	out += task->comm[50];
	out += bpf_core_field_exists(task->pid);
	return 0;
}
