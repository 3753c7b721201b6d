//! What LLVM knows about a number and the verifier cannot find out, said in code.
//!
//! The verifier follows additions and masks, but takes the result of a division or remainder for
//! just any number, does not relate two registers (`to - from` is never negative when
//! `from <= to`), and knows nothing of counting bits. LLVM knows all that and drops the checks
//! which would have told the verifier. Where such a number becomes part of an address or a length,
//! it is clamped to the bound that LLVM relied on. The clamp changes nothing; LLVM would drop it
//! too, did it not go through an empty piece of assembly that hides what the number is.

use std::collections::BTreeSet;

use super::{flow, pins};
use crate::llvm::{Function, Inst, Module, Op, Value};

/// Beyond this a bound is of no use: no object is as large.
const MAX_BOUND: u64 = (1 << 31) - 1;

/// Adds hints to all functions.
pub(super) fn add(module: Module) {
    for function in module.functions() {
        if function.is_declaration() {
            continue;
        }
        for inst in function.instructions() {
            if inst.op() == Op::GEP {
                table_index(module, inst);
                continue;
            }
            // A mask costs one instruction; any other clamp is one more branch for the verifier to
            // follow.
            if let Some(bound) = bound(inst).filter(|bound| *bound <= MAX_BOUND)
                && (becomes_address(inst.0, is_mask(bound), &mut BTreeSet::new())
                    || ends_loop(inst))
            {
                clamp(module, function, inst, bound);
            }
        }
    }
}

/// The greatest value of an instruction's result, when the verifier would not see it.
fn bound(inst: Inst) -> Option<u64> {
    let operand = |index| inst.0.operand(index);
    let constant = |index| operand(index).as_u64();
    match inst.op() {
        Op::UREM => constant(1)?.checked_sub(1),
        Op::UDIV => greatest(bits(operand(0), 8)?).checked_div(constant(1)?),
        // With one side constant the verifier does as well by itself.
        Op::SUB
            if inst.never_wraps_unsigned() && constant(0).is_none() && constant(1).is_none() =>
        {
            Some(greatest(bits(operand(0), 8)?))
        }
        Op::CALL => {
            let callee = inst.called_function()?.name();
            let bits = u64::from(inst.0.ty().int_bits());
            if callee.starts_with("llvm.ctpop.") {
                // Not more than there can be.
                return Some(self::bits(operand(0), 8).map_or(bits, u64::from));
            }
            if callee.starts_with("llvm.ctlz.") || callee.starts_with("llvm.cttz.") {
                // The second argument says that the first is known not to be zero.
                return Some(bits - constant(1)?);
            }
            (callee.starts_with("llvm.bswap.i16") && !is_compared(inst.0))
                .then_some(u16::MAX.into())
        }
        _ => None,
    }
}

/// Does the program compare a number with a constant? That bounds it for the verifier by itself,
/// provided that what is compared is the very register that is used afterwards; a clamp would make
/// two of it.
fn is_compared(value: Value) -> bool {
    let is_constant = |user: Inst| user.0.operands().iter().any(|it| it.as_u64().is_some());
    value
        .users()
        .into_iter()
        .filter_map(Value::as_inst)
        .any(|user| match user.op() {
            Op::ICMP => is_constant(user),
            Op::ZEXT => is_compared(user.0),
            _ => false,
        })
}

/// Does a number become part of an address, or of a helper's arguments?
pub(super) fn reaches_address(value: Value) -> bool {
    becomes_address(value, false, &mut BTreeSet::new())
}

/// The same, or is it compared with something?
pub(super) fn reaches_address_or_limit(value: Value) -> bool {
    becomes_address(value, true, &mut BTreeSet::new())
}

/// The greatest that a number can be, by how it is made.
pub(super) fn greatest_of(value: Value) -> Option<u64> {
    bits(value, 8).map(greatest)
}

fn greatest(bits: u32) -> u64 {
    1u64.checked_shl(bits).map_or(u64::MAX, |n| n - 1)
}

fn is_mask(bound: u64) -> bool {
    bound.wrapping_add(1).is_power_of_two()
}

/// Does a number become part of an address, or of what a helper is told, or (with `or_limit`) does
/// it end a loop?
fn becomes_address(value: Value, or_limit: bool, seen: &mut BTreeSet<Value>) -> bool {
    if !seen.insert(value) || seen.len() > 64 {
        return false;
    }
    value
        .users()
        .into_iter()
        .filter_map(Value::as_inst)
        .any(|user| match user.op() {
            Op::GEP => user.0.operand(0) != value,
            Op::INT_TO_PTR => true,
            Op::CALL => match user.called_function() {
                Some(callee) if callee.is_intrinsic() => {
                    // A length, or a step on the way to one.
                    callee.name().starts_with("llvm.mem") || becomes_address(user.0, or_limit, seen)
                }
                _ => true,
            },
            // Perhaps the end of a loop, which bounds the addresses in it.
            Op::ICMP => or_limit,
            op => is_step(op) && becomes_address(user.0, or_limit, seen),
        })
}

/// Does an instruction make of a number another one that follows from it?
pub(super) fn is_step(op: Op) -> bool {
    matches!(
        op,
        Op::ADD
            | Op::SUB
            | Op::MUL
            | Op::SHL
            | Op::LSHR
            | Op::OR
            | Op::XOR
            | Op::AND
            | Op::ZEXT
            | Op::SEXT
            | Op::TRUNC
            | Op::PHI
            | Op::SELECT
    )
}

