//! How much of the 512-byte stack a program may need.

use hachi_asm::consts::BPF_REG_FP;
use hachi_asm::{AluOp, CallTarget, Imm64, Op, Operand, helpers};

use super::ops;
use crate::{Code, RelocationKind};

/// Stack use of a program, estimated from the code alone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StackDepth {
    /// Of each function, in the program's order.
    pub frames: Vec<Frame>,
    /// Bytes of the deepest chain of calls, each frame rounded up to 32 as the verifier does.
    /// `None` if the functions call each other in a circle, which the kernel refuses.
    pub deepest: Option<u32>,
    /// That chain of calls: indices of `frames`, the program itself first. Of a circle, the chain
    /// that closes it, with the function called again at its end.
    pub path: Vec<usize>,
    /// The functions that each function calls or hands out as callbacks that run at once, as
    /// indices of `frames`.
    pub calls: Vec<Vec<usize>>,
}

impl StackDepth {
    /// The chain of calls that needs most stack before it comes to a function: indices of
    /// `frames`, the program itself first, the function last. Without meaning where functions call
    /// each other in a circle.
    pub fn path_to(&self, function: usize) -> Vec<usize> {
        // Bytes above each function, and its caller on that way.
        let mut above: Vec<Option<(u32, usize)>> = vec![None; self.frames.len()];
        if let Some(first) = above.first_mut() {
            *first = Some((0, 0));
        }
        for _ in 0..self.frames.len() {
            for (caller, callees) in self.calls.iter().enumerate() {
                let Some((depth, _)) = above[caller] else {
                    continue;
                };
                let depth = depth.saturating_add(rounded(self.frames[caller].bytes, 32));
                for &callee in callees.iter().filter(|callee| **callee != 0) {
                    if above[callee].is_none_or(|(known, _)| known < depth) {
                        above[callee] = Some((depth, caller));
                    }
                }
            }
        }
        let mut path = vec![function];
        while let Some(&first) = path.last()
            && first != 0
            && path.len() <= self.frames.len()
        {
            match above.get(first).copied().flatten() {
                Some((_, caller)) => path.push(caller),
                None => break,
            }
        }
        path.reverse();
        path
    }

    /// Bytes of a chain of calls with each frame rounded up to a multiple of `granularity`: 32,
    /// or 16 for the just-in-time compilers of kernels since 6.9.
    pub fn bytes(&self, path: &[usize], granularity: u32) -> u32 {
        let frames = path.iter().filter_map(|&index| self.frames.get(index));
        frames
            .map(|frame| rounded(frame.bytes, granularity))
            .fold(0, u32::saturating_add)
    }
}

fn rounded(bytes: u32, granularity: u32) -> u32 {
    bytes.max(1).next_multiple_of(granularity.max(1))
}

/// Stack use of one function.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// Its name.
    pub function: String,
    /// The lowest offset from r10 it touches or hands out, in bytes.
    pub bytes: u32,
    /// The slot that does so; the function's first one if it uses no stack.
    pub deepest_at: usize,
    /// The slot of its first call of `bpf_tail_call`.
    pub tail_call: Option<usize>,
}

/// Estimates stack use. Follows copies of r10 through moves and additions of constants, in the
/// order of the code, which is what compilers emit.
pub fn stack_depth(code: &Code) -> StackDepth {
    let mut frames: Vec<Frame> = code
        .functions
        .iter()
        .map(|f| Frame {
            function: f.name.clone(),
            bytes: 0,
            deepest_at: f.start,
            tail_call: None,
        })
        .collect();
    let mut calls: Vec<Vec<usize>> = vec![Vec::new(); frames.len()];
    let index_of = |slot: usize| {
        let after = code.functions.partition_point(|f| f.start <= slot);
        after.checked_sub(1)
    };
    let asynchronous = runs_callbacks_later(code);
    // Offset from r10 of each register that holds a stack address.
    let mut alias = fresh();
    let mut current = None;
    for (slot, op) in ops(code) {
        let Some(function) = index_of(slot) else {
            continue;
        };
        if current != Some(function) {
            current = Some(function);
            alias = fresh();
        }
        let mut touch = |offset: i64| {
            let depth = u32::try_from(-offset).unwrap_or(0);
            let frame = &mut frames[function];
            if depth > frame.bytes {
                (frame.bytes, frame.deepest_at) = (depth, slot);
            }
        };
        let mut touch_at = |alias: &[Option<i64>; 16], register: u8, off: i16| {
            if let Some(base) = alias[register as usize & 15] {
                touch(base.saturating_add(off.into()));
            }
        };
        match op {
            Op::Load { dst, src, off, .. } | Op::LoadAcquire { dst, src, off, .. } => {
                touch_at(&alias, src, off);
                alias[dst as usize & 15] = None;
            }
            Op::Store { dst, off, .. } | Op::StoreRelease { dst, off, .. } => {
                touch_at(&alias, dst, off);
            }
            Op::Atomic { dst, off, src, .. } => {
                touch_at(&alias, dst, off);
                alias[src as usize & 15] = None;
            }
            Op::Alu {
                op: AluOp::Mov,
                wide: true,
                dst,
                src: Operand::Reg(src),
            } => alias[dst as usize & 15] = alias[src as usize & 15],
            Op::Alu {
                op: AluOp::Add,
                wide: true,
                dst,
                src: Operand::Imm(imm),
            } => {
                let moved = alias[dst as usize & 15].map(|at| at.saturating_add(imm.into()));
                alias[dst as usize & 15] = moved;
                touch_at(&alias, dst, 0);
            }
            Op::Alu { dst, .. } | Op::LdImm64 { dst, .. } | Op::AddrSpaceCast { dst, .. } => {
                alias[dst as usize & 15] = None;
            }
            Op::Call(_) => alias[..6].fill(None),
            _ => {}
        }
        alias[BPF_REG_FP as usize] = Some(0);
        if matches!(op, Op::Call(CallTarget::Helper(TAIL_CALL))) {
            frames[function].tail_call.get_or_insert(slot);
        }
        let callee = match op {
            // Timers and work queues run their callbacks later, on a stack of their own.
            Op::LdImm64 { .. } if asynchronous => None,
            Op::Call(CallTarget::Local(off))
            | Op::LdImm64 {
                imm: Imm64::Func(off),
                ..
            } => usize::try_from(slot as i64 + 1 + i64::from(off))
                .ok()
                .and_then(index_of),
            _ => None,
        };
        if let Some(callee) = callee {
            calls[function].push(callee);
        }
    }
    let (deepest, path) = deepest(&frames, &calls);
    StackDepth {
        frames,
        deepest,
        path,
        calls,
    }
}

