//! What is known of a program before it is compiled: its functions, their blocks, and what its
//! registers hold.

use std::collections::{BTreeMap, BTreeSet};

use super::Key;
use crate::context::Shape;
use crate::decode::{Code, Step, is_conditional, is_store};
use crate::program::Program;

/// What a register holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    /// The frame pointer, moved by this many bytes.
    Frame(i32),
    /// The context, moved by this many bytes.
    Context(i32),
    /// A pointer whose window is right, in programs that a verifier has accepted.
    Pointer,
    /// Anything.
    Any,
}

pub(super) type Registers = [Held; 11];

/// A function of a program.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) key: Key,
    /// Where blocks begin, and what registers hold there.
    pub(super) blocks: BTreeMap<usize, Registers>,
}

/// The functions of a program; none if they are too large together.
pub(super) fn functions(program: &Program, most: usize) -> Option<Vec<Function>> {
    let steps = &program.steps;
    let mut wanted: Vec<Key> = vec![(0, true)];
    let mut seen: BTreeSet<Key> = wanted.iter().copied().collect();
    let mut functions = Vec::new();
    let mut total = 0;
    while let Some(key) = wanted.pop() {
        let (leaders, reached) = leaders(steps, key.0);
        total += reached.len();
        if total > most {
            return None;
        }
        for at in reached {
            let step = &steps[at];
            if matches!(step.code, Code::CallLocal | Code::LoadFunction) {
                let callee = (step.off as usize, false);
                if seen.insert(callee) {
                    wanted.push(callee);
                }
            }
        }
        functions.push(Function {
            key,
            blocks: flow(program, key, &leaders),
        });
    }
    Some(functions)
}

/// Where a step leads besides the next one.
fn target(step: &Step) -> Option<usize> {
    let jumps = is_conditional(step.code) || matches!(step.code, Code::Ja | Code::MayGoto);
    jumps.then_some(step.off as usize)
}

/// How many slots an instruction has.
pub(super) fn slots(step: &Step) -> usize {
    match step.code {
        Code::LoadImm | Code::LoadMap | Code::LoadFunction => 2,
        _ => 1,
    }
}

/// Whether the step behind this one is never reached from it.
pub(super) fn ends(code: Code) -> bool {
    matches!(
        code,
        Code::Ja | Code::Exit | Code::Jx | Code::Hole | Code::End
    )
}

/// Where blocks begin, and all slots that are reached.
fn leaders(steps: &[Step], entry: usize) -> (BTreeSet<usize>, BTreeSet<usize>) {
    let mut leaders = BTreeSet::from([entry]);
    let mut reached = BTreeSet::new();
    let mut todo = vec![entry];
    while let Some(mut at) = todo.pop() {
        while reached.insert(at) {
            let step = &steps[at];
            let next = at + slots(step);
            if let Some(target) = target(step) {
                if leaders.insert(target) {
                    todo.push(target);
                }
                if !ends(step.code) {
                    leaders.insert(next);
                }
            }
            if ends(step.code) {
                break;
            }
            at = next;
        }
    }
    (leaders, reached)
}

fn flow(program: &Program, key: Key, leaders: &BTreeSet<usize>) -> BTreeMap<usize, Registers> {
    let mut first = [Held::Any; 11];
    first[10] = Held::Frame(0);
    if key.1 {
        first[1] = match program.context.is_bare() {
            true => Held::Pointer,
            false => Held::Context(0),
        };
    }
    let mut blocks = BTreeMap::from([(key.0, first)]);
    let mut todo = vec![key.0];
    while let Some(from) = todo.pop() {
        let mut held = blocks[&from];
        let mut at = from;
        loop {
            let step = &program.steps[at];
            let next = at + slots(step);
            after(&mut held, step, &program.context);
            let fall = (!ends(step.code)).then_some(next);
            for to in [target(step), fall.filter(|next| leaders.contains(next))] {
                let Some(to) = to else { continue };
                let changed = match blocks.get_mut(&to) {
                    Some(there) => join(there, &held),
                    None => {
                        blocks.insert(to, held);
                        true
                    }
                };
                if changed {
                    todo.push(to);
                }
            }
            match fall {
                Some(next) if !leaders.contains(&next) => at = next,
                _ => break,
            }
        }
    }
    blocks
}

