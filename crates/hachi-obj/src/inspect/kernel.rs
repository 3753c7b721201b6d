//! The oldest kernel an object can run on, and why.

use std::{cmp::Reverse, fmt};

use hachi_asm::helpers::Kernel;
use hachi_asm::{AluOp, AtomicOp, CallTarget, Imm64, Op};

use super::ops;
use crate::{Code, DataKind, MapSpec, MapType, ProgramSpec, ProgramType, RelocationKind, Spec};

/// Something an object uses that not every kernel has.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Requirement {
    /// The first kernel that has it.
    pub kernel: Kernel,
    /// What it is.
    pub need: Need,
    /// What first uses it.
    pub by: User,
    /// For what is used in code: the index of that program in [`Spec::programs`], and the slot of
    /// the first instruction that uses it.
    pub at: Option<(usize, usize)>,
}

/// A part of an object that uses something. In words by `Display`: `program 'xdp_firewall'`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum User {
    /// A map of this name.
    Map(String),
    /// A struct of functions of this name.
    StructOps(String),
    /// A program of this name.
    Program(String),
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, name) = match self {
            User::Map(name) => ("map", name),
            User::StructOps(name) => ("struct", name),
            User::Program(name) => ("program", name),
        };
        write!(f, "{what} '{name}'")
    }
}

/// What an object may use that not every kernel has. In words by `Display`: `helper
/// bpf_ringbuf_output`, `map type ringbuf`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Need {
    /// Maps of a type.
    Map(MapType),
    /// Programs of a type.
    Program(ProgramType),
    /// Programs in sections of this kind.
    Section(&'static str),
    /// A helper.
    Helper(&'static str),
    /// A kernel function (kfunc).
    Kfunc(String),
    /// Any kernel function.
    KfuncCalls,
    /// The address of a kernel variable.
    KernelVariables,
    /// Maps that hold global variables.
    GlobalVariables,
    /// Maps that hold global variables of which each CPU has its own.
    PercpuVariables,
    /// Structs of functions that are registered by links.
    StructOpsLinks,
    /// Functions of the program's own that are called.
    FunctionCalls,
    /// Functions of the program's own that are handed to the kernel.
    Callbacks,
    /// Control that comes back to where it was.
    Loops,
    /// More instructions than the first kernels took.
    Size,
    /// Instructions of a version of the instruction set, which the compiler's `--cpu` chooses.
    Cpu {
        /// The version: 3 or 4.
        version: u8,
        /// The instructions.
        what: &'static str,
    },
    /// Instructions that only some sources ask for.
    Instruction(&'static str),
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Need::Map(kind) => return write!(f, "map type {}", kind.name()),
            Need::Program(kind) => return write!(f, "program type {}", kind.name()),
            Need::Section(name) => return write!(f, "programs in section {name}"),
            Need::Helper(name) => return write!(f, "helper {name}"),
            Need::Kfunc(name) => return write!(f, "kernel function {name}"),
            Need::Cpu { version, what } => return write!(f, "{what} (cpu v{version})"),
            Need::KfuncCalls => "calls of kernel functions",
            Need::KernelVariables => "addresses of kernel variables",
            Need::GlobalVariables => "global variables",
            Need::PercpuVariables => "per-CPU global variables (.percpu)",
            Need::StructOpsLinks => "structs of functions registered by links",
            Need::FunctionCalls => "calls of functions",
            Need::Callbacks => "callbacks",
            Need::Loops => "loops",
            Need::Size => "more than 4096 instructions",
            Need::Instruction(what) => what,
        })
    }
}

/// The oldest kernel that has all that the object uses. What depends on configuration, drivers
/// or the verifier's cleverness cannot be known.
pub fn minimum_kernel(spec: &Spec) -> Kernel {
    requirements(spec).first().map_or((3, 18), |r| r.kernel)
}

