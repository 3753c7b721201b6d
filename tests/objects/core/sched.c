// SPDX-License-Identifier: GPL-2.0 OR MIT
// What a scheduler tracer asks: about a hundred questions of most kinds, in one program.
#include "core.h"

struct list_head {
	struct list_head *next, *prev;
} KERNEL;

struct load_weight {
	unsigned long weight;
	u32 inv_weight;
} KERNEL;

struct sched_avg {
	u64 last_update_time;
	u64 load_sum;
	u64 runnable_sum;
	u32 util_sum;
	unsigned long load_avg;
	unsigned long util_avg;
} KERNEL;

struct sched_entity {
	struct load_weight load;
	unsigned int on_rq;
	u64 exec_start;
	u64 sum_exec_runtime;
	u64 vruntime;
	u64 prev_sum_exec_runtime;
	u64 nr_migrations;
	int depth;
	struct sched_avg avg;
} KERNEL;

struct sched_rt_entity {
	unsigned long timeout;
	unsigned int time_slice;
} KERNEL;

struct sched_dl_entity {
	u64 dl_runtime;
	u64 dl_deadline;
	u64 dl_period;
	s64 runtime;
} KERNEL;

struct sched_info {
	unsigned long pcount;
	unsigned long long run_delay;
	unsigned long long last_arrival;
	unsigned long long last_queued;
} KERNEL;

struct mm_struct {
	unsigned long task_size;
	void *pgd;
	int map_count;
	unsigned long total_vm;
	unsigned long stack_vm;
	unsigned long start_code, end_code, start_data, end_data, start_brk, brk, start_stack, arg_start, arg_end;
} KERNEL;

struct cred {
	struct {
		u32 val;
	} uid, euid;
} KERNEL;

struct ns_common {
	unsigned int inum;
} KERNEL;

struct pid_namespace {
	unsigned int level;
	struct ns_common ns;
} KERNEL;

struct uts_namespace {
	struct ns_common ns;
} KERNEL;

struct nsproxy {
	struct pid_namespace *pid_ns_for_children;
	struct uts_namespace *uts_ns;
} KERNEL;

struct signal_struct {
	int nr_threads;
	unsigned int flags;
	int group_exit_code;
	short oom_score_adj;
	u64 sum_sched_runtime;
	unsigned long nvcsw, nivcsw, min_flt, maj_flt;
} KERNEL;

struct files_struct {
	unsigned int next_fd;
} KERNEL;

struct kernfs_node {
	u64 id;
	const char *name;
} KERNEL;

struct cgroup {
	int level;
	struct kernfs_node *kn;
} KERNEL;

struct css_set {
	struct cgroup *dfl_cgrp;
} KERNEL;

struct task_struct {
	unsigned int flags;
	unsigned int ptrace;
	int on_cpu;
	int on_rq;
	int prio, static_prio, normal_prio;
	unsigned int rt_priority;
	struct sched_entity se;
	struct sched_rt_entity rt;
	struct sched_dl_entity dl;
	unsigned int policy;
	int nr_cpus_allowed;
	struct sched_info sched_info;
	struct mm_struct *mm;
	struct mm_struct *active_mm;
	int exit_state, exit_code, exit_signal;
	unsigned sched_reset_on_fork : 1;
	unsigned in_execve : 1;
	unsigned in_iowait : 1;
	int pid;
	int tgid;
	struct task_struct *real_parent;
	struct task_struct *parent;
	struct task_struct *group_leader;
	struct list_head children;
	u64 utime, stime;
	unsigned long nvcsw, nivcsw;
	u64 start_time;
	unsigned long min_flt, maj_flt;
	struct cred *cred;
	char comm[16];
	struct files_struct *files;
	struct nsproxy *nsproxy;
	struct signal_struct *signal;
	struct css_set *cgroups;
} KERNEL;

struct task_struct___old {
	long state;
} KERNEL;

struct task_struct___new {
	unsigned int __state;
} KERNEL;

struct rq {
	unsigned int nr_running;
	u64 nr_switches;
	u64 clock;
} KERNEL;

enum pid_type {
	PIDTYPE_TGID___x = 30,
	PIDTYPE_SID___x,
};

u64 out;

#define READ(...) out += (u64)BPF_CORE_READ(next, __VA_ARGS__)

BTF_PROGRAM(on_switch)
{
	struct task_struct *prev = (void *)ctx[1], *next = (void *)ctx[2];
	struct task_struct___old *old = (void *)next;
	struct task_struct___new *new = (void *)next;
	char comm[16];

	/* Direct loads through a trusted pointer. */
	out = prev->pid + prev->tgid + prev->flags + prev->prio + prev->exit_code + prev->start_time;
	out += prev->se.vruntime + prev->se.sum_exec_runtime + prev->se.avg.util_avg + prev->nvcsw;
	if (bpf_core_field_exists(new->__state))
		out += BPF_CORE_READ(new, __state);
	else
		out += BPF_CORE_READ(old, state);
	READ(flags); READ(ptrace); READ(on_cpu); READ(on_rq); READ(prio); READ(static_prio); READ(normal_prio);
	READ(rt_priority); READ(se.load.weight); READ(se.on_rq); READ(se.exec_start); READ(se.vruntime);
	READ(se.prev_sum_exec_runtime); READ(se.nr_migrations); READ(se.avg.load_avg); READ(se.avg.util_sum);
	READ(se.avg.last_update_time); READ(rt.timeout); READ(rt.time_slice); READ(dl.dl_runtime); READ(dl.dl_deadline);
	READ(dl.runtime); READ(policy); READ(nr_cpus_allowed); READ(sched_info.pcount); READ(sched_info.run_delay);
	READ(sched_info.last_arrival); READ(exit_state); READ(exit_signal); READ(utime); READ(stime); READ(nivcsw);
	READ(min_flt); READ(maj_flt); READ(mm, pgd); READ(mm, map_count); READ(mm, total_vm); READ(mm, stack_vm);
	READ(mm, start_code); READ(mm, start_brk); READ(mm, arg_start); READ(mm, arg_end); READ(cred, uid.val);
	READ(cred, euid.val); READ(real_parent, pid); READ(parent, tgid); READ(group_leader, start_time);
	READ(files, next_fd); READ(nsproxy, pid_ns_for_children, level); READ(nsproxy, pid_ns_for_children, ns.inum);
	READ(nsproxy, uts_ns, ns.inum); READ(signal, nr_threads); READ(signal, flags); READ(signal, oom_score_adj);
	READ(signal, nvcsw); READ(signal, maj_flt); READ(cgroups, dfl_cgrp, level); READ(cgroups, dfl_cgrp, kn, id);
	BPF_CORE_READ_STR_INTO(&comm, next, comm);
	out += comm[1];
	out += BPF_CORE_READ_BITFIELD_PROBED(next, sched_reset_on_fork);
	out += BPF_CORE_READ_BITFIELD_PROBED(next, in_iowait);
	out += bpf_core_type_size(struct task_struct) + bpf_core_type_exists(struct rq);
	out += bpf_core_field_exists(((struct rq *)0)->nr_switches);
	out += bpf_core_enum_value(enum pid_type, PIDTYPE_TGID___x);
	out += bpf_core_enum_value_exists(enum pid_type, PIDTYPE_SID___x);
	return 0;
}
