//! One function per instruction, for programs assembled by hand (feature probes, tests, tools).
//!
//! ```
//! use hachi_asm::{JumpOp, Operand, Size, build::*, disasm};
//! let program = [
//!     load(Size::W, 2, 1, 0),
//!     jump(JumpOp::Eq, 2, Operand::Imm(0), 1),
//!     mov_imm(0, 1),
//!     exit(),
//! ];
//! assert_eq!(disasm::program(&program)[1], "if r2 == 0x0 goto pc+1");
//! ```

use crate::consts::*;
use crate::{AluOp, AtomicOp, Endian, Imm64, Insn, JumpOp, Operand, Size};

/// `dst op= src`, on 64 bits.
pub fn alu(op: AluOp, dst: u8, src: Operand) -> Insn {
    alu_of(BPF_ALU64, op, dst, src)
}

/// `dst op= src`, on the lower 32 bits; the upper half becomes zero.
pub fn alu32(op: AluOp, dst: u8, src: Operand) -> Insn {
    alu_of(BPF_ALU, op, dst, src)
}

fn alu_of(class: u8, op: AluOp, dst: u8, src: Operand) -> Insn {
    let (bits, off) = match op {
        AluOp::Add => (BPF_ADD, 0),
        AluOp::Sub => (BPF_SUB, 0),
        AluOp::Mul => (BPF_MUL, 0),
        AluOp::Div => (BPF_DIV, 0),
        AluOp::Sdiv => (BPF_DIV, 1),
        AluOp::Or => (BPF_OR, 0),
        AluOp::And => (BPF_AND, 0),
        AluOp::Lsh => (BPF_LSH, 0),
        AluOp::Rsh => (BPF_RSH, 0),
        AluOp::Mod => (BPF_MOD, 0),
        AluOp::Smod => (BPF_MOD, 1),
        AluOp::Xor => (BPF_XOR, 0),
        AluOp::Mov => (BPF_MOV, 0),
        AluOp::MovSx(width) => (BPF_MOV, width.into()),
        AluOp::Arsh => (BPF_ARSH, 0),
    };
    with_operand(class | bits, dst, src, off)
}

fn with_operand(code: u8, dst: u8, src: Operand, off: i16) -> Insn {
    let (x, src, imm) = match src {
        Operand::Reg(reg) => (BPF_X, reg, 0),
        Operand::Imm(imm) => (BPF_K, 0, imm),
    };
    Insn {
        code: code | x,
        dst,
        src,
        off,
        imm,
    }
}

/// `dst = src`, 64 bits.
pub fn mov(dst: u8, src: u8) -> Insn {
    alu(AluOp::Mov, dst, Operand::Reg(src))
}

/// `dst = imm`, sign-extended to 64 bits.
pub fn mov_imm(dst: u8, imm: i32) -> Insn {
    alu(AluOp::Mov, dst, Operand::Imm(imm))
}

/// `dst += imm`, 64 bits.
pub fn add_imm(dst: u8, imm: i32) -> Insn {
    alu(AluOp::Add, dst, Operand::Imm(imm))
}

/// `dst = -dst`, 64 bits.
pub fn neg(dst: u8) -> Insn {
    Insn {
        code: BPF_NEG | BPF_ALU64,
        dst,
        ..Insn::default()
    }
}

/// `dst = -dst`, 32 bits; clears the upper half.
pub fn neg32(dst: u8) -> Insn {
    Insn {
        code: BPF_NEG | BPF_ALU,
        dst,
        ..Insn::default()
    }
}

/// Converts the lower `bits` (16, 32 or 64) between the machine's byte order and another.
pub fn to_endian(order: Endian, bits: u8, dst: u8) -> Insn {
    let order = match order {
        Endian::Big => BPF_TO_BE,
        Endian::Little => BPF_TO_LE,
    };
    Insn {
        code: BPF_ALU | BPF_END | order,
        dst,
        imm: bits.into(),
        ..Insn::default()
    }
}

/// Reverses the lower `bits` (16, 32 or 64); Linux 6.6.
pub fn bswap(bits: u8, dst: u8) -> Insn {
    Insn {
        code: BPF_ALU64 | BPF_END,
        dst,
        imm: bits.into(),
        ..Insn::default()
    }
}

