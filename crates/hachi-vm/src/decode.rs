//! From instructions to steps: every rule of the encoding checked, operands where the interpreter
//! wants them.

use std::fmt;

use hachi_asm::consts::*;
use hachi_asm::{AluOp, AtomicOp, CallTarget, Endian, Imm64, Insn, JumpOp, Op, Operand, Size};

/// A program that breaks a rule of the instruction set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// The slot of the instruction.
    pub insn: usize,
    /// The rule, as a sentence without a full stop.
    pub rule: String,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "instruction {}: {}", self.insn, self.rule)
    }
}

impl std::error::Error for Invalid {}

/// An instruction as the interpreter runs it. Steps stand where their instructions stand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub(crate) code: Code,
    pub(crate) dst: u8,
    pub(crate) src: u8,
    /// An offset of memory in bytes, or the slot that a jump leads to.
    pub(crate) off: i32,
    pub(crate) imm: u64,
}

/// What a step does. `I` is with an immediate, `R` with a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[rustfmt::skip]
pub(crate) enum Code {
    Add64I, Add64R, Sub64I, Sub64R, Mul64I, Mul64R, Div64I, Div64R, Sdiv64I, Sdiv64R,
    Or64I, Or64R, And64I, And64R, Lsh64I, Lsh64R, Rsh64I, Rsh64R, Mod64I, Mod64R,
    Smod64I, Smod64R, Xor64I, Xor64R, Mov64I, Mov64R, Arsh64I, Arsh64R,
    Add32I, Add32R, Sub32I, Sub32R, Mul32I, Mul32R, Div32I, Div32R, Sdiv32I, Sdiv32R,
    Or32I, Or32R, And32I, And32R, Lsh32I, Lsh32R, Rsh32I, Rsh32R, Mod32I, Mod32R,
    Smod32I, Smod32R, Xor32I, Xor32R, Mov32I, Mov32R, Arsh32I, Arsh32R,
    Sx8To64, Sx16To64, Sx32To64, Sx8To32, Sx16To32,
    Neg64, Neg32, Zx16, Zx32, Nothing, Swap16, Swap32, Swap64,
    Jeq64I, Jeq64R, Jgt64I, Jgt64R, Jge64I, Jge64R, Jset64I, Jset64R, Jne64I, Jne64R,
    Jsgt64I, Jsgt64R, Jsge64I, Jsge64R, Jlt64I, Jlt64R, Jle64I, Jle64R,
    Jslt64I, Jslt64R, Jsle64I, Jsle64R,
    Jeq32I, Jeq32R, Jgt32I, Jgt32R, Jge32I, Jge32R, Jset32I, Jset32R, Jne32I, Jne32R,
    Jsgt32I, Jsgt32R, Jsge32I, Jsge32R, Jlt32I, Jlt32R, Jle32I, Jle32R,
    Jslt32I, Jslt32R, Jsle32I, Jsle32R,
    Ja, MayGoto, Jx,
    LoadB, LoadH, LoadW, LoadD, LoadSB, LoadSH, LoadSW,
    StoreBR, StoreHR, StoreWR, StoreDR, StoreBI, StoreHI, StoreWI, StoreDI,
    /// `imm` is the operation ([`atomic`]).
    Atomic32, Atomic64,
    /// Loads and stores that must be aligned.
    AcquireB, AcquireH, AcquireW, AcquireD, ReleaseB, ReleaseH, ReleaseW, ReleaseD,
    LoadImm,
    /// The pointer of a map, by number.
    LoadMap,
    /// The pointer of a function that begins at slot `off`.
    LoadFunction,
    /// The second slot of an instruction of two: nothing leads here.
    Hole,
    PacketB, PacketH, PacketW,
    CastToKernel, CastToUser,
    CallHelper, CallLocal, CallKfunc, Exit,
    /// A place behind the end: nothing leads here.
    End,
}

/// How an atomic operation stands in `imm`: the operation, and whether the old value comes back.
pub(crate) fn atomic(op: AtomicOp, fetch: bool) -> u64 {
    u64::from(fetch) << 8 | op as u64
}