/// All that the object uses, the newest first; each thing once.
pub fn requirements(spec: &Spec) -> Vec<Requirement> {
    let mut found = Found::default();
    for map in &spec.maps {
        map_needs(map, &Use::of(User::Map(map.name.clone())), &mut found);
    }
    for ops in spec.struct_ops.iter().filter(|ops| ops.link) {
        let by = Use::of(User::StructOps(ops.name.clone()));
        found.add((6, 4), Need::StructOpsLinks, &by, 0);
    }
    for (index, program) in spec.programs.iter().enumerate() {
        let by = Use {
            by: User::Program(program.name.clone()),
            program: Some(index),
        };
        program_needs(program, &by, &mut found);
    }
    let mut list = found.0;
    list.sort_by_cached_key(|found| (Reverse(found.kernel), found.need.to_string()));
    list
}

/// What one program uses, as [`requirements`] finds it, maps and structs apart.
pub fn requirements_of(program: &ProgramSpec) -> Vec<Requirement> {
    let user = Use::of(User::Program(program.name.clone()));
    let mut found = Found::default();
    program_needs(program, &user, &mut found);
    found.0
}

/// Who uses something: a program with its index.
struct Use {
    by: User,
    program: Option<usize>,
}

impl Use {
    fn of(by: User) -> Use {
        Use { by, program: None }
    }
}

#[derive(Default)]
struct Found(Vec<Requirement>);

impl Found {
    /// The slot counts for programs.
    fn add(&mut self, kernel: Kernel, need: Need, user: &Use, slot: usize) {
        if self.0.iter().any(|found| found.need == need) {
            return;
        }
        self.0.push(Requirement {
            kernel,
            need,
            by: user.by.clone(),
            at: user.program.map(|program| (program, slot)),
        });
    }
}

fn map_needs(map: &MapSpec, user: &Use, found: &mut Found) {
    match map.data {
        Some(DataKind::Percpu) => found.add((7, 3), Need::PercpuVariables, user, 0),
        Some(_) => found.add((5, 2), Need::GlobalVariables, user, 0),
        None => found.add(map.kind.first_kernel(), Need::Map(map.kind), user, 0),
    }
    if let Some(inner) = &map.inner {
        map_needs(inner, user, found);
    }
}

fn program_needs(program: &ProgramSpec, user: &Use, found: &mut Found) {
    match program.section_def {
        Some(def) => found.add(
            def.first_kernel,
            Need::Section(def.name.trim_end_matches('/')),
            user,
            0,
        ),
        None if program.program_type == ProgramType::Unspec => {}
        None => found.add(
            program.program_type.first_kernel(),
            Need::Program(program.program_type),
            user,
            0,
        ),
    }
    // Code that cannot be put together needs no kernel: there is none that runs it.
    let Ok(code) = program.code() else { return };
    if code.insns.len() > hachi_asm::consts::BPF_MAXINSNS {
        found.add((5, 2), Need::Size, user, 0);
    }
    for (slot, op) in ops(&code) {
        op_needs(&code, slot, op, user, found);
    }
    if let Some(slot) = first_loop(&code) {
        found.add((5, 3), Need::Loops, user, slot);
    }
}

