//! The oldest kernel an object can run on, and why.

use std::collections::BTreeMap;

use hachi_asm::helpers::Kernel;
use hachi_asm::{AluOp, AtomicOp, CallTarget, Imm64, Op};

use super::ops;
use crate::{MapSpec, ProgramSpec, ProgramType, RelocationKind, Spec};

/// Something an object uses that not every kernel has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Requirement {
    /// The first kernel that has it.
    pub kernel: Kernel,
    /// What it is: `helper bpf_ringbuf_output`, `map type ringbuf`.
    pub what: String,
    /// Where it is first used: `program 'xdp_firewall'`, `map 'EVENTS'`.
    pub by: String,
}

/// The oldest kernel that has all that the object uses. What depends on configuration, drivers
/// or the verifier's cleverness cannot be told.
pub fn minimum_kernel(spec: &Spec) -> Kernel {
    requirements(spec).first().map_or((3, 18), |r| r.kernel)
}

/// All that the object uses, the newest first; each thing once.
pub fn requirements(spec: &Spec) -> Vec<Requirement> {
    let mut found = Found::default();
    for map in &spec.maps {
        let by = format!("map '{}'", map.name);
        map_needs(map, &by, &mut found);
    }
    for program in &spec.programs {
        let by = format!("program '{}'", program.name);
        program_needs(program, &by, &mut found);
    }
    let mut list: Vec<Requirement> = found
        .0
        .into_iter()
        .map(|(what, (kernel, by))| Requirement { kernel, what, by })
        .collect();
    list.sort_by(|a, b| b.kernel.cmp(&a.kernel).then_with(|| a.what.cmp(&b.what)));
    list
}

#[derive(Default)]
struct Found(BTreeMap<String, (Kernel, String)>);

impl Found {
    fn add(&mut self, kernel: Kernel, what: impl Into<String>, by: &str) {
        self.0
            .entry(what.into())
            .or_insert_with(|| (kernel, by.to_owned()));
    }
}

fn map_needs(map: &MapSpec, by: &str, found: &mut Found) {
    match map.data {
        Some(_) => found.add((5, 2), "global variables", by),
        None => found.add(
            map.kind.first_kernel(),
            format!("map type {}", map.kind.name()),
            by,
        ),
    }
    if let Some(inner) = &map.inner {
        map_needs(inner, by, found);
    }
}

fn program_needs(program: &ProgramSpec, by: &str, found: &mut Found) {
    match program.section_def {
        Some(def) => found.add(
            def.first_kernel,
            format!("programs in section {}", def.name.trim_end_matches('/')),
            by,
        ),
        None if program.program_type == ProgramType::Unspec => {}
        None => found.add(
            program.program_type.first_kernel(),
            format!("program type {}", program.program_type.name()),
            by,
        ),
    }
    if program.insns.len() > hachi_asm::consts::BPF_MAXINSNS {
        found.add((5, 2), "more than 4096 instructions", by);
    }
    for (slot, op) in ops(program) {
        op_needs(program, slot, op, by, found);
    }
    if has_loop(program) {
        found.add((5, 3), "loops", by);
    }
}

/// Whether some path through the code comes back to where it was. A jump backwards alone need not.
fn has_loop(program: &ProgramSpec) -> bool {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        New,
        Open,
        Done,
    }
    let insns = &program.insns;
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
    for function in &program.functions {
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
                State::Open => return true,
                State::Done => {}
                State::New => {
                    state[to] = State::Open;
                    path.push((to, successors(to)));
                }
            }
        }
    }
    false
}

fn op_needs(program: &ProgramSpec, slot: usize, op: Op, by: &str, found: &mut Found) {
    match op {
        Op::Call(CallTarget::Helper(id)) => {
            if let Some(helper) = hachi_asm::helpers::by_id(id as u32) {
                found.add(helper.first_kernel, format!("helper {}", helper.name), by);
            }
        }
        Op::Call(CallTarget::Local(_)) => found.add((4, 16), "calls of functions", by),
        Op::Call(CallTarget::Kfunc { .. }) => found.add((5, 13), "calls of kernel functions", by),
        Op::LdImm64 { imm, .. } => match imm {
            Imm64::Func(_) => found.add((5, 13), "callbacks", by),
            _ => {
                if let Some(RelocationKind::Ksym { .. }) =
                    program.relocation_at(slot).map(|r| &r.kind)
                {
                    found.add((5, 10), "addresses of kernel variables", by);
                }
            }
        },
        Op::Alu { op, .. } => match op {
            AluOp::Sdiv | AluOp::Smod => found.add((6, 6), "signed division (cpu v4)", by),
            AluOp::MovSx(_) => found.add((6, 6), "sign-extending moves (cpu v4)", by),
            _ => {}
        },
        Op::Bswap { .. } => found.add((6, 6), "unconditional byte swaps (cpu v4)", by),
        Op::Load { signed: true, .. } => {
            found.add((6, 6), "sign-extending loads (cpu v4)", by);
        }
        Op::Ja { long: true, .. } => found.add((6, 6), "32-bit jumps (cpu v4)", by),
        Op::Jump { wide: false, .. } => found.add((5, 1), "32-bit comparisons (cpu v3)", by),
        Op::Atomic { op, fetch, .. } if fetch || op != AtomicOp::Add => {
            found.add((5, 12), "atomic operations beyond addition (cpu v3)", by);
        }
        Op::LoadAcquire { .. } | Op::StoreRelease { .. } => {
            found.add((6, 15), "load-acquire and store-release (cpu v4)", by);
        }
        Op::MayGoto { .. } => found.add((6, 9), "may_goto", by),
        Op::AddrSpaceCast { .. } => found.add((6, 9), "arena pointers", by),
        Op::Jx { .. } => found.add((6, 19), "jumps to computed addresses", by),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use hachi_asm::{JumpOp, Operand, build::*};

    use super::*;
    use crate::Function;

    fn looping(insns: &[hachi_asm::Insn]) -> bool {
        let mut program = ProgramSpec::new("p", ProgramType::Xdp);
        program.insns = insns.to_vec();
        program.functions = vec![Function {
            name: "p".into(),
            start: 0,
            len: insns.len(),
        }];
        has_loop(&program)
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