/// Chooses among the four forms of an operation.
fn form(wide: bool, src: Operand, forms: [Code; 4]) -> Code {
    let [wide_imm, wide_reg, narrow_imm, narrow_reg] = forms;
    match (wide, src) {
        (true, Operand::Imm(_)) => wide_imm,
        (true, Operand::Reg(_)) => wide_reg,
        (false, Operand::Imm(_)) => narrow_imm,
        (false, Operand::Reg(_)) => narrow_reg,
    }
}

fn alu(op: AluOp, wide: bool, src: Operand) -> Code {
    use Code::*;
    let forms = match op {
        AluOp::Add => [Add64I, Add64R, Add32I, Add32R],
        AluOp::Sub => [Sub64I, Sub64R, Sub32I, Sub32R],
        AluOp::Mul => [Mul64I, Mul64R, Mul32I, Mul32R],
        AluOp::Div => [Div64I, Div64R, Div32I, Div32R],
        AluOp::Sdiv => [Sdiv64I, Sdiv64R, Sdiv32I, Sdiv32R],
        AluOp::Or => [Or64I, Or64R, Or32I, Or32R],
        AluOp::And => [And64I, And64R, And32I, And32R],
        AluOp::Lsh => [Lsh64I, Lsh64R, Lsh32I, Lsh32R],
        AluOp::Rsh => [Rsh64I, Rsh64R, Rsh32I, Rsh32R],
        AluOp::Mod => [Mod64I, Mod64R, Mod32I, Mod32R],
        AluOp::Smod => [Smod64I, Smod64R, Smod32I, Smod32R],
        AluOp::Xor => [Xor64I, Xor64R, Xor32I, Xor32R],
        AluOp::Mov => [Mov64I, Mov64R, Mov32I, Mov32R],
        AluOp::Arsh => [Arsh64I, Arsh64R, Arsh32I, Arsh32R],
        AluOp::MovSx(8) => [Sx8To64, Sx8To64, Sx8To32, Sx8To32],
        AluOp::MovSx(16) => [Sx16To64, Sx16To64, Sx16To32, Sx16To32],
        AluOp::MovSx(_) => [Sx32To64; 4],
    };
    form(wide, src, forms)
}

fn jump(op: JumpOp, wide: bool, src: Operand) -> Code {
    use Code::*;
    let forms = match op {
        JumpOp::Eq => [Jeq64I, Jeq64R, Jeq32I, Jeq32R],
        JumpOp::Gt => [Jgt64I, Jgt64R, Jgt32I, Jgt32R],
        JumpOp::Ge => [Jge64I, Jge64R, Jge32I, Jge32R],
        JumpOp::Set => [Jset64I, Jset64R, Jset32I, Jset32R],
        JumpOp::Ne => [Jne64I, Jne64R, Jne32I, Jne32R],
        JumpOp::Sgt => [Jsgt64I, Jsgt64R, Jsgt32I, Jsgt32R],
        JumpOp::Sge => [Jsge64I, Jsge64R, Jsge32I, Jsge32R],
        JumpOp::Lt => [Jlt64I, Jlt64R, Jlt32I, Jlt32R],
        JumpOp::Le => [Jle64I, Jle64R, Jle32I, Jle32R],
        JumpOp::Slt => [Jslt64I, Jslt64R, Jslt32I, Jslt32R],
        JumpOp::Sle => [Jsle64I, Jsle64R, Jsle32I, Jsle32R],
    };
    form(wide, src, forms)
}

/// Decodes a program, for a machine of this byte order.
pub(crate) fn decode(insns: &[Insn], endian: Endian) -> Result<Vec<Step>, Invalid> {
    let broken = |insn: usize, rule: &str| Invalid {
        insn,
        rule: rule.to_owned(),
    };
    if insns.is_empty() {
        return Err(broken(0, "a program has at least one instruction"));
    }
    if insns.len() > LARGEST {
        return Err(broken(
            LARGEST,
            "a program has at most a million instructions",
        ));
    }
    let mut steps = Vec::with_capacity(insns.len() + 1);
    let mut at = 0;
    while at < insns.len() {
        fields(insns, at)?;
        let op = Op::decode(insns, at).map_err(|error| Invalid {
            insn: at,
            rule: error.to_string(),
        })?;
        let step = step(op, at, endian)?;
        steps.push(step);
        at += 1;
        if op.slots() == 2 {
            steps.push(Step {
                code: Code::Hole,
                ..step
            });
            at += 1;
        }
    }
    check_targets(&steps)?;
    steps.push(Step {
        code: Code::End,
        dst: 0,
        src: 0,
        off: 0,
        imm: 0,
    });
    Ok(steps)
}

