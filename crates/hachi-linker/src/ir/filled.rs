//! How much of a buffer is filled, forgotten by the verifier each time round.
//!
//! A loop that keeps some bytes of a text writes each to where the last one ended. The verifier
//! knows exactly where that is on each way through the loop, and there are as many ways as there
//! are choices: it hardly ever finds that it has been in the same place with the same numbers. It
//! need not know: an access to the stack that it cannot bound is clamped ([`super::clamps`]), and
//! something else counts the rounds. So such a number is combined with one that is zero, which the
//! verifier takes for any byte; all ways through a round become one.
//!
//! Kernels before 5.12 let nobody write to the stack at an offset that they do not know exactly.
//! Where a loop has so few rounds that they can follow all ways, it is left alone.

use std::collections::BTreeSet;

use super::{counters, flow, hints, loops, pins};
use crate::llvm::{Inst, Module, Op, TypeKind, Value};

/// All ways through as many rounds can be followed.
const FEW: u64 = 16;

/// Rewrites all functions. To be done before offsets are clamped, when nothing optimises any more.
pub(super) fn forget(module: Module) {
    for function in module.functions() {
        if function.is_declaration() {
            continue;
        }
        for phi in function.instructions() {
            if phi.op() == Op::PHI && phi.0.ty().int_bits() == 64 {
                forget_one(module, phi);
            }
        }
    }
}

fn forget_one(module: Module, phi: Inst) {
    let Some(next) = counters::next_of(phi).filter(|next| grows_differently(phi, *next)) else {
        return;
    };
    if !has_many_rounds(phi) || !is_on_stack_only(module, phi.0) {
        return;
    }
    let Some(unknown) = unknown_byte(phi, next) else {
        return;
    };
    let i64_type = module.context.int_type(64);
    let behind = match next.op() {
        Op::PHI => {
            let mut instructions = next.block().instructions().into_iter();
            instructions.find(|inst| inst.op() != Op::PHI)
        }
        _ => next.next(),
    };
    let Some(behind) = behind else { return };
    let builder = module.context.builder().before(behind);
    let wide = builder.int_cast(unknown.0, i64_type, false);
    let opposite = builder.binary(Op::XOR, wide, i64_type.number(u64::MAX));
    let zero = builder.binary(Op::AND, wide, pins::hidden(builder, opposite));
    let forgotten = builder.binary(Op::XOR, next.0, zero);
    next.0.replace_with(forgotten);
    if let Some(inst) = forgotten.as_inst() {
        inst.0.set_operand(0, next.0);
    }
}

/// Is the next number one of several that are a little more than this one?
fn grows_differently(phi: Inst, next: Inst) -> bool {
    let is_little = |value: Value| value.as_u64().is_some_and(|n| n < 256);
    let is_choice = |value: Value| {
        value.as_inst().is_some_and(|inst| match inst.op() {
            Op::PHI => inst.incoming().iter().all(|(it, _)| is_little(*it)),
            Op::SELECT => is_little(inst.0.operand(1)) && is_little(inst.0.operand(2)),
            _ => false,
        })
    };
    let sum_with = |value: Value, is_right: &dyn Fn(Value) -> bool| {
        value.as_inst().is_some_and(|inst| {
            inst.op() == Op::ADD && inst.0.operand(0) == phi.0 && is_right(inst.0.operand(1))
                || inst.op() == Op::ADD && inst.0.operand(1) == phi.0 && is_right(inst.0.operand(0))
        })
    };
    let is_near = |value: Value| value == phi.0 || sum_with(value, &is_little);
    match next.op() {
        Op::PHI => next.incoming().iter().all(|(value, _)| is_near(*value)),
        Op::SELECT => is_near(next.0.operand(1)) && is_near(next.0.operand(2)),
        _ => sum_with(next.0, &is_choice),
    }
}

/// Does something else count the loop's rounds, to more than a few?
fn has_many_rounds(phi: Inst) -> bool {
    let is_few = |n: &u64| (1..=FEW).contains(n);
    let mut counters = counters::beside(phi);
    counters.any(|counter| !counter.numbers.iter().any(is_few))
}

