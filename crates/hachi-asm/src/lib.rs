//! The eBPF instruction set: encode, decode, assemble and disassemble.
//!
//! * [`Insn`] is one 8-byte instruction as it stands in an object file; [`Insn::decode_all`] and
//!   [`Insn::encode_all`] convert whole programs in either byte order.
//! * [`Op`] is the same instruction with its meaning spelled out ([`Op::decode`]).
//! * [`build`] has one function per instruction, for programs assembled by hand.
//! * [`disasm`] prints instructions in the syntax of the kernel's verifier.
//! * [`helpers`] is the table of the kernel's helper functions, generated from a checked-in list.
//!
//! The constants in [`consts`] carry the names of the kernel's `linux/bpf.h`.
//!
//! ```
//! use hachi_asm::{Endian, Insn, build, disasm};
//! let program = [build::mov_imm(0, 2), build::exit()];
//! let bytes = Insn::encode_all(&program, Endian::Little);
//! assert_eq!(Insn::decode_all(&bytes, Endian::Little).unwrap(), program);
//! assert_eq!(disasm::program(&program), ["r0 = 2", "exit"]);
//! ```

pub mod build;
pub mod consts;
pub mod decode;
pub mod disasm;
mod endian;
pub mod helpers;
mod insn;
#[cfg(test)]
mod tests;

pub use decode::{AluOp, AtomicOp, CallTarget, DecodeError, Imm64, JumpOp, Op, Operand, Size};
pub use endian::Endian;
pub use insn::{Insn, LengthError};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