/// The kernel's limit for programs of privileged users.
const LARGEST: usize = 1_000_000;

/// Where jumps and calls lead, and where functions end.
fn check_targets(steps: &[Step]) -> Result<(), Invalid> {
    use Code::*;
    for (insn, step) in steps.iter().enumerate() {
        let broken = |rule: String| Err(Invalid { insn, rule });
        let is_jump = is_conditional(step.code) || matches!(step.code, Ja | MayGoto);
        if is_jump || matches!(step.code, CallLocal | LoadFunction) {
            let target = usize::try_from(step.off).ok().and_then(|at| steps.get(at));
            match target {
                None => {
                    return broken(format!(
                        "it leads to instruction {}, which the program does not have",
                        step.off
                    ));
                }
                Some(Step { code: Hole, .. }) => {
                    return broken(
                        "it leads into the middle of an instruction of two slots".into(),
                    );
                }
                Some(_) => {}
            }
        }
    }
    let ends = |step: &Step| matches!(step.code, Exit | Ja | Jx);
    // Behind the second slot of a load nothing may end either.
    match steps.last() {
        Some(last) if ends(last) => Ok(()),
        _ => Err(Invalid {
            insn: steps.len() - 1,
            rule: "the last instruction is neither exit nor a jump, so the program can run past \
                   its end"
                .to_owned(),
        }),
    }
}

pub(crate) fn is_conditional(code: Code) -> bool {
    (Code::Jeq64I as u8..=Code::Jsle32R as u8).contains(&(code as u8))
}

#[cfg(feature = "jit")]
pub(crate) fn is_load(code: Code) -> bool {
    use Code::*;
    matches!(
        code,
        LoadB
            | LoadH
            | LoadW
            | LoadD
            | LoadSB
            | LoadSH
            | LoadSW
            | AcquireB
            | AcquireH
            | AcquireW
            | AcquireD
    )
}

#[cfg(feature = "jit")]
pub(crate) fn is_store(code: Code) -> bool {
    use Code::*;
    matches!(
        code,
        StoreBR
            | StoreHR
            | StoreWR
            | StoreDR
            | StoreBI
            | StoreHI
            | StoreWI
            | StoreDI
            | ReleaseB
            | ReleaseH
            | ReleaseW
            | ReleaseD
    )
}

