//! Instructions with their meaning spelled out.

use std::fmt;

use crate::Insn;
use crate::consts::*;

/// Width of a memory access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Size {
    /// One byte.
    B,
    /// Two bytes.
    H,
    /// Four bytes.
    W,
    /// Eight bytes.
    Dw,
}

impl Size {
    /// From the size bits of an opcode.
    pub fn of(code: u8) -> Size {
        match code & 0x18 {
            BPF_B => Size::B,
            BPF_H => Size::H,
            BPF_W => Size::W,
            _ => Size::Dw,
        }
    }

    /// The size bits of an opcode.
    pub fn bits(self) -> u8 {
        match self {
            Size::B => BPF_B,
            Size::H => BPF_H,
            Size::W => BPF_W,
            Size::Dw => BPF_DW,
        }
    }

    /// How many bytes.
    pub fn bytes(self) -> u32 {
        match self {
            Size::B => 1,
            Size::H => 2,
            Size::W => 4,
            Size::Dw => 8,
        }
    }
}

/// The second operand of an arithmetic instruction or a conditional jump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operand {
    /// A register.
    Reg(u8),
    /// A constant, sign-extended to the width of the operation.
    Imm(i32),
}

/// Arithmetic with two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // plain arithmetic
pub enum AluOp {
    Add,
    Sub,
    Mul,
    /// Unsigned division; by zero gives 0.
    Div,
    /// Signed division (Linux 6.6, cpu v4).
    Sdiv,
    Or,
    And,
    Lsh,
    Rsh,
    /// Unsigned remainder; by zero leaves the first operand.
    Mod,
    /// Signed remainder (Linux 6.6, cpu v4).
    Smod,
    Xor,
    Mov,
    /// Move with sign extension from this many bits: 8, 16 or 32 (Linux 6.6, cpu v4).
    MovSx(u8),
    /// Shift right keeping the sign.
    Arsh,
}

/// Conditions of a jump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // named as in the kernel
pub enum JumpOp {
    Eq,
    Gt,
    Ge,
    /// First operand AND second is not zero.
    Set,
    Ne,
    Sgt,
    Sge,
    Lt,
    Le,
    Slt,
    Sle,
}

/// A read-modify-write of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // named as in the kernel
pub enum AtomicOp {
    Add,
    Or,
    And,
    Xor,
    Xchg,
    /// Compares with r0, and leaves the old value there.
    Cmpxchg,
}

/// What an `ld_imm64` loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Imm64 {
    /// The number itself.
    Value(u64),
    /// A map, by file descriptor.
    MapFd(i32),
    /// The address of a byte inside the (array) map of this descriptor.
    MapValue {
        /// The map's file descriptor.
        fd: i32,
        /// Offset in its value, in bytes.
        offset: u32,
    },
    /// A variable of the kernel (or of the module whose BTF descriptor is given), by BTF id.
    BtfId {
        /// Id of the VAR.
        id: i32,
        /// Descriptor of the module's BTF, 0 for vmlinux.
        module_fd: i32,
    },
    /// A function of this program, this many instructions after the next.
    Func(i32),
    /// A map, by index into the `fd_array` given at load.
    MapIdx(i32),
    /// As `MapValue`, by index into `fd_array`.
    MapIdxValue {
        /// Index into `fd_array`.
        index: i32,
        /// Offset in its value, in bytes.
        offset: u32,
    },
}

/// Whom a `call` calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallTarget {
    /// A helper, by number ([`crate::helpers`]).
    Helper(i32),
    /// A function of this program, this many instructions after the next.
    Local(i32),
    /// A kernel function, by BTF id and index of its module's BTF in `fd_array` (0: vmlinux).
    Kfunc {
        /// Id of the FUNC.
        id: i32,
        /// Index into `fd_array`.
        module: i16,
    },
    /// The function a register points to (`callx`; no kernel accepts it).
    Reg(u8),
}

