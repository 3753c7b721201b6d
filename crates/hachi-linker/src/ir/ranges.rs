//! Bounds of pinned numbers, in the form that the verifier of every kernel learns from.
//!
//! LLVM makes `a <= x && x < b` into one comparison of `x - a`, of which kernels before 6.13 learn
//! nothing about `x`; the two are restored. It makes `x > 0` into `x != 0`, from which kernels
//! before 6.8 do not learn that `x` is at least 1; as a signed comparison they do. Both are done
//! last: LLVM would take them back.

use super::hints;
use super::pins;
use crate::llvm::{Function, Inst, Module, Op, Predicate, Value};

/// Rewrites all functions.
pub(super) fn unfold(module: Module) {
    for function in module.functions() {
        if function.is_declaration() {
            continue;
        }
        for block in function.blocks() {
            if let Some(end) = block.terminator()
                && !above_zero(module, end)
            {
                branch(module, function, end);
            }
        }
    }
}

/// A branch on `number == 0` or `number != 0` becomes one on `number > 0`, both sides signed, where
/// the number is known not to be negative as such. Was it such a branch? Was it one?
fn above_zero(module: Module, end: Inst) -> bool {
    let [yes, no] = end.successors()[..] else {
        return false;
    };
    let Some(comparison) = end.0.operand(0).as_inst() else {
        return false;
    };
    let flipped = match comparison.predicate() {
        Some(Predicate::Eq) => true,
        Some(Predicate::Ne) => false,
        _ => return false,
    };
    let number = comparison.0.operand(0);
    let is_small = number
        .as_inst()
        .filter(|inst| pins::is_pin(*inst))
        .and_then(|pin| hints::greatest_of(pin.0.operand(0)))
        .is_some_and(|greatest| greatest <= i64::MAX as u64);
    if comparison.0.operand(1).as_u64() != Some(0) || !is_small {
        return false;
    }
    let builder = module.context.builder().before(end);
    let above = builder.is_above_zero(number, true);
    let (yes, no) = if flipped { (no, yes) } else { (yes, no) };
    builder.branch(above, yes, no);
    end.erase();
    true
}

/// A branch on `number - from < count` becomes a branch on `number < from` and one on
/// `number < to`.
fn branch(module: Module, function: Function, end: Inst) {
    let [yes, no] = end.successors()[..] else {
        return;
    };
    // Not a `switch` of two.
    let is_branch = end.0.operand(0).ty().int_bits() == 1;
    if yes == no || !is_branch {
        return;
    }
    let Some(range) = end.0.operand(0).as_inst().and_then(Range::of) else {
        return;
    };
    let (inner, outer) = match range.holds_inside {
        true => (yes, no),
        false => (no, yes),
    };
    let block = end.block();
    let next = function.append_block(module);
    next.move_after(block);
    let builder = module.context.builder();
    for phi in inner.phis() {
        phi.replace_incoming_block(builder, block, next);
    }
    for phi in outer.phis() {
        let same = phi.incoming().into_iter().find(|(_, from)| *from == block);
        if let Some((value, _)) = same {
            phi.add_incoming(value, next);
        }
    }
    let limit = |n: u64| range.number.ty().number(n);
    let below = builder
        .before(end)
        .compare(Predicate::Ult, range.number, limit(range.from));
    builder
        .at_end(block)
        .located_like(end)
        .branch(below, outer, next);
    let builder = builder.at_end(next).located_like(end);
    let within = builder.compare(Predicate::Ult, range.number, limit(range.to));
    builder.branch(within, inner, outer);
    end.erase();
}

/// What `number + constant < constant` says.
struct Range {
    number: Value,
    /// Not 0.
    from: u64,
    /// One more than the last.
    to: u64,
    /// Is the comparison true of what is in the range, or of what is not?
    holds_inside: bool,
}

