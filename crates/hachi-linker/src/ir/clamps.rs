//! Offsets that are sums of several variables.
//!
//! A slice of a slice, or a loop over a part of a buffer, is at an offset that is a sum or a
//! difference of numbers. Rust has compared them with each other; the verifier knows bounds of
//! each, and none of the sum, since it does not relate two registers. But an access that Rust
//! checked is inside its object. So the offset of an access to the stack is clamped to what is
//! inside: that changes nothing, and the verifier sees it.
//!
//! Where the object's size is a power of two the clamp is one instruction, a mask. Offsets that the
//! verifier can bound (a number that was compared, masked, or counts a loop) are left alone.

use std::collections::{BTreeMap, BTreeSet};

use super::{hints, loops, pins};
use crate::llvm::{Block, Inst, Module, Op, Predicate, Value};

/// Clamps such offsets in all functions.
pub(super) fn add(module: Module) {
    for function in module.functions() {
        // Several accesses of a block may have the same address.
        let mut clamped: BTreeMap<(Block, Value, u64), Value> = BTreeMap::new();
        for inst in function.instructions() {
            for (index, width) in accesses(module, inst) {
                let address = inst.0.operand(index);
                let key = (inst.block(), address, width);
                let known = clamped.get(&key).copied();
                if let Some(inside) = known.or_else(|| clamp(module, inst, address, width)) {
                    inst.0.set_operand(index, inside);
                    clamped.insert(key, inside);
                }
            }
        }
    }
}

/// The operands of an instruction that are addresses which it looks at, and how many bytes of each.
fn accesses(module: Module, inst: Inst) -> Vec<(u32, u64)> {
    match inst.op() {
        Op::LOAD => vec![(0, module.size_of(inst.0.ty()))],
        Op::STORE => vec![(1, module.size_of(inst.0.operand(0).ty()))],
        Op::CALL => {
            let name = inst.called_function().map_or(String::new(), |it| it.name());
            let addresses = match name {
                name if name.starts_with("llvm.memset.") => 1,
                name if name.starts_with("llvm.memcpy.") || name.starts_with("llvm.memmove.") => 2,
                _ => 0,
            };
            // A call of anything else may have fewer operands.
            if addresses == 0 {
                return Vec::new();
            }
            let length = inst.0.operand(2).as_u64().filter(|length| *length > 0);
            (0..addresses)
                .filter_map(|address| Some((address, length?)))
                .collect()
        }
        _ => Vec::new(),
    }
}

/// The address of an access of `width` bytes, clamped, if that is of use.
fn clamp(module: Module, access: Inst, address: Value, width: u64) -> Option<Value> {
    let place = loops::place(module, address);
    let object = place.root.as_inst().filter(|it| it.op() == Op::ALLOCA)?;
    let size = module.size_of(object.allocated_type());
    let is_evident = match place.terms.as_slice() {
        [] => true,
        [(value, _)] => is_bounded(*value),
        _ => false,
    };
    let last = size.checked_sub(width)?;
    if is_evident {
        return None;
    }
    let context = module.context;
    let builder = context.builder().before(access);
    let offset = loops::sum(module, access, &place);
    let steps = |n: u64| n.is_multiple_of(width);
    let in_steps = steps(place.constant) && place.terms.iter().all(|(_, unit)| steps(*unit));
    let inside = if size.is_power_of_two() && width.is_power_of_two() && in_steps {
        let i64_type = context.int_type(64);
        let ty = i64_type.function(&[i64_type]);
        let asm = builder.pure_asm(ty, &format!("$0 &= {last}"), pins::CONSTRAINTS);
        builder.call(ty, asm, &[offset]).0
    } else {
        hints::bounded(module, access, offset, last)
    };
    Some(builder.byte_address(context.int_type(8), place.root, inside))
}

/// Can the verifier find a bound of a number by itself?
pub(super) fn is_bounded(value: Value) -> bool {
    is_evident(value, &mut BTreeSet::new())
}

fn is_evident(value: Value, seen: &mut BTreeSet<Value>) -> bool {
    let Some(inst) = value.as_inst().filter(|inst| seen.insert(inst.0)) else {
        return true;
    };
    let mut of = |index| is_evident(inst.0.operand(index), seen);
    let is_constant = |index| inst.0.operand(index).as_u64().is_some();
    match inst.op() {
        Op::ADD | Op::SUB | Op::MUL | Op::SHL | Op::OR | Op::XOR => {
            (is_constant(0) || is_constant(1)) && of(0) && of(1)
        }
        Op::ZEXT | Op::TRUNC | Op::FREEZE => of(0),
        Op::SELECT => of(1) && of(2),
        Op::PHI => {
            let incoming = inst.incoming();
            let next = incoming.iter().filter(|(it, _)| is_step(*it, value));
            let next: Vec<Value> = next.map(|(next, _)| *next).collect();
            let mut all = incoming.into_iter();
            // Where a loop counts from is not enough: it has to end at something.
            all.all(|(value, _)| is_evident(value, seen))
                && (next.is_empty()
                    || is_limited(value, seen)
                    || next.into_iter().any(|next| is_limited(next, seen)))
        }
        Op::CALL if pins::is_pin(inst) => of(0) || is_limited(value, seen),
        _ => true,
    }
}

/// Is nothing done with the outcome but to tell LLVM what it may rely on?
fn is_assumed(comparison: Inst) -> bool {
    let users = comparison.0.users().into_iter().filter_map(Value::as_inst);
    users.into_iter().all(|user| {
        user.op() == Op::CALL
            && user
                .called_function()
                .is_some_and(|callee| callee.name() == "llvm.assume")
    })
}

