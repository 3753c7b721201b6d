//! The interpreter.

use hachi_asm::AtomicOp;
use hachi_asm::helpers::id;
use hachi_machine::{Fault, Reason, Trap};

use crate::decode::{Code, Step};
use crate::run::{Frame, Moment, Run, Stop, Watch};
use crate::space::{FRAMES, Space};

/// How often `may_goto` goes on in one call of a function (`BPF_MAX_LOOPS`).
pub(crate) const MAY_GOTO: u32 = 8 << 20;

impl<W: Watch> Run<'_, W> {
    #[cold]
    fn load_fault(&self, address: u64, size: u64) -> Result<u64, Trap> {
        Ok(self.space.load_slow(address, size)?)
    }

    #[cold]
    fn store_fault(&mut self, address: u64, bytes: &[u8]) -> Result<(), Trap> {
        Ok(self.space.store_slow(address, bytes)?)
    }

    #[inline(always)]
    pub(crate) fn load<const N: usize, const BIG: bool>(&self, address: u64) -> Result<u64, Trap> {
        match self.space.load::<N>(address) {
            Some(bytes) => {
                let mut wide = [0; 8];
                Ok(match BIG {
                    false => {
                        wide[..N].copy_from_slice(&bytes);
                        u64::from_le_bytes(wide)
                    }
                    true => {
                        wide[8 - N..].copy_from_slice(&bytes);
                        u64::from_be_bytes(wide)
                    }
                })
            }
            None => self.load_fault(address, N as u64),
        }
    }

    #[inline(always)]
    pub(crate) fn store<const N: usize, const BIG: bool>(
        &mut self,
        address: u64,
        value: u64,
    ) -> Result<(), Trap> {
        let mut bytes = [0; N];
        match BIG {
            false => bytes.copy_from_slice(&value.to_le_bytes()[..N]),
            true => bytes.copy_from_slice(&value.to_be_bytes()[8 - N..]),
        }
        match self.space.store::<N>(address, bytes) {
            Some(()) => Ok(()),
            None => self.store_fault(address, &bytes),
        }
    }

    pub(crate) fn aligned(&self, address: u64, size: u64, write: bool) -> Result<(), Trap> {
        match address.is_multiple_of(size) {
            true => Ok(()),
            false => Err(Trap::Access(Fault {
                address,
                size,
                write,
                reason: Reason::Misaligned,
            })),
        }
    }

    /// An atomic operation on `N` bytes.
    pub(crate) fn atomic<const N: usize, const BIG: bool>(
        &mut self,
        step: &Step,
        registers: &mut [u64; 16],
    ) -> Result<(), Trap> {
        let address = registers[step.dst as usize & 15].wrapping_add(i64::from(step.off) as u64);
        self.aligned(address, N as u64, true)?;
        let old = self.load::<N, BIG>(address)?;
        let source = registers[step.src as usize & 15];
        let fetch = step.imm & 0x100 != 0;
        let is = |op: AtomicOp| step.imm & 0xff == op as u64;
        let cut = |value: u64| if N == 4 { value & 0xffff_ffff } else { value };
        let new = if is(AtomicOp::Add) {
            old.wrapping_add(source)
        } else if is(AtomicOp::Or) {
            old | source
        } else if is(AtomicOp::And) {
            old & source
        } else if is(AtomicOp::Xor) {
            old ^ source
        } else if is(AtomicOp::Xchg) || cut(registers[0]) == old {
            source
        } else {
            old
        };
        self.store::<N, BIG>(address, new)?;
        if is(AtomicOp::Cmpxchg) {
            registers[0] = old;
        } else if fetch {
            registers[step.src as usize & 15] = old;
        }
        Ok(())
    }

    /// Runs until the function that begins at `pc` is over.
    pub(crate) fn execute<const BIG: bool>(
        &mut self,
        mut pc: usize,
        mut r: [u64; 16],
    ) -> Result<u64, Trap> {
        let programs = self.programs;
        let mut steps: &[Step] = &programs[self.current].steps;
        let base = self.depth;
        // Where the stretch of instructions began that is not yet counted.
        let mut counted = pc;
        let mut turns = MAY_GOTO;

        macro_rules! or_trap {
            ($result:expr) => {
                match $result {
                    Ok(value) => value,
                    Err(trap) => {
                        self.executed += (pc - counted) as u64;
                        self.show_fault(pc - 1, &mut r, &trap);
                        return Err(self.stopped(pc - 1, trap));
                    }
                }
            };
        }
        macro_rules! go {
            ($step:expr) => {{
                self.executed += (pc - counted) as u64;
                pc = $step.off as usize;
                counted = pc;
                if self.executed > self.limit
                    && let Err(trap) = self.check_budget()
                {
                    self.show_fault(pc, &mut r, &trap);
                    return Err(self.stopped(pc, trap));
                }
            }};
        }
        loop {
            let step = &steps[pc];
            if W::ON {
                let mut moment = Moment {
                    programs,
                    at: Stop {
                        program: self.current,
                        pc,
                    },
                    depth: self.depth,
                    registers: &mut r,
                    space: self.space,
                };
                if let Err(trap) = self.watch.step(&mut moment) {
                    self.executed += (pc - counted) as u64;
                    return Err(self.stopped(pc, trap));
                }
            }
            pc += 1;
            let dst = (step.dst & 15) as usize;
            let src = (step.src & 15) as usize;
            macro_rules! alu64 {
                ($f:expr, imm) => {{
                    r[dst] = apply::<u64, u64>($f, r[dst], step.imm);
                }};
                ($f:expr, reg) => {{
                    r[dst] = apply::<u64, u64>($f, r[dst], r[src]);
                }};
            }
            macro_rules! alu32 {
                ($f:expr, imm) => {{
                    r[dst] = apply::<u32, u32>($f, r[dst] as u32, step.imm as u32).into();
                }};
                ($f:expr, reg) => {{
                    r[dst] = apply::<u32, u32>($f, r[dst] as u32, r[src] as u32).into();
                }};
            }
            macro_rules! jump {
                ($ty:ty, $f:expr, imm) => {{
                    if apply::<$ty, bool>($f, r[dst] as $ty, step.imm as $ty) {
                        go!(step);
                    }
                }};
                ($ty:ty, $f:expr, reg) => {{
                    if apply::<$ty, bool>($f, r[dst] as $ty, r[src] as $ty) {
                        go!(step);
                    }
                }};
            }
            macro_rules! from {
                () => {
                    r[src].wrapping_add(i64::from(step.off) as u64)
                };
            }
            macro_rules! to {
                () => {
                    r[dst].wrapping_add(i64::from(step.off) as u64)
                };
            }
            match step.code {
                Code::Add64I => alu64!(u64::wrapping_add, imm),
                Code::Add64R => alu64!(u64::wrapping_add, reg),
                Code::Sub64I => alu64!(u64::wrapping_sub, imm),
                Code::Sub64R => alu64!(u64::wrapping_sub, reg),
                Code::Mul64I => alu64!(u64::wrapping_mul, imm),
                Code::Mul64R => alu64!(u64::wrapping_mul, reg),
                Code::Div64I => alu64!(|a, b| a.checked_div(b).unwrap_or(0), imm),
                Code::Div64R => alu64!(|a, b| a.checked_div(b).unwrap_or(0), reg),
                Code::Sdiv64I => alu64!(sdiv64, imm),
                Code::Sdiv64R => alu64!(sdiv64, reg),
                Code::Or64I => alu64!(|a, b| a | b, imm),
                Code::Or64R => alu64!(|a, b| a | b, reg),
                Code::And64I => alu64!(|a, b| a & b, imm),
                Code::And64R => alu64!(|a, b| a & b, reg),
                Code::Lsh64I => alu64!(|a, b| a.wrapping_shl(b as u32), imm),
                Code::Lsh64R => alu64!(|a, b| a.wrapping_shl(b as u32), reg),
                Code::Rsh64I => alu64!(|a, b| a.wrapping_shr(b as u32), imm),
                Code::Rsh64R => alu64!(|a, b| a.wrapping_shr(b as u32), reg),
                Code::Mod64I => alu64!(|a, b| a.checked_rem(b).unwrap_or(a), imm),
                Code::Mod64R => alu64!(|a, b| a.checked_rem(b).unwrap_or(a), reg),
                Code::Smod64I => alu64!(smod64, imm),
                Code::Smod64R => alu64!(smod64, reg),
                Code::Xor64I => alu64!(|a, b| a ^ b, imm),
                Code::Xor64R => alu64!(|a, b| a ^ b, reg),
                Code::Mov64I | Code::LoadImm => {
                    r[dst] = step.imm;
                    pc += usize::from(step.code == Code::LoadImm);
                }
                Code::Mov64R => r[dst] = r[src],
                Code::Arsh64I => alu64!(|a, b| (a as i64).wrapping_shr(b as u32) as u64, imm),
                Code::Arsh64R => alu64!(|a, b| (a as i64).wrapping_shr(b as u32) as u64, reg),
                Code::Add32I => alu32!(u32::wrapping_add, imm),
                Code::Add32R => alu32!(u32::wrapping_add, reg),
                Code::Sub32I => alu32!(u32::wrapping_sub, imm),
                Code::Sub32R => alu32!(u32::wrapping_sub, reg),
                Code::Mul32I => alu32!(u32::wrapping_mul, imm),
                Code::Mul32R => alu32!(u32::wrapping_mul, reg),
                Code::Div32I => alu32!(|a, b| a.checked_div(b).unwrap_or(0), imm),
                Code::Div32R => alu32!(|a, b| a.checked_div(b).unwrap_or(0), reg),
                Code::Sdiv32I => alu32!(sdiv32, imm),
                Code::Sdiv32R => alu32!(sdiv32, reg),
                Code::Or32I => alu32!(|a, b| a | b, imm),
                Code::Or32R => alu32!(|a, b| a | b, reg),
                Code::And32I => alu32!(|a, b| a & b, imm),
                Code::And32R => alu32!(|a, b| a & b, reg),
                Code::Lsh32I => alu32!(u32::wrapping_shl, imm),
                Code::Lsh32R => alu32!(u32::wrapping_shl, reg),
                Code::Rsh32I => alu32!(u32::wrapping_shr, imm),
                Code::Rsh32R => alu32!(u32::wrapping_shr, reg),
                Code::Mod32I => alu32!(|a, b| a.checked_rem(b).unwrap_or(a), imm),
                Code::Mod32R => alu32!(|a, b| a.checked_rem(b).unwrap_or(a), reg),
                Code::Smod32I => alu32!(smod32, imm),
                Code::Smod32R => alu32!(smod32, reg),
                Code::Xor32I => alu32!(|a, b| a ^ b, imm),
                Code::Xor32R => alu32!(|a, b| a ^ b, reg),
                Code::Mov32I => r[dst] = u64::from(step.imm as u32),
                Code::Mov32R => r[dst] = u64::from(r[src] as u32),
                Code::Arsh32I => alu32!(|a, b| (a as i32).wrapping_shr(b) as u32, imm),
                Code::Arsh32R => alu32!(|a, b| (a as i32).wrapping_shr(b) as u32, reg),
                Code::Sx8To64 => r[dst] = i64::from(r[src] as i8) as u64,
                Code::Sx16To64 => r[dst] = i64::from(r[src] as i16) as u64,
                Code::Sx32To64 => r[dst] = i64::from(r[src] as i32) as u64,
                Code::Sx8To32 => r[dst] = u64::from(i32::from(r[src] as i8) as u32),
                Code::Sx16To32 => r[dst] = u64::from(i32::from(r[src] as i16) as u32),
                Code::Neg64 => r[dst] = r[dst].wrapping_neg(),
                Code::Neg32 => r[dst] = u64::from((r[dst] as u32).wrapping_neg()),
                Code::Zx16 => r[dst] &= 0xffff,
                Code::Zx32 => r[dst] &= 0xffff_ffff,
                Code::Nothing => {}
                Code::Swap16 => r[dst] = u64::from((r[dst] as u16).swap_bytes()),
                Code::Swap32 => r[dst] = u64::from((r[dst] as u32).swap_bytes()),
                Code::Swap64 => r[dst] = r[dst].swap_bytes(),

                Code::Jeq64I => jump!(u64, |a, b| a == b, imm),
                Code::Jeq64R => jump!(u64, |a, b| a == b, reg),
                Code::Jgt64I => jump!(u64, |a, b| a > b, imm),
                Code::Jgt64R => jump!(u64, |a, b| a > b, reg),
                Code::Jge64I => jump!(u64, |a, b| a >= b, imm),
                Code::Jge64R => jump!(u64, |a, b| a >= b, reg),
                Code::Jset64I => jump!(u64, |a, b| a & b != 0, imm),
                Code::Jset64R => jump!(u64, |a, b| a & b != 0, reg),
                Code::Jne64I => jump!(u64, |a, b| a != b, imm),
                Code::Jne64R => jump!(u64, |a, b| a != b, reg),
                Code::Jsgt64I => jump!(i64, |a, b| a > b, imm),
                Code::Jsgt64R => jump!(i64, |a, b| a > b, reg),
                Code::Jsge64I => jump!(i64, |a, b| a >= b, imm),
                Code::Jsge64R => jump!(i64, |a, b| a >= b, reg),
                Code::Jlt64I => jump!(u64, |a, b| a < b, imm),
                Code::Jlt64R => jump!(u64, |a, b| a < b, reg),
                Code::Jle64I => jump!(u64, |a, b| a <= b, imm),
                Code::Jle64R => jump!(u64, |a, b| a <= b, reg),
                Code::Jslt64I => jump!(i64, |a, b| a < b, imm),
                Code::Jslt64R => jump!(i64, |a, b| a < b, reg),
                Code::Jsle64I => jump!(i64, |a, b| a <= b, imm),
                Code::Jsle64R => jump!(i64, |a, b| a <= b, reg),
                Code::Jeq32I => jump!(u32, |a, b| a == b, imm),
                Code::Jeq32R => jump!(u32, |a, b| a == b, reg),
                Code::Jgt32I => jump!(u32, |a, b| a > b, imm),
                Code::Jgt32R => jump!(u32, |a, b| a > b, reg),
                Code::Jge32I => jump!(u32, |a, b| a >= b, imm),
                Code::Jge32R => jump!(u32, |a, b| a >= b, reg),
                Code::Jset32I => jump!(u32, |a, b| a & b != 0, imm),
                Code::Jset32R => jump!(u32, |a, b| a & b != 0, reg),
                Code::Jne32I => jump!(u32, |a, b| a != b, imm),
                Code::Jne32R => jump!(u32, |a, b| a != b, reg),
                Code::Jsgt32I => jump!(i32, |a, b| a > b, imm),
                Code::Jsgt32R => jump!(i32, |a, b| a > b, reg),
                Code::Jsge32I => jump!(i32, |a, b| a >= b, imm),
                Code::Jsge32R => jump!(i32, |a, b| a >= b, reg),
                Code::Jlt32I => jump!(u32, |a, b| a < b, imm),
                Code::Jlt32R => jump!(u32, |a, b| a < b, reg),
                Code::Jle32I => jump!(u32, |a, b| a <= b, imm),
                Code::Jle32R => jump!(u32, |a, b| a <= b, reg),
                Code::Jslt32I => jump!(i32, |a, b| a < b, imm),
                Code::Jslt32R => jump!(i32, |a, b| a < b, reg),
                Code::Jsle32I => jump!(i32, |a, b| a <= b, imm),
                Code::Jsle32R => jump!(i32, |a, b| a <= b, reg),
                Code::Ja => go!(step),
                Code::MayGoto => match turns {
                    0 => go!(step),
                    _ => turns -= 1,
                },
                Code::Jx | Code::Hole | Code::End => or_trap!(Err(dead_end(step.code))),

                Code::LoadB => r[dst] = or_trap!(self.load::<1, BIG>(from!())),
                Code::LoadH => r[dst] = or_trap!(self.load::<2, BIG>(from!())),
                Code::LoadW => r[dst] = or_trap!(self.load::<4, BIG>(from!())),
                Code::LoadD => r[dst] = or_trap!(self.load::<8, BIG>(from!())),
                Code::LoadSB => {
                    r[dst] = i64::from(or_trap!(self.load::<1, BIG>(from!())) as i8) as u64;
                }
                Code::LoadSH => {
                    r[dst] = i64::from(or_trap!(self.load::<2, BIG>(from!())) as i16) as u64;
                }
                Code::LoadSW => {
                    r[dst] = i64::from(or_trap!(self.load::<4, BIG>(from!())) as i32) as u64;
                }
                Code::StoreBR => or_trap!(self.store::<1, BIG>(to!(), r[src])),
                Code::StoreHR => or_trap!(self.store::<2, BIG>(to!(), r[src])),
                Code::StoreWR => or_trap!(self.store::<4, BIG>(to!(), r[src])),
                Code::StoreDR => or_trap!(self.store::<8, BIG>(to!(), r[src])),
                Code::StoreBI => or_trap!(self.store::<1, BIG>(to!(), step.imm)),
                Code::StoreHI => or_trap!(self.store::<2, BIG>(to!(), step.imm)),
                Code::StoreWI => or_trap!(self.store::<4, BIG>(to!(), step.imm)),
                Code::StoreDI => or_trap!(self.store::<8, BIG>(to!(), step.imm)),
                Code::Atomic32 => or_trap!(self.atomic::<4, BIG>(step, &mut r)),
                Code::Atomic64 => or_trap!(self.atomic::<8, BIG>(step, &mut r)),
                Code::AcquireB => r[dst] = or_trap!(self.load::<1, BIG>(from!())),
                Code::AcquireH => {
                    or_trap!(self.aligned(from!(), 2, false));
                    r[dst] = or_trap!(self.load::<2, BIG>(from!()));
                }
                Code::AcquireW => {
                    or_trap!(self.aligned(from!(), 4, false));
                    r[dst] = or_trap!(self.load::<4, BIG>(from!()));
                }
                Code::AcquireD => {
                    or_trap!(self.aligned(from!(), 8, false));
                    r[dst] = or_trap!(self.load::<8, BIG>(from!()));
                }
                Code::ReleaseB => or_trap!(self.store::<1, BIG>(to!(), r[src])),
                Code::ReleaseH => {
                    or_trap!(self.aligned(to!(), 2, true));
                    or_trap!(self.store::<2, BIG>(to!(), r[src]));
                }
                Code::ReleaseW => {
                    or_trap!(self.aligned(to!(), 4, true));
                    or_trap!(self.store::<4, BIG>(to!(), r[src]));
                }
                Code::ReleaseD => {
                    or_trap!(self.aligned(to!(), 8, true));
                    or_trap!(self.store::<8, BIG>(to!(), r[src]));
                }
                Code::LoadMap => {
                    r[dst] = Space::map_pointer(step.imm as u32);
                    pc += 1;
                }
                Code::LoadFunction => {
                    r[dst] = Space::function_pointer(self.current as u32, step.off as u32);
                    pc += 1;
                }
                Code::PacketB | Code::PacketH | Code::PacketW => {
                    let size = match step.code {
                        Code::PacketB => 1,
                        Code::PacketH => 2,
                        _ => 4,
                    };
                    let by = if src == 11 { 0 } else { r[src] as u32 };
                    match self.packet_load(by.wrapping_add(step.imm as u32), size) {
                        Some(value) => r[0] = value,
                        // The program is over.
                        None => {
                            self.executed += (pc - counted) as u64;
                            self.depth = base;
                            return Ok(0);
                        }
                    }
                }
                Code::CastToKernel => r[dst] = self.arena_pointer(r[src]),
                Code::CastToUser => {
                    r[dst] = match r[src] as u32 {
                        0 => 0,
                        _ => self.arena_pointer(r[src]),
                    };
                }
                Code::CallHelper => {
                    if step.imm != 0 {
                        let helper = step.off as u32;
                        or_trap!(Err(Trap::WrongType { helper }));
                    }
                    self.executed += (pc - counted) as u64;
                    counted = pc;
                    let arguments = [r[1], r[2], r[3], r[4], r[5]];
                    if step.off as u32 == id::TAIL_CALL {
                        if let Some(next) = or_trap!(self.tail_call(arguments)) {
                            self.current = next;
                            steps = &programs[next].steps;
                            (pc, counted) = (0, 0);
                            // Only what is passed on is there in the next program.
                            r = [0; 16];
                            r[1] = arguments[0];
                            r[10] = self.space.enter_frame(self.depth);
                            turns = MAY_GOTO;
                            continue;
                        }
                        r[0] = 0;
                    } else {
                        self.stop = Stop {
                            program: self.current,
                            pc: pc - 1,
                        };
                        r[0] = or_trap!(self.helper(step.off as u32, &arguments));
                        if let Err(trap) = self.check_budget() {
                            return Err(self.stopped(pc, trap));
                        }
                    }
                    // What verified programs never read.
                    r[1..6].fill(0);
                }
                Code::CallKfunc => {
                    let name = programs[self.current].kfunc_name(step.off as u32, step.imm as u16);
                    self.executed += (pc - counted) as u64;
                    counted = pc;
                    self.stop = Stop {
                        program: self.current,
                        pc: pc - 1,
                    };
                    let arguments = [r[1], r[2], r[3], r[4], r[5]];
                    r[0] = or_trap!(self.kfunc(&name, arguments));
                    if let Err(trap) = self.check_budget() {
                        return Err(self.stopped(pc, trap));
                    }
                    r[1..6].fill(0);
                }
                Code::CallLocal => {
                    if self.depth + 1 >= FRAMES {
                        or_trap!(Err(Trap::CallDepth));
                    }
                    self.space.frames[self.depth] = Frame {
                        program: self.current,
                        pc,
                        saved: [r[6], r[7], r[8], r[9], r[10]],
                        turns,
                    };
                    self.depth += 1;
                    r[0] = 0;
                    r[6..10].fill(0);
                    r[10] = self.space.enter_frame(self.depth);
                    turns = MAY_GOTO;
                    go!(step);
                }
                Code::Exit => {
                    self.executed += (pc - counted) as u64;
                    if self.depth == base {
                        self.stop = Stop {
                            program: self.current,
                            pc: pc - 1,
                        };
                        return Ok(r[0]);
                    }
                    self.depth -= 1;
                    self.space.leave_frame(self.depth);
                    let frame = self.space.frames[self.depth];
                    r[1..6].fill(0);
                    r[6..11].copy_from_slice(&frame.saved);
                    turns = frame.turns;
                    self.current = frame.program;
                    steps = &programs[frame.program].steps;
                    (pc, counted) = (frame.pc, frame.pc);
                }
            }
        }
    }

    fn arena_pointer(&self, pointer: u64) -> u64 {
        let base = self.programs[self.current].arena.unwrap_or(0);
        base | pointer & 0xffff_ffff
    }
}

/// Why a program cannot go on at an instruction that leads nowhere.
pub(crate) fn dead_end(code: Code) -> Trap {
    match code {
        Code::Jx => Trap::JumpTable,
        _ => Trap::PastEnd,
    }
}

/// Gives the types of an operation's operands.
#[inline(always)]
fn apply<T, R>(operation: impl FnOnce(T, T) -> R, a: T, b: T) -> R {
    operation(a, b)
}

fn sdiv64(a: u64, b: u64) -> u64 {
    match b {
        0 => 0,
        // The least number divided by -1 is itself.
        b => (a as i64).wrapping_div(b as i64) as u64,
    }
}

fn smod64(a: u64, b: u64) -> u64 {
    match b {
        0 => a,
        b => (a as i64).wrapping_rem(b as i64) as u64,
    }
}

fn sdiv32(a: u32, b: u32) -> u32 {
    match b {
        0 => 0,
        b => (a as i32).wrapping_div(b as i32) as u32,
    }
}

fn smod32(a: u32, b: u32) -> u32 {
    match b {
        0 => a,
        b => (a as i32).wrapping_rem(b as i32) as u32,
    }
}