/// Converts an arena pointer between address spaces `from` and `to`; Linux 6.9.
pub fn addr_space_cast(dst: u8, src: u8, to: u16, from: u16) -> Insn {
    Insn {
        code: BPF_ALU64 | BPF_MOV | BPF_X,
        dst,
        src,
        off: BPF_ADDR_SPACE_CAST,
        imm: (u32::from(to) << 16 | u32::from(from)) as i32,
    }
}

/// Loads a 64-bit constant; two slots.
pub fn ld_imm64(dst: u8, imm: Imm64) -> [Insn; 2] {
    let (src, low, high) = match imm {
        Imm64::Value(value) => (0, value as i32, (value >> 32) as i32),
        Imm64::MapFd(fd) => (BPF_PSEUDO_MAP_FD, fd, 0),
        Imm64::MapValue { fd, offset } => (BPF_PSEUDO_MAP_VALUE, fd, offset as i32),
        Imm64::BtfId { id, module_fd } => (BPF_PSEUDO_BTF_ID, id, module_fd),
        Imm64::Func(off) => (BPF_PSEUDO_FUNC, off, 0),
        Imm64::MapIdx(index) => (BPF_PSEUDO_MAP_IDX, index, 0),
        Imm64::MapIdxValue { index, offset } => (BPF_PSEUDO_MAP_IDX_VALUE, index, offset as i32),
    };
    let first = Insn {
        code: BPF_LD | BPF_IMM | BPF_DW,
        dst,
        src,
        off: 0,
        imm: low,
    };
    let second = Insn {
        imm: high,
        ..Insn::default()
    };
    [first, second]
}

/// Loads `size` at absolute packet offset `imm` to r0 (socket filters and the like).
pub fn ld_abs(size: Size, imm: i32) -> Insn {
    Insn {
        code: BPF_LD | BPF_ABS | size.bits(),
        imm,
        ..Insn::default()
    }
}

/// Loads `size` at packet offset `src + imm` to r0.
pub fn ld_ind(size: Size, src: u8, imm: i32) -> Insn {
    Insn {
        code: BPF_LD | BPF_IND | size.bits(),
        src,
        imm,
        ..Insn::default()
    }
}

/// `dst = *(size *)(src + off)`.
pub fn load(size: Size, dst: u8, src: u8, off: i16) -> Insn {
    Insn {
        code: BPF_LDX | BPF_MEM | size.bits(),
        dst,
        src,
        off,
        imm: 0,
    }
}

/// As [`load`], sign-extending; Linux 6.6.
pub fn load_signed(size: Size, dst: u8, src: u8, off: i16) -> Insn {
    Insn {
        code: BPF_LDX | BPF_MEMSX | size.bits(),
        dst,
        src,
        off,
        imm: 0,
    }
}

/// `*(size *)(dst + off) = src`.
pub fn store(size: Size, dst: u8, off: i16, src: u8) -> Insn {
    Insn {
        code: BPF_STX | BPF_MEM | size.bits(),
        dst,
        src,
        off,
        imm: 0,
    }
}

/// `*(size *)(dst + off) = imm`.
pub fn store_imm(size: Size, dst: u8, off: i16, imm: i32) -> Insn {
    Insn {
        code: BPF_ST | BPF_MEM | size.bits(),
        dst,
        src: 0,
        off,
        imm,
    }
}

/// Atomic update of memory, 4 or 8 bytes, that leaves registers alone; `Xchg` and `Cmpxchg`
/// always give what was there. All but `Add` need Linux 5.12.
pub fn atomic(op: AtomicOp, size: Size, dst: u8, off: i16, src: u8) -> Insn {
    let imm = match op {
        AtomicOp::Add => BPF_ADD.into(),
        AtomicOp::Or => BPF_OR.into(),
        AtomicOp::And => BPF_AND.into(),
        AtomicOp::Xor => BPF_XOR.into(),
        AtomicOp::Xchg => BPF_XCHG,
        AtomicOp::Cmpxchg => BPF_CMPXCHG,
    };
    Insn {
        code: BPF_STX | BPF_ATOMIC | size.bits(),
        dst,
        src,
        off,
        imm,
    }
}

