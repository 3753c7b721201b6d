// SPDX-License-Identifier: GPL-2.0 OR MIT
// What the running system supplies: functions, variables and options of the kernel, of every kind.
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

struct task_struct {
	int pid;
} __attribute__((preserve_access_index));

struct rq {
	int cpu;
} __attribute__((preserve_access_index));

extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;
// As it is, by another name; and as it never was.
extern struct task_struct *bpf_task_acquire___now(struct task_struct *p) __ksym __weak;
extern void bpf_task_acquire___never(int pid, int more) __ksym __weak;
extern void bpf_task_release(struct task_struct *p) __ksym;
extern void hachi_no_such_function(int x) __ksym __weak;
extern void hachi_missing_function(int x) __ksym;
extern int bpf_rcu_read_lock___wrong(int x) __ksym;

// Of module nf_conntrack, on most kernels.
struct nf_conn {
	unsigned long status;
} __attribute__((preserve_access_index));
struct bpf_ct_opts {
	int netns_id;
	int error;
	unsigned char l4proto;
	unsigned char reserved[3];
};
extern struct nf_conn *bpf_xdp_ct_lookup(struct xdp_md *ctx, struct bpf_sock_tuple *tuple, __u32 size,
					 struct bpf_ct_opts *opts, __u32 opts_size) __ksym;
extern void bpf_ct_release(struct nf_conn *connection) __ksym __weak;

extern const struct rq runqueues __ksym;
extern const int bpf_prog_active __ksym;
extern const struct rq hachi_no_such_variable __ksym __weak;
extern const struct rq hachi_missing_variable __ksym;
extern const void _stext __ksym;
extern const void hachi_no_such_symbol __ksym __weak;
extern const void hachi_missing_symbol __ksym;

extern unsigned int LINUX_KERNEL_VERSION __kconfig;
extern bool LINUX_HAS_BPF_COOKIE __kconfig;
extern bool LINUX_HAS_SYSCALL_WRAPPER __kconfig;
extern bool LINUX_HAS_TOMORROW __kconfig __weak;
extern int CONFIG_HZ __kconfig;
extern bool CONFIG_BPF_SYSCALL __kconfig;
extern enum libbpf_tristate CONFIG_NET __kconfig;
extern char CONFIG_INET __kconfig;
extern char CONFIG_DEFAULT_HOSTNAME[16] __kconfig __weak;
extern long CONFIG_HACHI_NO_SUCH_OPTION __kconfig __weak;
extern int CONFIG_HACHI_MISSING_OPTION __kconfig;

struct results {
	__u32 version, hz, absent;
	__u32 bpf, net, inet;
	__u32 cookie, wrapper, tomorrow;
	__u32 acquired, cpus, active;
	__u64 text;
	char hostname[16];
} results;

SEC("raw_tp/sys_enter")
int options(void *ctx)
{
	results.version = LINUX_KERNEL_VERSION;
	results.hz = CONFIG_HZ;
	results.bpf = CONFIG_BPF_SYSCALL;
	results.net = CONFIG_NET;
	results.inet = CONFIG_INET;
	results.cookie = LINUX_HAS_BPF_COOKIE;
	results.wrapper = LINUX_HAS_SYSCALL_WRAPPER;
	results.tomorrow = LINUX_HAS_TOMORROW;
	results.absent = CONFIG_HACHI_NO_SUCH_OPTION;
	for (int i = 0; i < 16; i++)
		results.hostname[i] = CONFIG_DEFAULT_HOSTNAME[i];
	return 0;
}

SEC("raw_tp/sys_enter")
int missing_option(void *ctx)
{
	return CONFIG_HACHI_MISSING_OPTION;
}

SEC("raw_tp/sys_enter")
int variables(void *ctx)
{
	const struct rq *rq = bpf_per_cpu_ptr(&runqueues, 0);
	const int *active = bpf_this_cpu_ptr(&bpf_prog_active);

	if (rq)
		results.cpus = rq->cpu + 1;
	results.active = *active + 1;
	if (&hachi_no_such_variable)
		results.active = 0;
	return 0;
}

SEC("raw_tp/sys_enter")
int symbols(void *ctx)
{
	results.text = (__u64)&_stext;
	if (&hachi_no_such_symbol)
		results.text = 0;
	return 0;
}

SEC("raw_tp/sys_enter")
int missing_variable(void *ctx)
{
	const struct rq *rq = bpf_per_cpu_ptr(&hachi_missing_variable, 0);

	return rq ? rq->cpu : 0;
}

SEC("raw_tp/sys_enter")
int missing_symbol(void *ctx)
{
	results.text = (__u64)&hachi_missing_symbol;
	return 0;
}

SEC("tp_btf/task_newtask")
int functions(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];

	bpf_rcu_read_lock();
	bpf_rcu_read_unlock();
	if (hachi_no_such_function)
		hachi_no_such_function(1);
	if (bpf_task_acquire___never) {
		bpf_task_acquire___never(1, 2);
	} else if (bpf_task_acquire___now) {
		task = bpf_task_acquire___now(task);
		if (task) {
			results.acquired++;
			bpf_task_release(task);
		}
	}
	return 0;
}

SEC("tp_btf/task_newtask")
int unguarded(__u64 *ctx)
{
	hachi_no_such_function(1);
	return 0;
}

SEC("tp_btf/task_newtask")
int missing_function(__u64 *ctx)
{
	hachi_missing_function(1);
	return 0;
}

SEC("tp_btf/task_newtask")
int wrong_function(__u64 *ctx)
{
	return bpf_rcu_read_lock___wrong(1);
}

SEC("xdp")
int tracked(struct xdp_md *ctx)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_ct_opts opts = { .netns_id = -1, .l4proto = 6 };
	struct nf_conn *connection;

	if (!bpf_ct_release)
		return XDP_ABORTED;
	connection = bpf_xdp_ct_lookup(ctx, &tuple, sizeof(tuple.ipv4), &opts, sizeof(opts));
	if (connection)
		bpf_ct_release(connection);
	results.text = opts.error;
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
