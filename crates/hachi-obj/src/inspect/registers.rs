//! Whether a program reads registers of the machine, whose places differ from one kind of machine
//! to another.

use hachi_asm::consts::BPF_REG_FP;
use hachi_asm::{AluOp, CallTarget, Imm64, Op, Operand, Size};

use crate::{Code, ProgramType};

/// The first instruction that reads the program's context, for types whose context is the machine's
/// registers: kprobes, uprobes and all that is made of them, and perf events. `None` for a program
/// that runs on any machine: of another type, or without such an instruction. To hand the context
/// on to a helper reads nothing.
///
/// Follows copies of the context through registers, the stack and calls, on every way that the code
/// can take. A register at a place that is only known when the program runs, as USDT's arguments
/// are, is none of the machine that the program was built for.
pub fn registers_read(program_type: ProgramType, code: &Code) -> Option<usize> {
    if !matches!(program_type, ProgramType::Kprobe | ProgramType::PerfEvent) {
        return None;
    }
    let mut walk = Walk {
        known: vec![None; code.insns.len()],
        open: Vec::new(),
        read: None,
    };
    let entry = State {
        registers: 1 << 1,
        ..State::default()
    };
    walk.reach(0, &entry);
    while let Some(slot) = walk.open.pop() {
        walk.step(code, slot);
    }
    walk.read
}

/// Where the context may be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct State {
    /// In which registers, by bit.
    registers: u16,
    /// At which offsets from r10.
    stack: Vec<i16>,
}

impl State {
    fn holds(&self, register: u8) -> bool {
        self.registers & bit(register) != 0
    }

    fn set(&mut self, register: u8, holds: bool) {
        match holds {
            true => self.registers |= bit(register),
            false => self.registers &= !bit(register),
        }
    }

    fn put(&mut self, offset: i16, holds: bool) {
        self.stack.retain(|known| *known != offset);
        if holds && (-512..0).contains(&offset) {
            self.stack.push(offset);
            self.stack.sort_unstable();
        }
    }

    /// Adds what another one holds; whether that was more.
    fn join(&mut self, other: &State) -> bool {
        let before = (self.registers, self.stack.len());
        self.registers |= other.registers;
        self.stack.extend(&other.stack);
        self.stack.sort_unstable();
        self.stack.dedup();
        before != (self.registers, self.stack.len())
    }
}

fn bit(register: u8) -> u16 {
    1 << (register & 15)
}

struct Walk {
    /// What may hold the context before each slot; `None` where nothing has led yet.
    known: Vec<Option<State>>,
    open: Vec<usize>,
    read: Option<usize>,
}

impl Walk {
    fn reach(&mut self, slot: usize, state: &State) {
        let Some(known) = self.known.get_mut(slot) else {
            return;
        };
        let more = match known {
            Some(known) => known.join(state),
            None => {
                *known = Some(state.clone());
                true
            }
        };
        if more {
            self.open.push(slot);
        }
    }

    fn reads(&mut self, slot: usize) {
        self.read = Some(self.read.map_or(slot, |first| first.min(slot)));
    }