/// An instruction with its meaning spelled out. `off` of jumps counts instructions from the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // fields: dst/src registers, off, imm
pub enum Op {
    /// `dst op= src`, on 64 bits or on the lower 32 (`wide == false`, upper half becomes zero).
    Alu {
        op: AluOp,
        wide: bool,
        dst: u8,
        src: Operand,
    },
    /// `dst = -dst`.
    Neg { wide: bool, dst: u8 },
    /// Converts between the machine's byte order and a fixed one, and cuts to `bits`.
    ToEndian { big: bool, bits: u8, dst: u8 },
    /// Reverses the bytes and cuts to `bits` (Linux 6.6, cpu v4).
    Bswap { bits: u8, dst: u8 },
    /// Converts a pointer between arena address spaces (Linux 6.9).
    AddrSpaceCast {
        dst: u8,
        src: u8,
        to: u16,
        from: u16,
    },
    /// Loads a 64-bit constant; takes two slots.
    LdImm64 { dst: u8, imm: Imm64 },
    /// Loads from the packet (network byte order) to r0; ends the program when out of bounds.
    LdAbs { size: Size, imm: i32 },
    /// As `LdAbs`, at `src + imm`.
    LdInd { size: Size, src: u8, imm: i32 },
    /// `dst = *(size *)(src + off)`, sign-extended if `signed` (Linux 6.6, cpu v4).
    Load {
        size: Size,
        signed: bool,
        dst: u8,
        src: u8,
        off: i16,
    },
    /// `*(size *)(dst + off) = src`.
    Store {
        size: Size,
        dst: u8,
        off: i16,
        src: Operand,
    },
    /// Atomic update; with `fetch` the old value comes back in `src` (or r0 for `Cmpxchg`).
    Atomic {
        op: AtomicOp,
        fetch: bool,
        size: Size,
        dst: u8,
        off: i16,
        src: u8,
    },
    /// Load with acquire ordering (Linux 6.15).
    LoadAcquire {
        size: Size,
        dst: u8,
        src: u8,
        off: i16,
    },
    /// Store with release ordering (Linux 6.15).
    StoreRelease {
        size: Size,
        dst: u8,
        off: i16,
        src: u8,
    },
    /// Unconditional jump; `long` is the 32-bit form (`gotol`, Linux 6.6, cpu v4).
    Ja { off: i32, long: bool },
    /// Jump to the address in a register, of an instruction-array map (`gotox`, Linux 6.19).
    Jx { dst: u8 },
    /// Jumps once the budget of iterations is spent (`may_goto`, Linux 6.9).
    MayGoto { off: i16 },
    /// Conditional jump, comparing 64 bits or 32.
    Jump {
        op: JumpOp,
        wide: bool,
        dst: u8,
        src: Operand,
        off: i16,
    },
    /// A call.
    Call(CallTarget),
    /// Return from the function with r0.
    Exit,
}

/// An instruction that no kernel knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// Not an instruction.
    Unknown {
        /// Its opcode.
        code: u8,
        /// Its offset field.
        off: i16,
        /// Its immediate field.
        imm: i32,
    },
    /// An `ld_imm64` whose second half is missing.
    HalfImm64,
    /// The position is past the end.
    PastEnd {
        /// Position asked for.
        at: usize,
        /// Length of the program in slots.
        len: usize,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::Unknown { code, off, imm } => write!(
                f,
                "no such instruction: opcode {code:#04x} with off {off} and imm {imm:#x}"
            ),
            DecodeError::HalfImm64 => {
                f.write_str("the program ends in the middle of a two-slot ld_imm64")
            }
            DecodeError::PastEnd { at, len } => {
                write!(f, "no instruction at {at}: the program has {len}")
            }
        }
    }
}

impl std::error::Error for DecodeError {}

impl Op {
    /// Slots the instruction takes: 2 for `ld_imm64`, else 1.
    pub fn slots(self) -> usize {
        match self {
            Op::LdImm64 { .. } => 2,
            _ => 1,
        }
    }