/// What holds on both ways; whether that is less than before.
fn join(there: &mut Registers, other: &Registers) -> bool {
    let mut changed = false;
    for (held, other) in there.iter_mut().zip(other) {
        if *held != *other && *held != Held::Any {
            *held = Held::Any;
            changed = true;
        }
    }
    changed
}

/// What registers hold after a step.
pub(super) fn after(held: &mut Registers, step: &Step, shape: &Shape) {
    let (dst, src) = (step.dst as usize, step.src as usize);
    let moved = |by: i32, offset: i64| {
        let sum = i64::from(by).checked_add(offset);
        sum.and_then(|sum| i32::try_from(sum).ok())
    };
    let add = |held: Held, offset: i64| match held {
        Held::Frame(by) => moved(by, offset).map_or(Held::Any, Held::Frame),
        Held::Context(by) => moved(by, offset).map_or(Held::Any, Held::Context),
        other => other,
    };
    match step.code {
        Code::Mov64R => held[dst] = held[src],
        Code::Add64I => held[dst] = add(held[dst], step.imm as i64),
        Code::Sub64I => held[dst] = add(held[dst], (step.imm as i64).wrapping_neg()),
        Code::Add64R => {
            held[dst] = match (held[dst], held[src]) {
                (Held::Pointer, Held::Any) | (Held::Any, Held::Pointer) => Held::Pointer,
                _ => Held::Any,
            }
        }
        Code::LoadW | Code::LoadD => {
            held[dst] = match pointer_field(held[src], step, shape) {
                Some(_) => Held::Pointer,
                None => Held::Any,
            }
        }
        Code::CallHelper => {
            held[..6].fill(Held::Any);
            if !leaves_memory(step.off as u32) {
                forget(held);
            }
        }
        Code::CallLocal | Code::CallKfunc => {
            held[..6].fill(Held::Any);
            forget(held);
        }
        Code::PacketB | Code::PacketH | Code::PacketW => held[0] = Held::Any,
        Code::Atomic32 | Code::Atomic64 => {
            held[0] = Held::Any;
            if src < 10 {
                held[src] = Held::Any;
            }
        }
        code if writes(code) && dst < 10 => held[dst] = Held::Any,
        _ => {}
    }
}

/// The number of the pointer field of the context that a load reads.
pub(super) fn pointer_field(from: Held, step: &Step, shape: &Shape) -> Option<usize> {
    let Held::Context(by) = from else {
        return None;
    };
    let at = u64::try_from(i64::from(by) + i64::from(step.off)).ok()?;
    let size = if step.code == Code::LoadD { 8 } else { 4 };
    if shape.read_as_pointer(at, size) != Some(true) {
        return None;
    }
    let fields = shape.pointer_fields();
    fields.iter().position(|offset| u64::from(*offset) == at)
}

/// Pointers whose windows no longer hold.
fn forget(held: &mut Registers) {
    for held in held {
        if *held == Held::Pointer {
            *held = Held::Any;
        }
    }
}

/// Whether a step writes its destination register.
fn writes(code: Code) -> bool {
    use Code::*;
    !(is_store(code)
        || is_conditional(code)
        || matches!(code, Ja | MayGoto | Jx | Exit | Hole | End | Nothing))
}

/// Whether a helper leaves all memory where it is, and gives none back.
pub(super) fn leaves_memory(helper: u32) -> bool {
    use hachi_asm::helpers::id::*;
    matches!(
        helper,
        MAP_LOOKUP_ELEM
            | MAP_LOOKUP_PERCPU_ELEM
            | KTIME_GET_NS
            | KTIME_GET_BOOT_NS
            | KTIME_GET_COARSE_NS
            | KTIME_GET_TAI_NS
            | JIFFIES64
            | GET_PRANDOM_U32
            | GET_SMP_PROCESSOR_ID
            | GET_NUMA_NODE_ID
            | GET_CURRENT_PID_TGID
            | GET_CURRENT_UID_GID
            | GET_CURRENT_CGROUP_ID
            | CSUM_DIFF
            | TRACE_PRINTK
            | STRNCMP
            | SPIN_LOCK
            | SPIN_UNLOCK
            | REDIRECT
            | REDIRECT_MAP
            | XDP_GET_BUFF_LEN
            | TAIL_CALL
    )
}