fn step(op: Op, at: usize, endian: Endian) -> Result<Step, Invalid> {
    use Code::*;
    let target = |off: i64| -> Result<i32, Invalid> {
        // What is out of reach is checked once all are known.
        i32::try_from(at as i64 + 1 + off).map_err(|_| Invalid {
            insn: at,
            rule: "it leads out of the program".to_owned(),
        })
    };
    let make = |code, dst, src, off, imm| Step {
        code,
        dst,
        src,
        off,
        imm,
    };
    let wide = |imm: i32| i64::from(imm) as u64;
    let reg = |operand| match operand {
        Operand::Reg(reg) => (reg, 0),
        Operand::Imm(imm) => (0, wide(imm)),
    };
    Ok(match op {
        Op::Alu { op, wide, dst, src } => {
            let (reg, imm) = reg(src);
            make(alu(op, wide, src), dst, reg, 0, imm)
        }
        Op::Neg { wide, dst } => make(if wide { Neg64 } else { Neg32 }, dst, 0, 0, 0),
        Op::ToEndian { big, bits, dst } => {
            let swap = big != (endian == Endian::Big);
            make(endian_code(swap, bits), dst, 0, 0, 0)
        }
        Op::Bswap { bits, dst } => make(endian_code(true, bits), dst, 0, 0, 0),
        Op::AddrSpaceCast { dst, src, to, .. } => {
            let code = if to == 0 { CastToKernel } else { CastToUser };
            make(code, dst, src, 0, 0)
        }
        Op::LdImm64 { dst, imm } => match imm {
            Imm64::Value(value) => make(LoadImm, dst, 0, 0, value),
            Imm64::MapFd(fd) => make(LoadMap, dst, 0, 0, wide(fd)),
            Imm64::MapValue { fd, offset } => {
                // `src` tells the two apart until the machine puts the address here.
                make(
                    LoadMap,
                    dst,
                    1,
                    0,
                    u64::from(offset) << 32 | u64::from(fd as u32),
                )
            }
            Imm64::Func(off) => make(LoadFunction, dst, 0, target(off.into())?, 0),
            Imm64::BtfId { .. } | Imm64::MapIdx(_) | Imm64::MapIdxValue { .. } => {
                return Err(Invalid {
                    insn: at,
                    rule: "it refers to a table that only a loader of the kernel has".to_owned(),
                });
            }
        },
        Op::LdAbs { size, imm } => make(packet(size), 0, 11, 0, wide(imm)),
        Op::LdInd { size, src, imm } => make(packet(size), 0, src, 0, wide(imm)),
        Op::Load {
            size,
            signed,
            dst,
            src,
            off,
        } => {
            let code = match (size, signed) {
                (Size::B, false) => LoadB,
                (Size::H, false) => LoadH,
                (Size::W, false) => LoadW,
                (Size::Dw, _) => LoadD,
                (Size::B, true) => LoadSB,
                (Size::H, true) => LoadSH,
                (Size::W, true) => LoadSW,
            };
            make(code, dst, src, off.into(), 0)
        }
        Op::Store {
            size,
            dst,
            off,
            src,
        } => {
            let code = match (size, src) {
                (Size::B, Operand::Reg(_)) => StoreBR,
                (Size::H, Operand::Reg(_)) => StoreHR,
                (Size::W, Operand::Reg(_)) => StoreWR,
                (Size::Dw, Operand::Reg(_)) => StoreDR,
                (Size::B, Operand::Imm(_)) => StoreBI,
                (Size::H, Operand::Imm(_)) => StoreHI,
                (Size::W, Operand::Imm(_)) => StoreWI,
                (Size::Dw, Operand::Imm(_)) => StoreDI,
            };
            let (reg, imm) = reg(src);
            make(code, dst, reg, off.into(), imm)
        }
        Op::Atomic {
            op,
            fetch,
            size,
            dst,
            off,
            src,
        } => {
            let code = if size == Size::Dw { Atomic64 } else { Atomic32 };
            make(code, dst, src, off.into(), atomic(op, fetch))
        }
        Op::LoadAcquire {
            size,
            dst,
            src,
            off,
        } => {
            let code = match size {
                Size::B => AcquireB,
                Size::H => AcquireH,
                Size::W => AcquireW,
                Size::Dw => AcquireD,
            };
            make(code, dst, src, off.into(), 0)
        }
        Op::StoreRelease {
            size,
            dst,
            off,
            src,
        } => {
            let code = match size {
                Size::B => ReleaseB,
                Size::H => ReleaseH,
                Size::W => ReleaseW,
                Size::Dw => ReleaseD,
            };
            make(code, dst, src, off.into(), 0)
        }
        Op::Ja { off, .. } => make(Ja, 0, 0, target(off.into())?, 0),
        Op::Jx { dst } => make(Jx, dst, 0, 0, 0),
        Op::MayGoto { off } => make(MayGoto, 0, 0, target(off.into())?, 0),
        Op::Jump {
            op,
            wide,
            dst,
            src,
            off,
        } => {
            let (reg, imm) = reg(src);
            make(jump(op, wide, src), dst, reg, target(off.into())?, imm)
        }
        Op::Call(CallTarget::Helper(helper)) => make(CallHelper, 0, 0, helper, 0),
        Op::Call(CallTarget::Local(off)) => make(CallLocal, 0, 0, target(off.into())?, 0),
        Op::Call(CallTarget::Kfunc { id, module }) => {
            make(CallKfunc, 0, 0, id, u64::from(module as u16))
        }
        Op::Call(CallTarget::Reg(_)) => {
            return Err(Invalid {
                insn: at,
                rule: "a call names what it calls: no kernel has calls through a register"
                    .to_owned(),
            });
        }
        Op::Exit => make(Exit, 0, 0, 0, 0),
    })
}

