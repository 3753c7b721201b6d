// SPDX-License-Identifier: GPL-2.0 OR MIT
// Accesses that no kernel's types could answer: each program is refused as a whole.
#include "core.h"

struct bpf_array {
	u32 elem_size;
	union {
		char value[0];	/* no flexible array by the rules: not the last member */
		void *ptrs[0];
	};
} KERNEL;

struct {
	int nameless;
} KERNEL *nameless;

struct task_struct {
	char comm[16];
} KERNEL;

volatile u64 out;

BTF_PROGRAM(flexible_in_the_middle)
{
	struct bpf_array *array = (void *)ctx[0];

	out = array->value[17];
	return 0;
}

BTF_PROGRAM(without_a_name)
{
	typeof(nameless) p = (void *)ctx[0];

	out = p->nameless;
	return 0;
}

BTF_PROGRAM(sign_of_an_element)
{
	struct task_struct *task = (void *)ctx[1];

	out = __builtin_preserve_field_info(task->comm[3], BPF_FIELD_SIGNED);
	return 0;
}