/// The first kernels of the kernel functions that programs use most; others need a kernel by far
/// newer than the first one with calls of kernel functions, but which is not known here.
///
/// By the releases that hold the commits which ebpf-docs names (`data/feature-versions.yaml`). A
/// name that ends in `_impl` counts from when it has that ending: the same function may be older
/// under another.
const KFUNCS: &[(&str, Kernel)] = &[
    ("bpf_cast_to_kern_ctx", (6, 2)),
    ("bpf_cgroup_acquire", (6, 2)),
    ("bpf_cgroup_ancestor", (6, 2)),
    ("bpf_cgroup_release", (6, 2)),
    ("bpf_list_pop_back", (6, 2)),
    ("bpf_list_pop_front", (6, 2)),
    ("bpf_obj_drop_impl", (6, 2)),
    ("bpf_obj_new_impl", (6, 2)),
    ("bpf_rcu_read_lock", (6, 2)),
    ("bpf_rcu_read_unlock", (6, 2)),
    ("bpf_rdonly_cast", (6, 2)),
    ("bpf_task_acquire", (6, 2)),
    ("bpf_task_from_pid", (6, 2)),
    ("bpf_task_release", (6, 2)),
    ("bpf_cpumask_acquire", (6, 3)),
    ("bpf_cpumask_and", (6, 3)),
    ("bpf_cpumask_clear", (6, 3)),
    ("bpf_cpumask_clear_cpu", (6, 3)),
    ("bpf_cpumask_copy", (6, 3)),
    ("bpf_cpumask_create", (6, 3)),
    ("bpf_cpumask_empty", (6, 3)),
    ("bpf_cpumask_equal", (6, 3)),
    ("bpf_cpumask_first", (6, 3)),
    ("bpf_cpumask_first_zero", (6, 3)),
    ("bpf_cpumask_full", (6, 3)),
    ("bpf_cpumask_intersects", (6, 3)),
    ("bpf_cpumask_or", (6, 3)),
    ("bpf_cpumask_release", (6, 3)),
    ("bpf_cpumask_set_cpu", (6, 3)),
    ("bpf_cpumask_setall", (6, 3)),
    ("bpf_cpumask_subset", (6, 3)),
    ("bpf_cpumask_test_and_clear_cpu", (6, 3)),
    ("bpf_cpumask_test_and_set_cpu", (6, 3)),
    ("bpf_cpumask_test_cpu", (6, 3)),
    ("bpf_cpumask_xor", (6, 3)),
    ("bpf_rbtree_first", (6, 3)),
    ("bpf_rbtree_remove", (6, 3)),
    ("bpf_xdp_metadata_rx_hash", (6, 3)),
    ("bpf_xdp_metadata_rx_timestamp", (6, 3)),
    ("bpf_cgroup_from_id", (6, 4)),
    ("bpf_dynptr_from_skb", (6, 4)),
    ("bpf_dynptr_from_xdp", (6, 4)),
    ("bpf_dynptr_slice", (6, 4)),
    ("bpf_dynptr_slice_rdwr", (6, 4)),
    ("bpf_iter_num_destroy", (6, 4)),
    ("bpf_iter_num_new", (6, 4)),
    ("bpf_iter_num_next", (6, 4)),
    ("bpf_list_push_back_impl", (6, 4)),
    ("bpf_list_push_front_impl", (6, 4)),
    ("bpf_rbtree_add_impl", (6, 4)),
    ("bpf_refcount_acquire_impl", (6, 4)),
    ("bpf_cpumask_any_distribute", (6, 5)),
    ("bpf_cpumask_first_and", (6, 5)),
    ("bpf_dynptr_adjust", (6, 5)),
    ("bpf_dynptr_clone", (6, 5)),
    ("bpf_dynptr_is_null", (6, 5)),
    ("bpf_dynptr_is_rdonly", (6, 5)),
    ("bpf_dynptr_size", (6, 5)),
    ("bpf_task_under_cgroup", (6, 5)),
    ("bpf_map_sum_elem_count", (6, 6)),
    ("bpf_iter_css_destroy", (6, 7)),
    ("bpf_iter_css_new", (6, 7)),
    ("bpf_iter_css_next", (6, 7)),
    ("bpf_iter_task_destroy", (6, 7)),
    ("bpf_iter_task_new", (6, 7)),
    ("bpf_iter_task_next", (6, 7)),
    ("bpf_iter_task_vma_destroy", (6, 7)),
    ("bpf_iter_task_vma_new", (6, 7)),
    ("bpf_iter_task_vma_next", (6, 7)),
    ("bpf_percpu_obj_drop_impl", (6, 7)),
    ("bpf_percpu_obj_new_impl", (6, 7)),
    ("bpf_throw", (6, 7)),
    ("bpf_cpumask_weight", (6, 8)),
    ("bpf_get_file_xattr", (6, 8)),
    ("bpf_arena_alloc_pages", (6, 9)),
    ("bpf_arena_free_pages", (6, 9)),
    ("bpf_crypto_ctx_acquire", (6, 10)),
    ("bpf_crypto_ctx_create", (6, 10)),
    ("bpf_crypto_ctx_release", (6, 10)),
    ("bpf_crypto_decrypt", (6, 10)),
    ("bpf_crypto_encrypt", (6, 10)),
    ("bpf_preempt_disable", (6, 10)),
    ("bpf_preempt_enable", (6, 10)),
    ("bpf_session_cookie", (6, 10)),
    ("bpf_session_is_return", (6, 10)),
    ("bpf_wq_init", (6, 10)),
    ("bpf_wq_set_callback_impl", (6, 10)),
    ("bpf_wq_start", (6, 10)),
    ("bpf_get_task_exe_file", (6, 12)),
    ("bpf_path_d_path", (6, 12)),
    ("bpf_put_file", (6, 12)),
    ("bpf_res_spin_lock", (6, 15)),
    ("bpf_res_spin_lock_irqsave", (6, 15)),
    ("bpf_res_spin_unlock", (6, 15)),
    ("bpf_res_spin_unlock_irqrestore", (6, 15)),
    ("bpf_dynptr_copy", (6, 16)),
    ("bpf_list_back", (6, 16)),
    ("bpf_list_front", (6, 16)),
    ("bpf_rbtree_left", (6, 16)),
    ("bpf_rbtree_right", (6, 16)),
    ("bpf_rbtree_root", (6, 16)),
    ("bpf_strchr", (6, 17)),
    ("bpf_strchrnul", (6, 17)),
    ("bpf_strcmp", (6, 17)),
    ("bpf_strcspn", (6, 17)),
    ("bpf_strlen", (6, 17)),
    ("bpf_strnchr", (6, 17)),
    ("bpf_strnlen", (6, 17)),
    ("bpf_strnstr", (6, 17)),
    ("bpf_strrchr", (6, 17)),
    ("bpf_strspn", (6, 17)),
    ("bpf_strstr", (6, 17)),
    ("bpf_strcasecmp", (6, 18)),
];