    /// Follows one instruction.
    fn step(&mut self, code: &Code, slot: usize) {
        let Some(mut state) = self.known[slot].clone() else {
            return;
        };
        let Ok(op) = Op::decode(&code.insns, slot) else {
            return self.reach(slot + 1, &state);
        };
        let after = slot + op.slots();
        let at = |off: i64| usize::try_from(slot as i64 + 1 + off).unwrap_or(usize::MAX);
        match op {
            Op::Load {
                size,
                dst,
                src,
                off,
                ..
            }
            | Op::LoadAcquire {
                size,
                dst,
                src,
                off,
            } => {
                if state.holds(src) {
                    self.reads(slot);
                }
                let back = src == BPF_REG_FP && size == Size::Dw && state.stack.contains(&off);
                state.set(dst, back);
            }
            Op::Store {
                size,
                dst: BPF_REG_FP,
                off,
                src,
            } => {
                let holds = matches!(src, Operand::Reg(src) if state.holds(src));
                state.put(off, holds && size == Size::Dw);
            }
            Op::Atomic {
                fetch: true, src, ..
            } => state.set(src, false),
            Op::Alu {
                op: AluOp::Mov,
                wide: true,
                dst,
                src: Operand::Reg(src),
            } => {
                let holds = state.holds(src);
                state.set(dst, holds);
            }
            Op::Alu {
                op: AluOp::Add | AluOp::Sub,
                wide: true,
                src: Operand::Imm(_),
                ..
            } => {}
            Op::Alu { dst, .. }
            | Op::Neg { dst, .. }
            | Op::ToEndian { dst, .. }
            | Op::Bswap { dst, .. }
            | Op::AddrSpaceCast { dst, .. } => state.set(dst, false),
            Op::LdImm64 { dst, imm } => {
                state.set(dst, false);
                if let Imm64::Func(off) = imm {
                    // A callback: what it is given is made by the kernel or lies in memory.
                    self.reach(at(off.into()), &State::default());
                }
            }
            Op::Call(target) => {
                match target {
                    CallTarget::Local(off) => {
                        let arguments = State {
                            registers: state.registers & 0b11_1110,
                            stack: Vec::new(),
                        };
                        self.reach(at(off.into()), &arguments);
                    }
                    // Those of the kernel take the context first; anything else that they are
                    // given they read.
                    _ if (2..=5).any(|register| state.holds(register)) => self.reads(slot),
                    _ => {}
                }
                state.registers &= !0b11_1111;
            }
            Op::Ja { off, .. } => return self.reach(at(off.into()), &state),
            Op::MayGoto { off } | Op::Jump { off, .. } => self.reach(at(off.into()), &state),
            Op::Exit => return,
            // Where it leads is in a table: to each place that is left then.
            Op::Jx { .. } => {
                for target in targets(code) {
                    self.reach(target, &state);
                }
                return;
            }
            _ => {}
        }
        self.reach(after, &state);
    }
}

/// Where jump tables lead.
fn targets(code: &Code) -> impl Iterator<Item = usize> + '_ {
    let tables = code
        .relocations
        .iter()
        .filter_map(|found| match &found.kind {
            crate::RelocationKind::JumpTable { targets } => Some(targets),
            _ => None,
        });
    tables.flatten().map(|target| *target as usize)
}

#[cfg(test)]
mod tests {
    use hachi_asm::{Insn, build};

    use super::*;

    fn read(insns: Vec<Insn>) -> Option<usize> {
        let code = Code {
            insns,
            ..Code::default()
        };
        assert_eq!(registers_read(ProgramType::Xdp, &code), None);
        registers_read(ProgramType::Kprobe, &code)
    }

    fn load(dst: u8, src: u8, off: i16) -> Insn {
        build::load(Size::Dw, dst, src, off)
    }

    #[test]
    fn a_load_of_the_context_is_one() {
        let exit = build::exit();
        assert_eq!(read(vec![load(0, 1, 112), exit]), Some(0));
        assert_eq!(read(vec![build::mov(6, 1), load(0, 6, 112), exit]), Some(1));
        // Another pointer, and a register that had the context before.
        assert_eq!(read(vec![load(0, 2, 112), exit]), None);
        assert_eq!(read(vec![build::mov(1, 2), load(0, 1, 112), exit]), None);
    }

    #[test]
    fn it_is_found_through_the_stack_calls_and_jumps() {
        let exit = build::exit();
        let spilled = vec![
            build::store(Size::Dw, 10, -8, 1),
            build::mov_imm(1, 0),
            load(3, 10, -8),
            load(0, 3, 8),
            exit,
        ];
        assert_eq!(read(spilled), Some(3));
        let called = vec![build::call_local(1), exit, load(0, 1, 0), exit];
        assert_eq!(read(called), Some(2));
        // After a call its registers hold nothing of the caller's.
        let after = vec![build::call_helper(14), load(0, 1, 0), exit];
        assert_eq!(read(after), None);
        let jumped = vec![build::ja(1), exit, load(0, 1, 0), exit];
        assert_eq!(read(jumped), Some(2));
    }

    #[test]
    fn a_helper_reads_what_it_is_given_but_not_the_context_itself() {
        let exit = build::exit();
        let handed = vec![build::mov_imm(2, 0), build::call_helper(27), exit];
        assert_eq!(read(handed), None);
        // bpf_probe_read_kernel(r10 - 8, 8, ctx + 112): a system call's argument.
        let asked = |place: Insn| {
            vec![
                build::mov(3, 1),
                place,
                build::mov(1, 10),
                build::mov_imm(2, 8),
                build::call_helper(113),
                exit,
            ]
        };
        assert_eq!(read(asked(build::add_imm(3, 112))), Some(4));
        // A place that comes from a map, as USDT's do.
        assert_eq!(
            read(asked(build::alu(AluOp::Add, 3, Operand::Reg(4)))),
            None
        );
    }
}