    /// Decodes the instruction at slot `at`.
    ///
    /// Fields that an instruction doesn't use are ignored, as a disassembler should; the kernel
    /// insists that they be zero.
    ///
    /// # Errors
    /// If there's no such instruction, or half of one.
    pub fn decode(insns: &[Insn], at: usize) -> Result<Op, DecodeError> {
        let insn = *insns.get(at).ok_or(DecodeError::PastEnd {
            at,
            len: insns.len(),
        })?;
        if insn.is_ld_imm64() {
            let high = insns.get(at + 1).filter(|high| high.code == 0);
            let high = high.ok_or(DecodeError::HalfImm64)?.imm;
            return ld_imm64(insn, high);
        }
        let op = match insn.class() {
            BPF_ALU | BPF_ALU64 => alu(insn),
            BPF_JMP | BPF_JMP32 => jump(insn),
            _ => memory(insn),
        };
        op.ok_or(unknown(insn))
    }
}

fn unknown(insn: Insn) -> DecodeError {
    DecodeError::Unknown {
        code: insn.code,
        off: insn.off,
        imm: insn.imm,
    }
}

fn ld_imm64(insn: Insn, high: i32) -> Result<Op, DecodeError> {
    let low = insn.imm;
    let imm = match insn.src {
        0 => Imm64::Value(u64::from(high as u32) << 32 | u64::from(low as u32)),
        BPF_PSEUDO_MAP_FD => Imm64::MapFd(low),
        BPF_PSEUDO_MAP_VALUE => Imm64::MapValue {
            fd: low,
            offset: high as u32,
        },
        BPF_PSEUDO_BTF_ID => Imm64::BtfId {
            id: low,
            module_fd: high,
        },
        BPF_PSEUDO_FUNC => Imm64::Func(low),
        BPF_PSEUDO_MAP_IDX => Imm64::MapIdx(low),
        BPF_PSEUDO_MAP_IDX_VALUE => Imm64::MapIdxValue {
            index: low,
            offset: high as u32,
        },
        _ => return Err(unknown(insn)),
    };
    Ok(Op::LdImm64 { dst: insn.dst, imm })
}

/// The second operand.
fn operand(insn: Insn) -> Operand {
    if insn.is_src_reg() {
        Operand::Reg(insn.src)
    } else {
        Operand::Imm(insn.imm)
    }
}

fn alu(insn: Insn) -> Option<Op> {
    let wide = insn.class() == BPF_ALU64;
    let dst = insn.dst;
    let op = match insn.op() {
        BPF_END => {
            let bits = match insn.imm {
                16 | 32 | 64 => insn.imm as u8,
                _ => return None,
            };
            return match (wide, insn.is_src_reg()) {
                (false, big) => Some(Op::ToEndian { big, bits, dst }),
                (true, false) => Some(Op::Bswap { bits, dst }),
                (true, true) => None,
            };
        }
        BPF_NEG if !insn.is_src_reg() => return Some(Op::Neg { wide, dst }),
        BPF_MOV => match insn.off {
            0 => AluOp::Mov,
            BPF_ADDR_SPACE_CAST if wide && insn.is_src_reg() => {
                return Some(Op::AddrSpaceCast {
                    dst,
                    src: insn.src,
                    to: (insn.imm as u32 >> 16) as u16,
                    from: insn.imm as u16,
                });
            }
            8 | 16 if insn.is_src_reg() => AluOp::MovSx(insn.off as u8),
            32 if wide && insn.is_src_reg() => AluOp::MovSx(32),
            _ => return None,
        },
        BPF_DIV if insn.off == 1 => AluOp::Sdiv,
        BPF_MOD if insn.off == 1 => AluOp::Smod,
        _ if insn.off != 0 => return None,
        BPF_ADD => AluOp::Add,
        BPF_SUB => AluOp::Sub,
        BPF_MUL => AluOp::Mul,
        BPF_DIV => AluOp::Div,
        BPF_OR => AluOp::Or,
        BPF_AND => AluOp::And,
        BPF_LSH => AluOp::Lsh,
        BPF_RSH => AluOp::Rsh,
        BPF_MOD => AluOp::Mod,
        BPF_XOR => AluOp::Xor,
        BPF_ARSH => AluOp::Arsh,
        _ => return None,
    };
    let src = operand(insn);
    Some(Op::Alu { op, wide, dst, src })
}