/// The kernel functions whose first kernel is known here, by that kernel and name.
pub fn kfuncs() -> &'static [(&'static str, Kernel)] {
    KFUNCS
}

fn kfunc_needs(code: &Code, slot: usize, user: &Use, found: &mut Found) {
    let name = match code.relocation_at(slot).map(|r| &r.kind) {
        Some(RelocationKind::Kfunc { name, .. }) => &**name,
        // Linking decides what is called.
        Some(RelocationKind::Unresolved { .. }) => return,
        _ => "",
    };
    match KFUNCS.iter().find(|(known, _)| *known == name) {
        Some((_, kernel)) => found.add(*kernel, Need::Kfunc(name.to_owned()), user, slot),
        None => found.add((5, 13), Need::KfuncCalls, user, slot),
    }
}

/// The first slot found from which control comes back to where it was. A jump backwards alone
/// need not.
fn first_loop(code: &Code) -> Option<usize> {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        New,
        Open,
        Done,
    }
    let insns = &code.insns;
    // Where control may go from a slot: to the next one, and to where it jumps.
    let successors = |slot: usize| {
        let op = Op::decode(insns, slot).ok();
        let slots = op.map_or(1, Op::slots);
        let next =
            (!matches!(op, Some(Op::Exit | Op::Ja { .. } | Op::Jx { .. }))).then_some(slot + slots);
        let jump = insns[slot]
            .jump_offset()
            .and_then(|off| usize::try_from(slot as i64 + 1 + i64::from(off)).ok());
        [next, jump].map(|to| to.filter(|&to| to < insns.len()))
    };
    let mut state = vec![State::New; insns.len()];
    for function in &code.functions {
        if state.get(function.start) != Some(&State::New) {
            continue;
        }
        state[function.start] = State::Open;
        let mut path = vec![(function.start, successors(function.start))];
        while let Some((slot, left)) = path.last_mut() {
            let Some(to) = left.iter_mut().find_map(Option::take) else {
                state[*slot] = State::Done;
                path.pop();
                continue;
            };
            match state[to] {
                State::Open => return Some(*slot),
                State::Done => {}
                State::New => {
                    state[to] = State::Open;
                    path.push((to, successors(to)));
                }
            }
        }
    }
    None
}