/// Does a number become part of an address of the stack, and of no other?
fn is_on_stack_only(module: Module, number: Value) -> bool {
    let mut seen = BTreeSet::from([number]);
    let mut open = vec![number];
    let mut is_on_stack = false;
    while let Some(value) = open.pop() {
        for user in value.users().into_iter().filter_map(Value::as_inst) {
            match user.op() {
                Op::GEP => {
                    let root = loops::place(module, user.0).root.as_inst();
                    if root.is_none_or(|root| root.op() != Op::ALLOCA) {
                        return false;
                    }
                    is_on_stack = true;
                }
                Op::CALL | Op::INT_TO_PTR => return false,
                op if hints::is_step(op) && seen.insert(user.0) => open.push(user.0),
                _ => {}
            }
        }
    }
    is_on_stack
}

/// A byte that the loop reads each time before the next number is there.
fn unknown_byte(phi: Inst, next: Inst) -> Option<Inst> {
    let all = phi.block().function().instructions().into_iter();
    all.filter(|inst| inst.op() == Op::LOAD && inst.0.ty().kind() == TypeKind::Int(8))
        .find(|load| {
            let (from, to) = (load.block(), next.block());
            let in_loop = from == phi.block() || flow::dominates(phi.block(), from);
            let is_before = from != to && flow::dominates(from, to)
                || from == to && next.op() != Op::PHI && comes_before(*load, next);
            in_loop && is_before
        })
}

fn comes_before(first: Inst, second: Inst) -> bool {
    let instructions = first.block().instructions().into_iter();
    instructions
        .take_while(|inst| *inst != second)
        .any(|inst| inst == first)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{after, lines};
    use super::*;

    /// A loop that writes the bytes of a text that are not blanks.
    fn kept(rounds: &str, step: &str) -> String {
        kept_and(rounds, step, "")
    }

    /// The same, where `more` is done with each.
    fn kept_and(rounds: &str, step: &str, more: &str) -> String {
        after(
            &format!(
                "define i64 @f(ptr %t, i64 %n) {{
                 start:
                   %o = alloca [64 x i8]
                   br label %loop
                 loop:
                   %i = phi i64 [ 0, %start ], [ %j, %on ]
                   %used = phi i64 [ 0, %start ], [ %next, %on ]
                   %from = getelementptr i8, ptr %t, i64 %i
                   %v = load i8, ptr %from
                   %blank = icmp eq i8 %v, 32
                   br i1 %blank, label %on, label %keep
                 keep:
                   %to = getelementptr i8, ptr %o, i64 %used
                   store i8 %v, ptr %to
                   {more}
                   %more = {step}
                   br label %on
                 on:
                   %next = phi i64 [ %used, %loop ], [ %more, %keep ]
                   %j = add i64 %i, 1
                   %again = icmp ult i64 %j, {rounds}
                   br i1 %again, label %loop, label %end
                 end:
                   ret i64 %next
                 }}"
            ),
            forget,
        )
    }

    #[test]
    fn where_the_next_byte_goes_is_forgotten() {
        let text = kept("%n", "add i64 %used, 1");
        assert_eq!(lines(&text, "xor i64 %next,"), 1, "{text}");
        assert_eq!(lines(&text, "asm \"\", \"=r,0\""), 1, "{text}");
        assert_eq!(lines(&text, "ret i64 %next"), 0, "{text}");
    }

    #[test]
    fn a_few_rounds_are_followed() {
        let text = kept("12", "add i64 %used, 1");
        assert_eq!(lines(&text, "asm"), 0, "{text}");
        assert_eq!(lines(&kept("20", "add i64 %used, 1"), "asm"), 1);
    }

    #[test]
    fn a_number_that_grows_by_anything_is_unknown() {
        let text = kept("%n", "add i64 %used, %n");
        assert_eq!(lines(&text, "asm"), 0, "{text}");
    }

    #[test]
    fn an_offset_into_anything_else_is_known() {
        let text = kept_and(
            "%n",
            "add i64 %used, 1",
            "%double = shl i64 %used, 1
             %other = getelementptr i8, ptr %t, i64 %double
             store i8 0, ptr %other",
        );
        assert_eq!(lines(&text, "asm"), 0, "{text}");
        let text = kept_and(
            "%n",
            "add i64 %used, 1",
            "%half = lshr i64 %used, 1
             %other = getelementptr i8, ptr %o, i64 %half
             store i8 0, ptr %other",
        );
        assert_eq!(lines(&text, "asm"), 1, "{text}");
    }
}