fn packet(size: Size) -> Code {
    match size {
        Size::B => Code::PacketB,
        Size::H => Code::PacketH,
        Size::W | Size::Dw => Code::PacketW,
    }
}

fn endian_code(swap: bool, bits: u8) -> Code {
    match (swap, bits) {
        (true, 16) => Code::Swap16,
        (true, 32) => Code::Swap32,
        (true, _) => Code::Swap64,
        (false, 16) => Code::Zx16,
        (false, 32) => Code::Zx32,
        (false, _) => Code::Nothing,
    }
}

/// The fields that an instruction does not use must be zero, those it uses must make sense.
fn fields(insns: &[Insn], at: usize) -> Result<(), Invalid> {
    let insn = insns[at];
    let must = |holds: bool, rule: &str| match holds {
        true => Ok(()),
        false => Err(Invalid {
            insn: at,
            rule: rule.to_owned(),
        }),
    };
    let Insn {
        code,
        dst,
        src,
        off,
        imm,
    } = insn;
    must(
        dst <= BPF_REG_10,
        "its destination is no register: there are r0 to r10",
    )?;
    let by_register = insn.is_src_reg();
    match insn.class() {
        BPF_ALU | BPF_ALU64 => {
            must(dst != BPF_REG_10, "r10 is read-only")?;
            match insn.op() {
                BPF_NEG => {
                    must(!by_register, "a negation has no source register")?;
                    must(src == 0, "a negation's source must be 0")?;
                    must(imm == 0, "a negation's immediate must be 0")?;
                    must(off == 0, "a negation's offset must be 0")
                }
                BPF_END => {
                    must(src == 0, "a byte swap's source register must be 0")?;
                    must(off == 0, "a byte swap's offset must be 0")?;
                    must(
                        matches!(imm, 16 | 32 | 64),
                        "a byte swap's immediate must be 16, 32 or 64",
                    )?;
                    must(
                        insn.class() == BPF_ALU || !by_register,
                        "the source bit of an unconditional byte swap must be 0",
                    )
                }
                op => {
                    if by_register {
                        must(
                            src <= BPF_REG_10,
                            "its source is no register: there are r0 to r10",
                        )?;
                        let cast =
                            op == BPF_MOV && off == BPF_ADDR_SPACE_CAST && code & 7 == BPF_ALU64;
                        must(
                            imm == 0 || cast,
                            "with a source register, the immediate must be 0",
                        )?;
                        if cast {
                            must(
                                matches!(imm, 1 | 0x1_0000),
                                "a cast between address spaces is from 0 to 1 or from 1 to 0",
                            )?;
                        }
                    } else {
                        must(src == 0, "with an immediate, the source register must be 0")?;
                    }
                    let allowed = match op {
                        BPF_DIV | BPF_MOD => matches!(off, 0 | 1),
                        BPF_MOV if by_register && insn.class() == BPF_ALU64 => {
                            matches!(off, 0 | 8 | 16 | 32 | BPF_ADDR_SPACE_CAST)
                        }
                        BPF_MOV if by_register => matches!(off, 0 | 8 | 16),
                        _ => off == 0,
                    };
                    must(
                        allowed,
                        "its offset must be 0, or one that this operation knows",
                    )
                }
            }
        }
        class @ (BPF_JMP | BPF_JMP32) => match insn.op() {
            BPF_JA if by_register => {
                must(class == BPF_JMP, "there is no such jump")?;
                must(
                    src == 0 && off == 0 && imm == 0,
                    "a jump to the address in a register has no \
                     source, offset or immediate",
                )
            }
            BPF_JA => {
                must(dst == 0, "a jump's destination register must be 0")?;
                must(src == 0, "a jump's source register must be 0")?;
                match class {
                    BPF_JMP => must(imm == 0, "a jump's immediate must be 0"),
                    _ => must(off == 0, "a long jump's offset must be 0"),
                }
            }
            BPF_CALL => {
                must(class == BPF_JMP, "calls are of class JMP")?;
                if by_register {
                    return must(
                        false,
                        "a call names what it calls: no kernel has calls through \
                                a register",
                    );
                }
                must(dst == 0, "a call's destination register must be 0")?;
                must(
                    src <= BPF_PSEUDO_KFUNC_CALL,
                    "a call's source must be 0 (a helper), 1 (a function of the program) or 2 (of \
                     the kernel)",
                )?;
                must(
                    off == 0 || src == BPF_PSEUDO_KFUNC_CALL,
                    "a call's offset must be 0",
                )
            }
            BPF_EXIT => {
                must(class == BPF_JMP, "exit is of class JMP")?;
                must(!by_register, "exit has no source register")?;
                must(
                    dst == 0 && src == 0 && off == 0 && imm == 0,
                    "all fields of exit must be 0",
                )
            }
            BPF_JCOND => {
                must(class == BPF_JMP && !by_register, "there is no such jump")?;
                must(
                    dst == 0 && imm == 0,
                    "may_goto has no destination and no immediate",
                )?;
                must(src == BPF_MAY_GOTO, "the source of may_goto must be 0")
            }
            _ if by_register => {
                must(
                    src <= BPF_REG_10,
                    "its source is no register: there are r0 to r10",
                )?;
                must(imm == 0, "with a source register, the immediate must be 0")
            }
            _ => must(src == 0, "with an immediate, the source register must be 0"),
        },
        BPF_LD if insn.is_ld_imm64() => {
            must(dst != BPF_REG_10, "r10 is read-only")?;
            must(off == 0, "the offset of a 64-bit load must be 0")?;
            must(
                src <= BPF_PSEUDO_MAP_IDX_VALUE,
                "the source of a 64-bit load says what it loads, from 0 to 6",
            )?;
            let Some(second) = insns.get(at + 1) else {
                return must(false, "the second slot of a 64-bit load is missing");
            };
            must(
                second.code == 0 && second.dst == 0 && second.src == 0 && second.off == 0,
                "all but the immediate of a 64-bit load's second slot must be 0",
            )?;
            let no_upper = matches!(
                src,
                BPF_PSEUDO_MAP_FD | BPF_PSEUDO_FUNC | BPF_PSEUDO_MAP_IDX
            );
            must(
                !no_upper || second.imm == 0,
                "the second immediate of a load of a map or function must be 0",
            )
        }
        BPF_LD => {
            must(
                dst == 0,
                "the destination of a packet load is r0, so it must be 0",
            )?;
            must(off == 0, "the offset of a packet load must be 0")?;
            match insn.mode() {
                BPF_ABS => must(src == 0, "the source of an absolute packet load must be 0"),
                _ => must(
                    src <= BPF_REG_10,
                    "its source is no register: there are r0 to r10",
                ),
            }
        }
        BPF_LDX => {
            must(
                src <= BPF_REG_10,
                "its source is no register: there are r0 to r10",
            )?;
            must(dst != BPF_REG_10, "r10 is read-only")?;
            must(imm == 0, "a load's immediate must be 0")
        }
        BPF_ST => must(src == 0, "the source of a store of an immediate must be 0"),
        _ => {
            must(
                src <= BPF_REG_10,
                "its source is no register: there are r0 to r10",
            )?;
            if insn.mode() == BPF_ATOMIC {
                let fetches = imm & BPF_FETCH != 0 && imm != BPF_CMPXCHG;
                must(!(fetches && src == BPF_REG_10), "r10 is read-only")?;
                must(
                    !(imm == BPF_LOAD_ACQ && dst == BPF_REG_10),
                    "r10 is read-only",
                )
            } else {
                must(imm == 0, "a store's immediate must be 0")
            }
        }
    }
}