fn op_needs(code: &Code, slot: usize, op: Op, user: &Use, found: &mut Found) {
    let cpu = |version, what| Need::Cpu { version, what };
    match op {
        Op::Call(CallTarget::Helper(id)) => {
            if let Some(helper) = hachi_asm::helpers::by_id(id as u32) {
                found.add(helper.first_kernel, Need::Helper(helper.name), user, slot);
            }
        }
        Op::Call(CallTarget::Local(_)) => found.add((4, 16), Need::FunctionCalls, user, slot),
        Op::Call(CallTarget::Kfunc { .. }) => kfunc_needs(code, slot, user, found),
        Op::LdImm64 { imm, .. } => match imm {
            Imm64::Func(_) => found.add((5, 13), Need::Callbacks, user, slot),
            _ => {
                if let Some(RelocationKind::Ksym { .. }) = code.relocation_at(slot).map(|r| &r.kind)
                {
                    found.add((5, 10), Need::KernelVariables, user, slot);
                }
            }
        },
        Op::Alu { op, .. } => match op {
            AluOp::Sdiv | AluOp::Smod => found.add((6, 6), cpu(4, "signed division"), user, slot),
            AluOp::MovSx(_) => found.add((6, 6), cpu(4, "sign-extending moves"), user, slot),
            _ => {}
        },
        Op::Bswap { .. } => found.add((6, 6), cpu(4, "unconditional byte swaps"), user, slot),
        Op::Load { signed: true, .. } => {
            found.add((6, 6), cpu(4, "sign-extending loads"), user, slot);
        }
        Op::Ja { long: true, .. } => found.add((6, 6), cpu(4, "32-bit jumps"), user, slot),
        Op::Jump { wide: false, .. } => found.add((5, 1), cpu(3, "32-bit comparisons"), user, slot),
        Op::Atomic { op, fetch, .. } if fetch || op != AtomicOp::Add => {
            found.add(
                (5, 12),
                cpu(3, "atomic operations beyond addition"),
                user,
                slot,
            );
        }
        Op::LoadAcquire { .. } | Op::StoreRelease { .. } => {
            found.add(
                (6, 15),
                cpu(4, "load-acquire and store-release"),
                user,
                slot,
            );
        }
        Op::MayGoto { .. } => found.add((6, 9), Need::Instruction("may_goto"), user, slot),
        Op::AddrSpaceCast { .. } => {
            found.add((6, 9), Need::Instruction("arena pointers"), user, slot)
        }
        Op::Jx { .. } => found.add(
            (6, 19),
            Need::Instruction("jumps to computed addresses"),
            user,
            slot,
        ),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use hachi_asm::{JumpOp, Operand, build::*};

    use super::*;

    fn looping(insns: &[hachi_asm::Insn]) -> bool {
        first_loop(&Code::new("p", insns.to_vec())).is_some()
    }

    #[test]
    fn only_circles_are_loops() {
        let again = jump(JumpOp::Ne, 1, Operand::Imm(0), -2);
        assert!(looping(&[mov_imm(0, 0), add_imm(1, -1), again, exit()]));
        assert!(looping(&[ja(-1)]));
        // Backwards, but on to the end.
        assert!(!looping(&[ja(2), mov_imm(0, 0), exit(), ja(-3)]));
        assert!(!looping(&[mov_imm(0, 0), exit()]));
        assert!(!looping(&[]));
        // Out of the program: nothing to follow.
        assert!(!looping(&[ja(-5), ja(100), exit()]));
    }
}