/// Has a number that another one is compared with a limit of its own? `depth` bounds the look.
fn is_limit(number: Value, depth: u32) -> bool {
    let is_small = || hints::greatest_of(number).is_some_and(|most| most <= u32::MAX.into());
    let is_compared = || {
        let users = number.users().into_iter().filter_map(Value::as_inst);
        users.into_iter().any(|user| {
            is_order(user) && user.0.operands().iter().any(|side| side.as_u64().is_some())
        })
    };
    let is_made_of_one = || {
        let Some(inst) = number.as_inst().filter(|_| depth > 0) else {
            return false;
        };
        let of = |index| is_limit(inst.0.operand(index), depth - 1);
        match inst.op() {
            Op::ADD | Op::SUB | Op::MUL | Op::SHL | Op::OR => of(0) && of(1),
            Op::ZEXT | Op::TRUNC | Op::FREEZE | Op::LSHR => of(0),
            Op::SELECT => of(1) && of(2),
            Op::PHI => inst
                .incoming()
                .into_iter()
                .all(|(value, _)| is_limit(value, depth / 2)),
            Op::CALL if pins::is_pin(inst) => of(0),
            _ => false,
        }
    };
    number.as_u64().is_some() || is_small() || is_compared() || is_made_of_one()
}

/// Does a comparison say which number is less, and is the answer used?
fn is_order(user: Inst) -> bool {
    !matches!(user.predicate(), None | Some(Predicate::Eq | Predicate::Ne)) && !is_assumed(user)
}

/// Is it the number, moved by a constant?
fn is_step(next: Value, number: Value) -> bool {
    next.as_inst().is_some_and(|inst| {
        inst.op() == Op::ADD && inst.0.operand(0) == number && inst.0.operand(1).as_u64().is_some()
    })
}

/// Is it compared, in order, with something that the verifier can bound?
fn is_limited(number: Value, seen: &mut BTreeSet<Value>) -> bool {
    let users = number.users().into_iter().filter_map(Value::as_inst);
    users.into_iter().any(|user| {
        is_order(user)
            && (0..2).any(|side| {
                let other = user.0.operand(side);
                other != number && is_limit(other, 8) && is_evident(other, seen)
            })
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{after, lines};
    use super::*;

    fn clamped(object: &str, body: &str) -> String {
        let text = format!(
            "define i64 @f(i64 %i, i64 %j, i1 %c) {{
             start:
               %o = alloca {object}
               {body}
             }}"
        );
        after(&text, add)
    }

    #[test]
    fn a_sum_is_masked_where_the_size_is_a_power_of_two() {
        let text = clamped(
            "[64 x i8]",
            "%p = getelementptr i8, ptr %o, i64 %i
             %q = getelementptr i8, ptr %p, i64 %j
             %v = load i8, ptr %q
             store i8 %v, ptr %q
             ret i64 0",
        );
        assert_eq!(lines(&text, "$0 &= 63"), 1, "{text}");
    }

    #[test]
    fn elements_are_masked_in_their_steps() {
        let text = clamped(
            "[8 x i64]",
            "%n = sub i64 %i, %j
             %p = getelementptr i64, ptr %o, i64 %n
             %v = load i64, ptr %p
             ret i64 %v",
        );
        assert_eq!(lines(&text, "$0 &= 56"), 1, "{text}");
    }

    #[test]
    fn a_size_that_is_not_a_power_of_two_takes_the_minimum() {
        let text = clamped(
            "[48 x i8]",
            "%n = add i64 %i, %j
             %p = getelementptr i8, ptr %o, i64 %n
             store i8 0, ptr %p
             ret i64 0",
        );
        assert_eq!(lines(&text, ", i64 47)"), 1, "{text}");
    }

    #[test]
    fn a_loop_from_a_sum_on_is_clamped() {
        let text = clamped(
            "[64 x i8]",
            "%from = add i64 %i, %j
               br label %loop
             loop:
               %n = phi i64 [ %from, %start ], [ %next, %loop ]
               %p = getelementptr i8, ptr %o, i64 %n
               store i8 0, ptr %p
               %next = add i64 %n, 1
               %more = icmp ult i64 %next, %i
               br i1 %more, label %loop, label %end
             end:
               ret i64 0",
        );
        assert_eq!(lines(&text, "$0 &= 63"), 1, "{text}");
    }

    #[test]
    fn bounds_that_the_verifier_sees_are_left_alone() {
        for offset in [
            "%n = and i64 %i, 63",
            "%n = add i64 %i, 3",
            "%n = lshr i64 %i, 1",
        ] {
            let body = format!(
                "{offset}
                 %p = getelementptr i8, ptr %o, i64 %n
                 store i8 0, ptr %p
                 ret i64 0"
            );
            let text = clamped("[64 x i8]", &body);
            assert_eq!(lines(&text, "asm"), 0, "{text}");
        }
    }

    #[test]
    fn a_loop_up_to_a_sum_is_clamped() {
        let to = |end: &str| {
            format!(
                "%limit = {end}
                   br label %loop
                 loop:
                   %n = phi i64 [ 0, %start ], [ %next, %loop ]
                   %p = getelementptr i8, ptr %o, i64 %n
                   store i8 0, ptr %p
                   %next = add i64 %n, 1
                   %more = icmp ult i64 %next, %limit
                   br i1 %more, label %loop, label %end
                 end:
                   ret i64 0"
            )
        };
        let sum = clamped("[64 x i8]", &to("add i64 %i, %j"));
        assert_eq!(lines(&sum, "$0 &= 63"), 1, "{sum}");
        let one = clamped("[64 x i8]", &to("and i64 %i, 63"));
        assert_eq!(lines(&one, "asm"), 0, "{one}");
    }
}
