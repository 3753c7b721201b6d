//! How much of the 512-byte stack a program may need.

use hachi_asm::consts::BPF_REG_FP;
use hachi_asm::{AluOp, CallTarget, Imm64, Op, Operand};

use super::ops;
use crate::ProgramSpec;

/// Stack use of a program, estimated from the code alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackDepth {
    /// Of each function, in the program's order.
    pub frames: Vec<Frame>,
    /// Bytes of the deepest chain of calls, each frame rounded up to 32 as the verifier does.
    /// `None` if the functions call each other in a circle, which the kernel refuses.
    pub deepest: Option<u32>,
}

/// Stack use of one function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its name.
    pub function: String,
    /// The lowest offset from r10 it touches or hands out, in bytes.
    pub bytes: u32,
}

/// Estimates stack use. Follows copies of r10 through moves and additions of constants, in the
/// order of the code, which is what compilers emit.
pub fn stack_depth(program: &ProgramSpec) -> StackDepth {
    let mut frames: Vec<Frame> = program
        .functions
        .iter()
        .map(|f| Frame {
            function: f.name.clone(),
            bytes: 0,
        })
        .collect();
    let mut calls: Vec<Vec<usize>> = vec![Vec::new(); frames.len()];
    let index_of = |slot: usize| {
        let after = program.functions.partition_point(|f| f.start <= slot);
        after.checked_sub(1)
    };
    // Offset from r10 of each register that holds a stack address.
    let mut alias = fresh();
    let mut current = None;
    for (slot, op) in ops(program) {
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
            frame.bytes = frame.bytes.max(depth);
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
        let callee = match op {
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
    let deepest = deepest(&frames, &calls);
    StackDepth { frames, deepest }
}

fn fresh() -> [Option<i64>; 16] {
    let mut alias = [None; 16];
    alias[BPF_REG_FP as usize] = Some(0);
    alias
}

/// The deepest chain from the first function; `None` if there is a circle.
fn deepest(frames: &[Frame], calls: &[Vec<usize>]) -> Option<u32> {
    /// Where the walk stands with a function.
    #[derive(Clone, Copy)]
    enum State {
        New,
        Open,
        Done(u32),
    }
    if frames.is_empty() {
        return Some(0);
    }
    let own = |f: usize| frames[f].bytes.max(1).saturating_add(31) & !31;
    let mut state = vec![State::New; frames.len()];
    // A stack of our own: how deep calls nest is up to the file.
    let mut path = vec![(0, 0)];
    state[0] = State::Open;
    loop {
        let &mut (function, ref mut next) = path.last_mut()?;
        if let Some(&callee) = calls[function].get(*next) {
            *next += 1;
            match state[callee] {
                State::Done(_) => {}
                State::Open => return None,
                State::New => {
                    state[callee] = State::Open;
                    path.push((callee, 0));
                }
            }
            continue;
        }
        let below = calls[function].iter().map(|&callee| match state[callee] {
            State::Done(depth) => depth,
            _ => 0,
        });
        let depth = own(function).saturating_add(below.max().unwrap_or(0));
        state[function] = State::Done(depth);
        path.pop();
        if path.is_empty() {
            return Some(depth);
        }
    }
}

#[cfg(test)]
mod tests {
    use hachi_asm::{Size, build::*};

    use super::*;
    use crate::{Function, ProgramType};

    fn program(functions: &[&[hachi_asm::Insn]]) -> ProgramSpec {
        let mut p = ProgramSpec::new("p", ProgramType::Xdp);
        for (i, code) in functions.iter().enumerate() {
            p.functions.push(Function {
                name: format!("f{i}"),
                start: p.insns.len(),
                len: code.len(),
            });
            p.insns.extend_from_slice(code);
        }
        p
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
        let depth = stack_depth(&program(&[&main[..3], &main[3..]]));
        assert_eq!(depth.frames[0].bytes, 40);
        assert_eq!(depth.frames[1].bytes, 104);
        assert_eq!(depth.deepest, Some(64 + 128));
    }

    #[test]
    fn a_circle_of_calls_has_no_depth() {
        let code = [call_local(-1), exit()];
        assert_eq!(stack_depth(&program(&[&code])).deepest, None);
    }
}