fn jump(insn: Insn) -> Option<Op> {
    let wide = insn.class() == BPF_JMP;
    let op = match insn.op() {
        BPF_JA => {
            return match (wide, insn.is_src_reg()) {
                (true, false) => Some(Op::Ja {
                    off: insn.off.into(),
                    long: false,
                }),
                (false, false) => Some(Op::Ja {
                    off: insn.imm,
                    long: true,
                }),
                (true, true) => Some(Op::Jx { dst: insn.dst }),
                (false, true) => None,
            };
        }
        BPF_JCOND if wide && !insn.is_src_reg() && insn.src == BPF_MAY_GOTO => {
            return Some(Op::MayGoto { off: insn.off });
        }
        BPF_CALL if wide => {
            let target = match (insn.is_src_reg(), insn.src) {
                (false, 0) => CallTarget::Helper(insn.imm),
                (false, BPF_PSEUDO_CALL) => CallTarget::Local(insn.imm),
                (false, BPF_PSEUDO_KFUNC_CALL) => CallTarget::Kfunc {
                    id: insn.imm,
                    module: insn.off,
                },
                (true, _) => CallTarget::Reg(insn.dst),
                _ => return None,
            };
            return Some(Op::Call(target));
        }
        BPF_EXIT if wide && !insn.is_src_reg() => return Some(Op::Exit),
        BPF_JEQ => JumpOp::Eq,
        BPF_JGT => JumpOp::Gt,
        BPF_JGE => JumpOp::Ge,
        BPF_JSET => JumpOp::Set,
        BPF_JNE => JumpOp::Ne,
        BPF_JSGT => JumpOp::Sgt,
        BPF_JSGE => JumpOp::Sge,
        BPF_JLT => JumpOp::Lt,
        BPF_JLE => JumpOp::Le,
        BPF_JSLT => JumpOp::Slt,
        BPF_JSLE => JumpOp::Sle,
        _ => return None,
    };
    Some(Op::Jump {
        op,
        wide,
        dst: insn.dst,
        src: operand(insn),
        off: insn.off,
    })
}

fn memory(insn: Insn) -> Option<Op> {
    let Insn {
        dst, src, off, imm, ..
    } = insn;
    let size = Size::of(insn.code);
    match (insn.class(), insn.mode()) {
        (BPF_LD, BPF_ABS) if size != Size::Dw => Some(Op::LdAbs { size, imm }),
        (BPF_LD, BPF_IND) if size != Size::Dw => Some(Op::LdInd { size, src, imm }),
        (BPF_LDX, BPF_MEM) => Some(Op::Load {
            size,
            signed: false,
            dst,
            src,
            off,
        }),
        (BPF_LDX, BPF_MEMSX) if size != Size::Dw => Some(Op::Load {
            size,
            signed: true,
            dst,
            src,
            off,
        }),
        (BPF_ST, BPF_MEM) => Some(Op::Store {
            size,
            dst,
            off,
            src: Operand::Imm(imm),
        }),
        (BPF_STX, BPF_MEM) => Some(Op::Store {
            size,
            dst,
            off,
            src: Operand::Reg(src),
        }),
        (BPF_STX, BPF_ATOMIC) => atomic(insn, size),
        _ => None,
    }
}

fn atomic(insn: Insn, size: Size) -> Option<Op> {
    let Insn { dst, src, off, .. } = insn;
    let op = match insn.imm {
        BPF_LOAD_ACQ => {
            return Some(Op::LoadAcquire {
                size,
                dst,
                src,
                off,
            });
        }
        BPF_STORE_REL => {
            return Some(Op::StoreRelease {
                size,
                dst,
                off,
                src,
            });
        }
        BPF_XCHG => AtomicOp::Xchg,
        BPF_CMPXCHG => AtomicOp::Cmpxchg,
        imm => match u8::try_from(imm & !BPF_FETCH).ok()? {
            BPF_ADD => AtomicOp::Add,
            BPF_OR => AtomicOp::Or,
            BPF_AND => AtomicOp::And,
            BPF_XOR => AtomicOp::Xor,
            _ => return None,
        },
    };
    if !matches!(size, Size::W | Size::Dw) {
        return None;
    }
    Some(Op::Atomic {
        op,
        fetch: insn.imm & BPF_FETCH != 0,
        size,
        dst,
        off,
        src,
    })
}