const TAIL_CALL: i32 = helpers::id::TAIL_CALL as i32;
const TIMER_SET_CALLBACK: i32 = helpers::id::TIMER_SET_CALLBACK as i32;

/// Whether the program hands a callback to something that calls it after the program has ended.
fn runs_callbacks_later(code: &Code) -> bool {
    let kfunc = |slot| match code.relocation_at(slot).map(|r| &r.kind) {
        Some(RelocationKind::Kfunc { name, .. }) => {
            name.starts_with("bpf_wq_") || name.starts_with("bpf_task_work_")
        }
        _ => false,
    };
    ops(code).any(|(slot, op)| match op {
        Op::Call(CallTarget::Helper(id)) => id == TIMER_SET_CALLBACK,
        Op::Call(_) => kfunc(slot),
        _ => false,
    })
}

fn fresh() -> [Option<i64>; 16] {
    let mut alias = [None; 16];
    alias[BPF_REG_FP as usize] = Some(0);
    alias
}

/// The deepest chain from the first function and its depth; without a depth, a circle.
fn deepest(frames: &[Frame], calls: &[Vec<usize>]) -> (Option<u32>, Vec<usize>) {
    /// Where the walk stands with a function: how deep it goes, and by which callee.
    #[derive(Clone, Copy)]
    enum State {
        New,
        Open,
        Done(u32, Option<usize>),
    }
    let mut state = vec![State::New; frames.len()];
    // A stack of our own: how deep calls nest is up to the file.
    let mut open: Vec<(usize, usize)> = Vec::new();
    if !frames.is_empty() {
        state[0] = State::Open;
        open.push((0, 0));
    }
    while let Some((function, next)) = open.last_mut() {
        let function = *function;
        if let Some(&callee) = calls[function].get(*next) {
            *next += 1;
            match state[callee] {
                State::Done(..) => {}
                State::Open => {
                    let circle = open.iter().map(|(function, _)| *function);
                    return (None, circle.chain([callee]).collect());
                }
                State::New => {
                    state[callee] = State::Open;
                    open.push((callee, 0));
                }
            }
            continue;
        }
        let below = calls[function]
            .iter()
            .filter_map(|&callee| match state[callee] {
                State::Done(depth, _) => Some((depth, callee)),
                _ => None,
            });
        let below = below.max_by_key(|(depth, _)| *depth);
        let depth =
            rounded(frames[function].bytes, 32).saturating_add(below.map_or(0, |(depth, _)| depth));
        state[function] = State::Done(depth, below.map(|(_, callee)| callee));
        open.pop();
    }
    let mut path = Vec::new();
    let mut depth = 0;
    let mut next = (!frames.is_empty()).then_some(0);
    while let Some(function) = next {
        path.push(function);
        next = match state[function] {
            State::Done(bytes, callee) => {
                depth = depth.max(bytes);
                callee
            }
            _ => None,
        };
    }
    (Some(depth), path)
}

#[cfg(test)]
mod tests {
    use hachi_asm::{Size, build::*};

    use super::*;
    use crate::Function;

    fn code(functions: &[&[hachi_asm::Insn]]) -> Code {
        let mut code = Code::default();
        for (i, insns) in functions.iter().enumerate() {
            code.functions.push(Function {
                name: format!("f{i}"),
                start: code.insns.len(),
                len: insns.len(),
            });
            code.insns.extend_from_slice(insns);
        }
        code
    }

    #[test]
    fn frames_add_up_along_calls() {
        let main = [
            store_imm(Size::Dw, 10, -40, 0),
            call_local(1),
            exit(),
            mov(2, 10),
            add_imm(2, -100),
            store(Size::B, 2, -4, 1),
            exit(),
        ];
        let depth = stack_depth(&code(&[&main[..3], &main[3..]]));
        assert_eq!(depth.frames[0].bytes, 40);
        assert_eq!(depth.frames[1].bytes, 104);
        assert_eq!(depth.deepest, Some(64 + 128));
        assert_eq!(depth.path, [0, 1]);
        assert_eq!(depth.bytes(&[0, 1], 16), 48 + 112);
        assert_eq!(depth.frames[1].deepest_at, 5);
    }

    #[test]
    fn a_circle_of_calls_has_no_depth() {
        let circle = [call_local(-1), exit()];
        let depth = stack_depth(&code(&[&circle]));
        assert_eq!((depth.deepest, depth.path), (None, vec![0, 0]));
    }
}