/// Does a loop that comes after the instruction end where the number says?
fn ends_loop(inst: Inst) -> bool {
    let mut seen = BTreeSet::from([inst.0]);
    let mut open = vec![inst.0];
    while let Some(value) = open.pop() {
        for user in value.users().into_iter().filter_map(Value::as_inst) {
            let is_limit = user.op() == Op::ICMP
                && flow::is_in_a_loop(user.block())
                && !flow::leads_to(user.block(), inst.block());
            if is_limit {
                return true;
            }
            let is_made_of_it = matches!(
                user.op(),
                Op::ADD | Op::SUB | Op::LSHR | Op::SHL | Op::ZEXT | Op::TRUNC | Op::PHI | Op::CALL
            );
            let is_pin = user.op() != Op::CALL || pins::is_pin(user);
            if is_made_of_it && is_pin && seen.len() < 64 && seen.insert(user.0) {
                open.push(user.0);
            }
        }
    }
    false
}

/// Where compilers that cannot be kept from it made a table of a `match`, the check before its use
/// was on a number from which the index was made, which is not enough for the verifier.
fn table_index(module: Module, access: Inst) {
    let operands = access.0.operands();
    let (Some(table), Some(index)) = (
        operands.first().and_then(|base| base.as_global()),
        operands.last(),
    ) else {
        return;
    };
    if !table.name().starts_with("switch.table") || index.as_inst().is_none() {
        return;
    }
    let Some(values) = table.initializer() else {
        return;
    };
    let element = match operands.len() {
        2 => access.0.gep_element(),
        // `[N x T], table, 0, i` counts in T.
        _ => match access.0.gep_element().array_element() {
            Some(element) => element,
            None => return,
        },
    };
    let count = module
        .size_of(values.ty())
        .checked_div(module.size_of(element));
    if let Some(bound) = count.and_then(|count| count.checked_sub(1)) {
        let bounded = bounded(module, access, *index, bound);
        access.0.set_operand(operands.len() as u32 - 1, bounded);
    }
}

/// Replaces a number by the lesser of it and its bound.
fn clamp(module: Module, function: Function, inst: Inst, bound: u64) {
    let Some(next) = inst.next() else { return };
    let users: Vec<Inst> = function
        .instructions()
        .into_iter()
        .filter(|user| user.0.operands().contains(&inst.0))
        .collect();
    let narrow = bounded(module, next, inst.0, bound);
    for user in users {
        for (index, _) in (0..)
            .zip(user.0.operands())
            .filter(|(_, operand)| *operand == inst.0)
        {
            user.0.set_operand(index, narrow);
        }
    }
}

/// Computes, before `at`, the lesser of a number and its bound, in a way that LLVM does not see
/// through.
pub(super) fn bounded(module: Module, at: Inst, number: Value, bound: u64) -> Value {
    let context = module.context;
    let i64_type = context.int_type(64);
    let ty = number.ty();
    let builder = context.builder().before(at);
    let wide = match ty.int_bits() {
        64 => number,
        _ => builder.int_cast(number, i64_type, false),
    };
    let bounded = if is_mask(bound) {
        // One instruction does it.
        let ty = i64_type.function(&[i64_type]);
        let asm = builder.pure_asm(ty, &format!("$0 &= {bound}"), pins::CONSTRAINTS);
        builder.call(ty, asm, &[wide]).0
    } else {
        let hidden = pins::hidden(builder, wide);
        let umin = i64_type.function(&[i64_type, i64_type]);
        let umin = module.declare("llvm.umin.i64", umin);
        builder
            .call(umin.ty(), umin.0, &[hidden, i64_type.number(bound)])
            .0
    };
    match ty.int_bits() {
        64 => bounded,
        _ => builder.int_cast(bounded, ty, false),
    }
}

/// How many low bits of a number can be set, by a look at how it is made; `depth` bounds the look.
fn bits(value: Value, depth: u32) -> Option<u32> {
    let width = value.ty().int_bits();
    let narrow = (1..64).contains(&width).then_some(width);
    match bits_by_origin(value, depth) {
        Some(bits) if width != 0 => Some(bits.min(width)),
        _ => narrow,
    }
}

fn bits_by_origin(value: Value, depth: u32) -> Option<u32> {
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

#[cfg(test)]
mod tests {
    use super::super::testing::{after, lines};
    use super::*;

    fn hinted(limit: &str) -> String {
        after(
            &format!(
                "define i64 @f(i64 %x) {{
                 start:
                   %n = {limit}
                   br label %loop
                 loop:
                   %i = phi i64 [ %n, %start ], [ %next, %loop ]
                   %a = phi i64 [ 1, %start ], [ %b, %loop ]
                   %b = mul i64 %a, %i
                   %next = add i64 %i, -1
                   %more = icmp ne i64 %next, 0
                   br i1 %more, label %loop, label %end
                 end:
                   ret i64 %b
                 }}"
            ),
            add,
        )
    }

    #[test]
    fn a_remainder_that_ends_a_loop_has_its_bound() {
        let text = hinted("urem i64 %x, 24");
        assert_eq!(lines(&text, "umin.i64(i64 %0, i64 23)"), 1, "{text}");
        let text = hinted("urem i64 %x, 32");
        assert_eq!(lines(&text, "$0 &= 31"), 1, "{text}");
    }

    #[test]
    fn a_remainder_that_is_only_computed_with_costs_nothing() {
        let text = after(
            "define i64 @f(i64 %x) {
               %n = urem i64 %x, 24
               %large = icmp ugt i64 %n, 12
               %r = zext i1 %large to i64
               ret i64 %r
             }",
            add,
        );
        assert_eq!(lines(&text, "asm"), 0, "{text}");
    }
}
