// SPDX-License-Identifier: GPL-2.0 OR MIT
// Questions about bit-fields, of the kernel's and of fields that are bit-fields on one side only.
#include "core.h"

struct sk_buff {
	u8 pkt_type : 3;
	u8 ip_summed : 2;
	u8 cloned : 1;
	u8 nohdr : 1;
	u16 protocol;
	u32 len;
} KERNEL;

struct tcp_sock {
	u8 nonagle : 4;
	u8 is_cwnd_limited : 1;
	u8 repair : 1;
	u32 snd_cwnd : 20;	/* no bit-field there */
} KERNEL;

struct task_struct {
	unsigned sched_reset_on_fork : 1;
	unsigned sched_contributes_to_load : 1;
	unsigned in_execve : 1;
	unsigned no_cgroup_migration : 1;
	int pid : 31;		/* no bit-field there */
} KERNEL;

struct bpf_prog {
	u16 pages;
	u16 jited : 1;
	u16 gpl_compatible : 1;
	u16 kprobe_override : 1;
	u32 len;
} KERNEL;

struct page_or_similar___none {
	u64 wide : 40;
} KERNEL;

struct bpf_insn {
	u8 code;
	u8 dst_reg : 4;
	u8 src_reg : 4;
	s16 off;
	s32 imm;
} KERNEL;

/* A bit-field there, none here. */
struct sk_buff___plain {
	u8 pkt_type;
	u8 cloned;
} KERNEL;

volatile u64 out;

BTF_PROGRAM(direct)
{
	struct sk_buff *skb = (void *)ctx[0];
	struct task_struct *task = (void *)ctx[1];
	struct bpf_prog *prog = (void *)ctx[2];
	struct bpf_insn *insn = (void *)ctx[3];

	out = BPF_CORE_READ_BITFIELD(skb, pkt_type);
	out += BPF_CORE_READ_BITFIELD(skb, ip_summed);
	out += BPF_CORE_READ_BITFIELD(skb, cloned);
	out += BPF_CORE_READ_BITFIELD(skb, len);
	out += BPF_CORE_READ_BITFIELD(task, sched_contributes_to_load);
	out += BPF_CORE_READ_BITFIELD(task, pid);
	out += BPF_CORE_READ_BITFIELD(prog, gpl_compatible);
	out += BPF_CORE_READ_BITFIELD(insn, src_reg);
	return 0;
}

BTF_PROGRAM(probed)
{
	struct sk_buff *skb = (void *)ctx[0];
	struct task_struct *task = (void *)ctx[1];
	struct tcp_sock *tcp = (void *)ctx[2];

	out = BPF_CORE_READ_BITFIELD_PROBED(skb, nohdr);
	out += BPF_CORE_READ_BITFIELD_PROBED(task, in_execve);
	out += BPF_CORE_READ_BITFIELD_PROBED(task, no_cgroup_migration);
	out += BPF_CORE_READ_BITFIELD_PROBED(tcp, nonagle);
	out += BPF_CORE_READ_BITFIELD_PROBED(tcp, snd_cwnd);
	return 0;
}

BTF_PROGRAM(questions)
{
	struct sk_buff *skb = (void *)ctx[0];
	struct sk_buff___plain *plain = (void *)ctx[0];
	struct task_struct *task = (void *)ctx[1];
	struct page_or_similar___none *none = (void *)ctx[2];

	out = __builtin_preserve_field_info(skb->pkt_type, BPF_FIELD_SIGNED);
	out += __builtin_preserve_field_info(task->pid, BPF_FIELD_SIGNED);
	out += __builtin_preserve_field_info(plain->pkt_type, BPF_FIELD_LSHIFT_U64);
	out += __builtin_preserve_field_info(plain->cloned, BPF_FIELD_RSHIFT_U64);
	out += __builtin_preserve_field_info(plain->cloned, BPF_FIELD_BYTE_SIZE);
	out += bpf_core_field_exists(skb->cloned);
	out += bpf_core_field_exists(none->wide);
	return 0;
}
