//! Two bounds of one number, compared one after the other.
//!
//! LLVM makes `a <= x && x < b` into one comparison of `x - a`, of which kernels before 6.13 learn
//! nothing about `x`. For pinned numbers, whose comparisons are there for the verifier, the two
//! are restored. To be done last: LLVM would join them again.

use super::pins;
use crate::llvm::{Function, Inst, Module, Op, Predicate, Value};

/// Rewrites all functions.
pub(super) fn unfold(module: Module) {
    for function in module.functions() {
        if function.is_declaration() {
            continue;
        }
        for block in function.blocks() {
            if let Some(end) = block.terminator() {
                branch(module, function, end);
            }
        }
    }
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
    fn its_opposite_goes_the_other_way() {
        let text = unfolded("call i64 asm \"\", \"=r,0\"(i64 %x)", "ugt i64 %s, 63");
        assert_eq!(lines(&text, "icmp ult i64 %p, 65"), 1, "{text}");
        assert_eq!(lines(&text, "label %no, label %yes"), 1, "{text}");
    }

    #[test]
    fn other_numbers_stay() {
        let text = unfolded("add i64 %x, 5", "ult i64 %s, 64");
        assert_eq!(lines(&text, "br i1"), 1, "{text}");
    }
}
