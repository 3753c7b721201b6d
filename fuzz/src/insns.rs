//! Instructions: decoded, written as text, encoded again.

use hachi_asm::{Endian, Insn, Op, disasm};

/// Fails by a panic.
pub fn run(bytes: &[u8]) {
    for endian in [Endian::Little, Endian::Big] {
        let Ok(insns) = Insn::decode_all(bytes, endian) else {
            return;
        };
        assert_eq!(Insn::encode_all(&insns, endian), bytes);
        let _ = disasm::program(&insns);
        for at in 0..insns.len() {
            if let Ok(op) = Op::decode(&insns, at) {
                assert!(at + op.slots() <= insns.len());
            }
        }
    }
}