impl Range {
    fn of(comparison: Inst) -> Option<Self> {
        let count = |more| comparison.0.operand(1).as_u64()?.checked_add(more);
        let (count, holds_inside) = match comparison.predicate()? {
            Predicate::Ult => (count(0)?, true),
            Predicate::Uge => (count(0)?, false),
            Predicate::Ugt => (count(1)?, false),
            Predicate::Ule => (count(1)?, true),
            Predicate::Eq | Predicate::Ne => return None,
        };
        let sum = comparison.0.operand(0).as_inst();
        let sum = sum.filter(|inst| inst.op() == Op::ADD && inst.0.ty().int_bits() == 64)?;
        let number = sum.0.operand(0);
        number.as_inst().filter(|inst| pins::is_pin(*inst))?;
        let from = sum.0.operand(1).as_u64()?.wrapping_neg();
        match from.checked_add(count) {
            Some(to) if from > 0 => Some(Range {
                number,
                from,
                to,
                holds_inside,
            }),
            // It goes round: what is outside is a range.
            None if from.wrapping_add(count) > 0 => Some(Range {
                number,
                from: from.wrapping_add(count),
                to: from,
                holds_inside: !holds_inside,
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{after, lines};
    use super::*;

    fn unfolded(number: &str, comparison: &str) -> String {
        after(
            &format!(
                "define i64 @f(i64 %x) {{
                 start:
                   %p = {number}
                   %s = add i64 %p, -1
                   %in = icmp {comparison}
                   br i1 %in, label %yes, label %no
                 yes:
                   ret i64 1
                 no:
                   %r = phi i64 [ 2, %start ]
                   ret i64 %r
                 }}"
            ),
            unfold,
        )
    }

    #[test]
    fn a_range_of_a_pinned_number_is_two_comparisons_of_it() {
        let text = unfolded("call i64 asm \"\", \"=r,0\"(i64 %x)", "ult i64 %s, 64");
        assert_eq!(lines(&text, "icmp ult i64 %p, 1"), 1, "{text}");
        assert_eq!(lines(&text, "icmp ult i64 %p, 65"), 1, "{text}");
        assert_eq!(lines(&text, "br i1"), 2, "{text}");
        assert_eq!(lines(&text, "phi i64 [ 2, %start ], [ 2, %"), 1, "{text}");
    }

    #[test]
    fn a_negated_range_is_two_comparisons_as_well() {
        let text = unfolded("call i64 asm \"\", \"=r,0\"(i64 %x)", "ugt i64 %s, 63");
        assert_eq!(lines(&text, "icmp ult i64 %p, 65"), 1, "{text}");
        assert_eq!(lines(&text, "label %no, label %yes"), 1, "{text}");
    }

    fn of_argument(ty: &str, comparison: &str) -> String {
        after(
            &format!(
                "define i64 @f({ty} %x) {{
                   %wide = zext {ty} %x to i64
                   %p = call i64 asm \"\", \"=r,0\"(i64 %wide)
                   %in = icmp {comparison} i64 %p, 0
                   br i1 %in, label %yes, label %no
                 yes:
                   ret i64 1
                 no:
                   ret i64 2
                 }}"
            ),
            unfold,
        )
    }

    #[test]
    fn a_small_number_that_is_not_zero_is_above_zero() {
        let text = of_argument("i16", "ne");
        assert_eq!(lines(&text, "icmp sgt i64 %p, 0"), 1, "{text}");
        assert_eq!(lines(&text, "label %yes, label %no"), 1, "{text}");
        let text = of_argument("i32", "eq");
        assert_eq!(lines(&text, "icmp sgt i64 %p, 0"), 1, "{text}");
        assert_eq!(lines(&text, "label %no, label %yes"), 1, "{text}");
    }

    #[test]
    fn a_number_that_may_be_negative_keeps_its_comparison() {
        let text = unfolded("call i64 asm \"\", \"=r,0\"(i64 %x)", "ne i64 %p, 0");
        assert_eq!(lines(&text, "icmp sgt"), 0, "{text}");
    }

    #[test]
    fn other_numbers_stay() {
        let text = unfolded("add i64 %x, 5", "ult i64 %s, 64");
        assert_eq!(lines(&text, "br i1"), 1, "{text}");
    }
}