/// As [`atomic`], and gives what was there before: in `src`, for `Cmpxchg` in r0. Linux 5.12.
pub fn atomic_fetch(op: AtomicOp, size: Size, dst: u8, off: i16, src: u8) -> Insn {
    let mut insn = atomic(op, size, dst, off, src);
    insn.imm |= BPF_FETCH;
    insn
}

/// `dst = load_acquire((size *)(src + off))`; Linux 6.15.
pub fn load_acquire(size: Size, dst: u8, src: u8, off: i16) -> Insn {
    Insn {
        code: BPF_STX | BPF_ATOMIC | size.bits(),
        dst,
        src,
        off,
        imm: BPF_LOAD_ACQ,
    }
}

/// `store_release((size *)(dst + off), src)`; Linux 6.15.
pub fn store_release(size: Size, dst: u8, off: i16, src: u8) -> Insn {
    Insn {
        imm: BPF_STORE_REL,
        ..load_acquire(size, dst, src, off)
    }
}

/// `goto pc+off`.
pub fn ja(off: i16) -> Insn {
    Insn {
        code: BPF_JMP | BPF_JA,
        off,
        ..Insn::default()
    }
}

/// `gotol pc+off`, the 32-bit form; Linux 6.6.
pub fn ja_long(off: i32) -> Insn {
    Insn {
        code: BPF_JMP32 | BPF_JA,
        imm: off,
        ..Insn::default()
    }
}

/// `gotox dst`, to an address read from an instruction-array map; Linux 6.19.
pub fn jx(dst: u8) -> Insn {
    Insn {
        code: BPF_JMP | BPF_JA | BPF_X,
        dst,
        ..Insn::default()
    }
}

/// `may_goto pc+off`; Linux 6.9.
pub fn may_goto(off: i16) -> Insn {
    Insn {
        code: BPF_JMP | BPF_JCOND,
        src: BPF_MAY_GOTO,
        off,
        ..Insn::default()
    }
}

/// `if dst op src goto pc+off`, comparing 64 bits.
pub fn jump(op: JumpOp, dst: u8, src: Operand, off: i16) -> Insn {
    with_operand(BPF_JMP | jump_bits(op), dst, src, off)
}

/// As [`jump`], comparing the lower 32 bits; Linux 5.1.
pub fn jump32(op: JumpOp, dst: u8, src: Operand, off: i16) -> Insn {
    with_operand(BPF_JMP32 | jump_bits(op), dst, src, off)
}

fn jump_bits(op: JumpOp) -> u8 {
    match op {
        JumpOp::Eq => BPF_JEQ,
        JumpOp::Gt => BPF_JGT,
        JumpOp::Ge => BPF_JGE,
        JumpOp::Set => BPF_JSET,
        JumpOp::Ne => BPF_JNE,
        JumpOp::Sgt => BPF_JSGT,
        JumpOp::Sge => BPF_JSGE,
        JumpOp::Lt => BPF_JLT,
        JumpOp::Le => BPF_JLE,
        JumpOp::Slt => BPF_JSLT,
        JumpOp::Sle => BPF_JSLE,
    }
}

/// Calls helper number `id` ([`crate::helpers`]).
pub fn call_helper(id: u32) -> Insn {
    call_of(0, id as i32, 0)
}

/// Calls a function of the same program, `off` instructions after the next one.
pub fn call_local(off: i32) -> Insn {
    call_of(BPF_PSEUDO_CALL, off, 0)
}

/// Calls a kernel function by BTF id; `module` indexes `fd_array`, 0 for vmlinux. Linux 5.13.
pub fn call_kfunc(id: u32, module: i16) -> Insn {
    call_of(BPF_PSEUDO_KFUNC_CALL, id as i32, module)
}

fn call_of(src: u8, imm: i32, off: i16) -> Insn {
    Insn {
        code: BPF_JMP | BPF_CALL,
        dst: 0,
        src,
        off,
        imm,
    }
}

/// Returns r0.
pub fn exit() -> Insn {
    Insn {
        code: BPF_JMP | BPF_EXIT,
        ..Insn::default()
    }
}
