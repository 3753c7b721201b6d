// SPDX-License-Identifier: GPL-2.0 OR MIT
// What only the running kernel can supply: CO-RE, kernel functions and variables, configuration.
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>

struct task_struct {
	int pid;
	unsigned flag : 3;
	struct task_struct *parent;
	char comm[16];
} __attribute__((preserve_access_index));

struct gone___old {
	long field;
} __attribute__((preserve_access_index));

enum colour { RED = 1, GREEN = 0x7fffffff };
enum wide { WIDE = 0x123456789abcdef0 };

extern unsigned LINUX_KERNEL_VERSION __kconfig;
extern char CONFIG_HOSTNAME[16] __kconfig __weak;
extern bool CONFIG_BPF __kconfig;
extern const void bpf_prog_fops __ksym;
extern const int bpf_stats_enabled_key __ksym __weak;
extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;
extern int missing_function(struct task_struct *, int) __ksym __weak;

float unused_float = 1.5;
enum wide setting = WIDE;

static __noinline int depth(struct task_struct *task)
{
	return BPF_CORE_READ(task, parent, pid);
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	long out = 0;

	bpf_rcu_read_lock();
	out += depth(next);
	bpf_rcu_read_unlock();
	if (bpf_core_field_exists(next->comm))
		out += bpf_core_field_size(next->comm);
	if (bpf_core_type_exists(struct gone___old))
		out += bpf_core_type_size(struct gone___old);
	out += BPF_CORE_READ_BITFIELD_PROBED(next, flag);
	out += bpf_core_enum_value(enum colour, RED);
	if (missing_function)
		out += missing_function(next, 1);
	out += (long)&bpf_prog_fops;
	if (&bpf_stats_enabled_key)
		out += 1;
	if (LINUX_KERNEL_VERSION > 0x50000 && CONFIG_BPF)
		out += CONFIG_HOSTNAME[2];
	return out + setting;
}

char _license[] SEC("license") = "GPL";
