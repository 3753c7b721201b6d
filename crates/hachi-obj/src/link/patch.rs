//! Answers written into instructions (`bpf_core_patch_insn` of libbpf).

use hachi_asm::Insn;
use hachi_asm::consts::*;
use hachi_btf::core::{Reason, Value};

use crate::error::PatchFault;

/// Number of a helper that no kernel has: 0xbad2310, "bad relo". A call of it stands in for an
/// instruction whose question has no answer; libbpf uses the same.
pub const POISON: i32 = 0x0bad_2310;

/// Number of a helper that no kernel has. A call of it or one of those that follow stands in for
/// the call of a kernel function that this kernel does not have; libbpf uses the same numbers.
pub const POISON_KFUNC: i32 = 2_002_000_000;

/// Writes an answer into the instruction at `at`. Gives a reason to poison it instead if it
/// accesses memory in a size that would read a wrong value.
pub(super) fn apply(
    insns: &mut [Insn],
    at: usize,
    value: &Value,
) -> Result<Option<Reason>, PatchFault> {
    let Some([insn, rest @ ..]) = insns.get_mut(at..) else {
        return Err(PatchFault::Beyond);
    };
    // A number of 32 bits is there with or without the sign that instructions extend it by.
    let extend = |number| u32::try_from(number).map_or(number, |word| word as i32 as i64 as u64);
    let extended = extend(value.local);
    let check = |found: u64| match value.validate && found != value.local && found != extended {
        true => Err(PatchFault::Holds {
            found,
            expected: value.local,
        }),
        false => Ok(()),
    };
    match insn.class() {
        BPF_ALU | BPF_ALU64 if !insn.is_src_reg() => {
            check(i64::from(insn.imm) as u64)?;
            insn.imm = value.target as i32;
        }
        BPF_LDX | BPF_ST | BPF_STX => {
            check(i64::from(insn.off) as u64)?;
            let off = i16::try_from(value.target).map_err(|_| PatchFault::Offset {
                offset: value.target,
            })?;
            if value.local_size != value.target_size {
                if !value.resizable {
                    return Ok(Some(Reason::OtherSize {
                        local: value.local_size,
                        target: value.target_size,
                    }));
                }
                let bytes = access_size(*insn);
                if bytes != value.local_size {
                    return Err(PatchFault::Access {
                        bytes,
                        field: value.local_size,
                    });
                }
                let size = match value.target_size {
                    8 => BPF_DW,
                    4 => BPF_W,
                    2 => BPF_H,
                    1 => BPF_B,
                    bytes => return Err(PatchFault::FieldSize { bytes }),
                };
                insn.code = insn.mode() | size | insn.class();
            }
            insn.off = off;
        }
        BPF_LD => {
            let Some(second) = rest.first_mut().filter(|second| {
                let empty = |i: &Insn| i.src == 0 && i.off == 0;
                insn.is_ld_imm64()
                    && empty(insn)
                    && empty(second)
                    && second.code == 0
                    && second.dst == 0
            }) else {
                return Err(PatchFault::NoNumber64);
            };
            let found = u64::from(second.imm as u32) << 32 | u64::from(insn.imm as u32);
            check(found)?;
            // As the number there was extended, so is the one that takes its place.
            let target = match value.validate && found != value.local {
                true => extend(value.target),
                false => value.target,
            };
            insn.imm = target as i32;
            second.imm = (target >> 32) as i32;
        }
        _ => {
            return Err(PatchFault::NoNumber { code: insn.code });
        }
    }
    Ok(None)
}

fn access_size(insn: Insn) -> u32 {
    match insn.size() {
        BPF_DW => 8,
        BPF_W => 4,
        BPF_H => 2,
        _ => 1,
    }
}

/// Replaces the instruction at `at`, both slots of an `ld_imm64`, by calls of a helper that does
/// not exist.
pub(super) fn poison(insns: &mut [Insn], at: usize) {
    let Some([insn, rest @ ..]) = insns.get_mut(at..) else {
        return;
    };
    let poison = helper_call(POISON);
    if insn.is_ld_imm64()
        && let Some(second) = rest.first_mut()
    {
        *second = poison;
    }
    *insn = poison;
}

/// Replaces the call of a kernel function by that of a helper which does not exist.
/// Each function has one of its own, by its place among the object's externs.
pub(super) fn poison_kfunc(insn: &mut Insn, place: u32) {
    *insn = helper_call(POISON_KFUNC.saturating_add_unsigned(place));
}

fn helper_call(imm: i32) -> Insn {
    Insn {
        code: BPF_JMP | BPF_CALL,
        imm,
        ..Insn::default()
    }
}
