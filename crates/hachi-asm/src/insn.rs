use std::fmt;

use crate::Endian;
use crate::consts::*;

/// One 8-byte slot of eBPF code (`struct bpf_insn`).
///
/// `ld_imm64` takes two consecutive slots; the second has `code` 0 and carries the upper half of
/// the value in `imm`. Everything else takes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Insn {
    /// Class, operation, source and size bits.
    pub code: u8,
    /// Destination register, 0 to 15 (only 0 to 10 exist).
    pub dst: u8,
    /// Source register, or the kind of a pseudo instruction.
    pub src: u8,
    /// Signed offset: of a memory access in bytes, of a jump in instructions.
    pub off: i16,
    /// Signed immediate.
    pub imm: i32,
}

/// The bytes given are not a whole number of instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LengthError {
    /// How many bytes were given.
    pub len: usize,
}

impl fmt::Display for LengthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LengthError { len } = self;
        write!(
            f,
            "{len} bytes are not a whole number of 8-byte eBPF instructions"
        )
    }
}

impl std::error::Error for LengthError {}

impl Insn {
    /// Size of one encoded instruction in bytes.
    pub const SIZE: usize = 8;

    /// Decodes one instruction.
    pub fn decode(bytes: [u8; 8], endian: Endian) -> Insn {
        let [code, regs, o0, o1, i0, i1, i2, i3] = bytes;
        // The two register nibbles are C bit-fields, whose order follows the byte order.
        let (low, high) = (regs & 0xf, regs >> 4);
        let (dst, src) = match endian {
            Endian::Little => (low, high),
            Endian::Big => (high, low),
        };
        Insn {
            code,
            dst,
            src,
            off: endian.u16([o0, o1]) as i16,
            imm: endian.u32([i0, i1, i2, i3]) as i32,
        }
    }

    /// Encodes one instruction. Register numbers are cut to their 4 bits.
    pub fn encode(self, endian: Endian) -> [u8; 8] {
        let (dst, src) = (self.dst & 0xf, self.src & 0xf);
        let regs = match endian {
            Endian::Little => src << 4 | dst,
            Endian::Big => dst << 4 | src,
        };
        let [o0, o1] = endian.put_u16(self.off as u16);
        let [i0, i1, i2, i3] = endian.put_u32(self.imm as u32);
        [self.code, regs, o0, o1, i0, i1, i2, i3]
    }

    /// Decodes a whole program.
    ///
    /// # Errors
    /// If the length is not a multiple of 8.
    pub fn decode_all(bytes: &[u8], endian: Endian) -> Result<Vec<Insn>, LengthError> {
        let (slots, rest) = bytes.as_chunks::<8>();
        if !rest.is_empty() {
            return Err(LengthError { len: bytes.len() });
        }
        Ok(slots.iter().map(|s| Insn::decode(*s, endian)).collect())
    }

    /// Encodes a whole program.
    pub fn encode_all(insns: &[Insn], endian: Endian) -> Vec<u8> {
        insns.iter().flat_map(|i| i.encode(endian)).collect()
    }

    /// The instruction class, `BPF_LD` to `BPF_ALU64`.
    pub fn class(self) -> u8 {
        self.code & 0x07
    }

    /// The operation bits of an arithmetic or jump instruction (`BPF_OP`).
    pub fn op(self) -> u8 {
        self.code & 0xf0
    }

    /// The size bits of a load or store (`BPF_SIZE`).
    pub fn size(self) -> u8 {
        self.code & 0x18
    }

    /// The mode bits of a load or store (`BPF_MODE`).
    pub fn mode(self) -> u8 {
        self.code & 0xe0
    }

    /// Whether the second operand is a register (`BPF_X`).
    pub fn is_src_reg(self) -> bool {
        self.code & BPF_X != 0
    }

    /// Whether this is the first slot of an `ld_imm64`.
    pub fn is_ld_imm64(self) -> bool {
        self.code == BPF_LD | BPF_IMM | BPF_DW
    }

    /// Whether this calls a function of the same program (`call pc+N`).
    pub fn is_pseudo_call(self) -> bool {
        self.code == BPF_JMP | BPF_CALL && self.src == BPF_PSEUDO_CALL
    }

    /// Whether this calls a kernel function by its BTF id.
    pub fn is_kfunc_call(self) -> bool {
        self.code == BPF_JMP | BPF_CALL && self.src == BPF_PSEUDO_KFUNC_CALL
    }

    /// Whether this calls a helper by number.
    pub fn is_helper_call(self) -> bool {
        self.code == BPF_JMP | BPF_CALL && self.src == 0
    }

    /// Whether this loads the address of a function of the same program.
    pub fn is_pseudo_func(self) -> bool {
        self.is_ld_imm64() && self.src == BPF_PSEUDO_FUNC
    }

    /// Whether this is `exit`.
    pub fn is_exit(self) -> bool {
        self.code == BPF_JMP | BPF_EXIT
    }

    /// How far control may jump from here, in slots counted from the next one; `None` if this is
    /// not a direct jump inside a function.
    pub fn jump_offset(self) -> Option<i32> {
        match (self.class(), self.op()) {
            (BPF_JMP | BPF_JMP32, BPF_CALL | BPF_EXIT) => None,
            (BPF_JMP, BPF_JA) if self.is_src_reg() => None,
            (BPF_JMP32, BPF_JA) => Some(self.imm),
            (BPF_JMP | BPF_JMP32, _) => Some(self.off.into()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_byte_orders_round_trip() {
        let insn = Insn {
            code: 0x7b,
            dst: 10,
            src: 1,
            off: -8,
            imm: 0x0102_0304,
        };
        let little = insn.encode(Endian::Little);
        assert_eq!(little, [0x7b, 0x1a, 0xf8, 0xff, 4, 3, 2, 1]);
        let big = insn.encode(Endian::Big);
        assert_eq!(big, [0x7b, 0xa1, 0xff, 0xf8, 1, 2, 3, 4]);
        assert_eq!(Insn::decode(little, Endian::Little), insn);
        assert_eq!(Insn::decode(big, Endian::Big), insn);
    }

    #[test]
    fn a_partial_instruction_is_an_error() {
        assert_eq!(
            Insn::decode_all(&[0; 12], Endian::Little),
            Err(LengthError { len: 12 })
        );
    }
}
