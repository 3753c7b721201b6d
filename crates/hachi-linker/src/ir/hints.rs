//! What LLVM knows about a number and the verifier cannot find out, said in code.
//!
//! The length of `slice[from..to]` is `to - from`. With both below 16 and `from <= to` the difference is below 16, but
//! the verifier does not relate two registers: to it the difference may as well be 2^64 - 15. A mask that changes
//! nothing tells it the truth. LLVM would drop such a mask, so it is written as assembly.

use crate::llvm::{Function, Inst, Module, Op, Value};

/// Masks beyond 32 bits would need more than one instruction, and bound nothing that the kernel accepts.
const MAX_BITS: u32 = 31;

/// Adds hints to all functions.
pub(super) fn add(module: Module) {
    for function in module.functions() {
        if function.is_declaration() {
            continue;
        }
        for inst in function.instructions() {
            if inst.op() == Op::SUB && inst.0.ty().int_bits() == 64 {
                difference(module, function, inst);
            }
        }
    }
}

fn difference(module: Module, function: Function, inst: Inst) {
    // LLVM proved that the result is not negative.
    if !inst.never_wraps_unsigned() {
        return;
    }
    let (left, right) = (inst.0.operand(0), inst.0.operand(1));
    // With one side constant the verifier does as well by itself.
    if left.as_u64().is_some() || right.as_u64().is_some() {
        return;
    }
    let Some(bits) = bits(left, 8).filter(|bits| *bits <= MAX_BITS) else {
        return;
    };
    let Some(next) = inst.next() else { return };
    let context = module.context;
    let i64_type = context.int_type(64);
    let builder = context.builder().before(next);
    let mask = (1u64 << bits) - 1;
    let ty = i64_type.function(&[i64_type]);
    let asm = builder.inline_asm(ty, &format!("$0 &= {mask}"), "=r,0");
    let masked = builder.call(ty, asm, &[inst.0]);
    for other in function.instructions() {
        if other == masked {
            continue;
        }
        let operands = other.0.operands();
        for (index, _) in operands.iter().enumerate().filter(|(_, v)| **v == inst.0) {
            other.0.set_operand(index as u32, masked.0);
        }
    }
}

/// How many low bits of a number can be set, by a look at how it is made; `depth` bounds the look.
fn bits(value: Value, depth: u32) -> Option<u32> {
    if let Some(n) = value.as_u64() {
        return Some(64 - n.leading_zeros());
    }
    if depth == 0 {
        return None;
    }
    let inst = value.as_inst()?;
    let operand = |index| inst.0.operand(index);
    let of = |index| bits(operand(index), depth - 1);
    let constant = |index| operand(index).as_u64();
    match inst.op() {
        Op::ZEXT => Some(of(0).unwrap_or(64).min(operand(0).ty().int_bits())),
        Op::AND => match (of(0), of(1)) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        },
        Op::OR | Op::XOR => Some(of(0)?.max(of(1)?)),
        Op::LSHR => {
            let width = of(0).unwrap_or(value.ty().int_bits());
            Some(width.saturating_sub(u32::try_from(constant(1)?).ok()?))
        }
        Op::SHL => Some(of(0)? + u32::try_from(constant(1)?).ok()?),
        Op::ADD if inst.never_wraps_unsigned() => Some(of(0)?.max(of(1)?) + 1),
        Op::UREM => match constant(1) {
            Some(n @ 1..) => Some(64 - (n - 1).leading_zeros()),
            _ => of(0),
        },
        Op::SUB if inst.never_wraps_unsigned() => of(0),
        Op::UDIV => of(0),
        Op::SELECT => Some(of(1)?.max(of(2)?)),
        Op::PHI => {
            let mut widest = 0;
            for (value, _) in inst.incoming() {
                widest = widest.max(bits(value, depth / 2)?);
            }
            Some(widest)
        }
        Op::CALL => {
            let callee = inst.called_function()?.name();
            if callee.starts_with("llvm.umin.") {
                return match (of(0), of(1)) {
                    (Some(a), Some(b)) => Some(a.min(b)),
                    (a, b) => a.or(b),
                };
            }
            if callee.starts_with("llvm.umax.") {
                return Some(of(0)?.max(of(1)?));
            }
            None
        }
        _ => None,
    }
    .filter(|bits| *bits < 64)
}
