//! Where a loop ended, unknown behind it.
//!
//! A loop over a text ends when its index is the text's length. The verifier knows the index
//! exactly, so behind the loop it knows the length exactly, too, and follows the rest of the
//! program once for each length that there may be: two loops over a text, one behind the other, are
//! as many rounds as there are pairs. So where the length is of use behind the loop, the loop
//! compares with a copy of it that the verifier does not take for the same number.

use std::collections::{BTreeMap, BTreeSet};

use super::flow::{self, Loop};
use super::{counters, hints, loops, pins};
use crate::llvm::{Block, Function, Inst, Module, Op, Value};

/// Rewrites all functions. To be done when nothing optimises any more.
pub(super) fn copy(module: Module) {
    for function in module.functions() {
        if function.is_declaration() {
            continue;
        }
        let loops = flow::loops(function);
        for it in &loops {
            let around = loops.iter().filter(|other| other.blocks.contains(&it.head));
            let around = around
                .map(|other| other.head)
                .filter(|head| *head != it.head);
            Ends {
                module,
                it,
                around: around.collect(),
            }
            .copy(function);
        }
    }
}

/// A loop that is looked at.
struct Ends<'l> {
    module: Module,
    it: &'l Loop,
    /// Where the loops begin that it is in.
    around: BTreeSet<Block>,
}

impl Ends<'_> {
    fn copy(&self, function: Function) {
        let [entry] = self.it.from[..] else { return };
        let Some(entry) = entry.terminator() else {
            return;
        };
        // In the order of the function: what is made must not depend on where LLVM puts its blocks.
        let blocks = function.blocks().into_iter();
        let blocks: Vec<Block> = blocks.filter(|it| self.it.blocks.contains(it)).collect();
        let mut limits = Vec::new();
        for (comparison, behind) in blocks.iter().filter_map(|it| way_out(self.it, *it)) {
            let mut all_behind = None;
            for limit in limits_of(self.it, comparison) {
                let all_behind = all_behind.get_or_insert_with(|| flow::reached_from(behind));
                if self.is_used_behind(limit, all_behind) {
                    limits.push(limit);
                }
            }
        }
        let comparisons = blocks.into_iter().flat_map(Block::instructions);
        let comparisons: Vec<Inst> = comparisons.filter(|inst| inst.op() == Op::ICMP).collect();
        let mut copies = BTreeMap::new();
        for limit in limits {
            // All of them: what the loop learns of the number on its ways it would learn of two.
            let copy = *copies
                .entry(limit)
                .or_insert_with(|| unrelated(self.module, entry, limit));
            for comparison in &comparisons {
                for side in (0..2).filter(|side| comparison.0.operand(*side) == limit) {
                    comparison.0.set_operand(side, copy);
                }
            }
        }
    }

    /// Does a number bound anything behind the loop, and nothing that has to be known exactly
    /// there?
    ///
    /// An offset into the stack that is not known is clamped; one into anything else is lost. And
    /// what moves the index of a loop around this one must be known for that loop to end, if
    /// nothing else counts its rounds.
    fn is_used_behind(&self, limit: Value, behind: &BTreeSet<Block>) -> bool {
        let mut seen = BTreeSet::from([pins::seen_through(limit), limit]);
        let mut open: Vec<Value> = seen.iter().copied().collect();
        let mut is_used = false;
        while let Some(value) = open.pop() {
            for user in value.users().into_iter().filter_map(Value::as_inst) {
                let block = user.block();
                let is_behind = behind.contains(&block) && !self.it.blocks.contains(&block);
                match user.op() {
                    Op::ICMP => is_used |= is_behind,
                    Op::GEP => {
                        let root = loops::place(self.module, user.0).root.as_inst();
                        if root.is_none_or(|root| root.op() != Op::ALLOCA) {
                            return false;
                        }
                        is_used |= is_behind;
                    }
                    Op::INT_TO_PTR => return false,
                    Op::PHI if self.around.contains(&block) && !is_counted(user) => return false,
                    Op::CALL if !is_computed(user) => is_used |= is_behind,
                    op if (op == Op::CALL || hints::is_step(op)) && seen.insert(user.0) => {
                        open.push(user.0);
                    }
                    _ => {}
                }
            }
        }
        is_used
    }
}

/// Does something besides a number of a loop count the loop's rounds?
fn is_counted(phi: Inst) -> bool {
    counters::beside(phi).any(|counter| counter.is_exact)
}

/// What a number of the loop is compared with that does not change in it.
fn limits_of(it: &Loop, comparison: Inst) -> impl Iterator<Item = Value> {
    let [left, right] = [0, 1].map(|side| comparison.0.operand(side));
    let pairs = [(left, right), (right, left)].into_iter();
    let is_limit = |limit, other| is_outside(it, limit) && !is_outside(it, other);
    let limits = pairs.filter(move |(limit, other)| is_limit(*limit, *other));
    let limits = limits.filter(|(limit, _)| limit.ty().int_bits() == 64);
    limits.map(|(limit, _)| limit)
}

/// A number that the verifier bounds as another, and does not relate to it.
fn unrelated(module: Module, at: Inst, number: Value) -> Value {
    let i64_type = module.context.int_type(64);
    let builder = module.context.builder().before(at);
    let ty = i64_type.function(&[i64_type]);
    // A moved register is the same number to it; one that was computed is another.
    let asm = builder.pure_asm(ty, "$0 <<= 0", pins::CONSTRAINTS);
    builder.call(ty, asm, &[number]).0
}

/// The comparison that decides whether a block of a loop leaves it, and for where.
fn way_out(it: &Loop, block: Block) -> Option<(Inst, Block)> {
    let end = block.terminator().filter(|_| it.blocks.contains(&block))?;
    let [yes, no] = end.successors()[..] else {
        return None;
    };
    let comparison = end.0.operand(0).as_inst()?;
    let behind = match (it.blocks.contains(&yes), it.blocks.contains(&no)) {
        (true, false) => no,
        (false, true) => yes,
        _ => return None,
    };
    (comparison.op() == Op::ICMP).then_some((comparison, behind))
}

fn is_outside(it: &Loop, value: Value) -> bool {
    let is_inside = |inst: Inst| it.blocks.contains(&inst.block());
    value.as_u64().is_none() && !value.as_inst().is_some_and(is_inside)
}

/// Is a call's result a number that the arguments become, such as the lesser of two?
fn is_computed(call: Inst) -> bool {
    pins::is_pin(call) || call.called_function().is_some_and(Function::is_intrinsic)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{after, lines};
    use super::*;

    /// A loop over `%n` bytes, with two ways out, and what is done behind it.
    fn looped(behind: &str) -> String {
        after(
            &format!(
                "define i64 @f(ptr %t, i64 %n, i64 %m) {{
                 start:
                   %o = alloca [64 x i8]
                   br label %loop
                 loop:
                   %i = phi i64 [ 0, %start ], [ %next, %more ]
                   %full = icmp ult i64 %i, %n
                   br i1 %full, label %more, label %end
                 more:
                   %p = getelementptr i8, ptr %t, i64 %i
                   %v = load i8, ptr %p
                   %next = add i64 %i, 1
                   %two = add i64 %i, 2
                   %short = icmp uge i64 %two, %n
                   br i1 %short, label %error, label %loop
                 error:
                   ret i64 0
                 end:
                   {behind}
                 }}"
            ),
            copy,
        )
    }

    #[test]
    fn a_loop_compares_with_a_copy_of_what_bounds_something_behind_it() {
        let text = looped(
            "%p2 = getelementptr i8, ptr %o, i64 %n
             store i8 0, ptr %p2
             ret i64 1",
        );
        assert_eq!(lines(&text, "asm \"$0 <<= 0\""), 1, "{text}");
        // Each of its comparisons, also that on the way to where the number is of no use.
        assert_eq!(lines(&text, "icmp ult i64 %i, %0"), 1, "{text}");
        assert_eq!(lines(&text, "icmp uge i64 %two, %0"), 1, "{text}");
        assert_eq!(lines(&text, "i8, ptr %o, i64 %n"), 1, "{text}");
    }

    #[test]
    fn a_second_loop_is_something_behind_it() {
        let text = looped(
            "br label %again
             again:
               %j = phi i64 [ 0, %end ], [ %after, %again ]
               %after = add i64 %j, 1
               %less = icmp ult i64 %after, %n
               br i1 %less, label %again, label %out
             out:
               ret i64 1",
        );
        assert_eq!(lines(&text, "asm"), 1, "{text}");
        assert_eq!(lines(&text, "icmp ult i64 %after, %n"), 1, "{text}");
    }

    #[test]
    fn a_number_that_bounds_nothing_behind_the_loop_stays() {
        let text = looped("%r = mul i64 %n, 3\nret i64 %r");
        assert_eq!(lines(&text, "asm"), 0, "{text}");
        // Nor is anything to be gained with a number that has nothing to do with the loop.
        let text = looped("%c = icmp ult i64 %m, 4\n%r = zext i1 %c to i64\nret i64 %r");
        assert_eq!(lines(&text, "asm"), 0, "{text}");
    }

    #[test]
    fn an_offset_into_anything_but_the_stack_is_known_exactly() {
        let text = looped(
            "%half = lshr i64 %n, 1
             %p2 = getelementptr i8, ptr %t, i64 %half
             store i8 0, ptr %p2
             ret i64 1",
        );
        assert_eq!(lines(&text, "asm"), 0, "{text}");
    }

    /// A loop in a loop, which its limit moves.
    fn nested(counter: &str) -> String {
        after(
            &format!(
                "define i64 @f(ptr %t, i64 %n, i64 %m) {{
                 start:
                   br label %outer
                 outer:
                   %at = phi i64 [ 0, %start ], [ %later, %after ]
                   %round = phi i64 [ {counter}, %start ], [ %rounds, %after ]
                   %left = sub i64 %n, %at
                   %length = call i64 @llvm.umin.i64(i64 %left, i64 4)
                   br label %inner
                 inner:
                   %i = phi i64 [ 0, %outer ], [ %next, %inner ]
                   %next = add i64 %i, 1
                   %more = icmp ult i64 %next, %length
                   br i1 %more, label %inner, label %after
                 after:
                   %later = add i64 %at, %length
                   %rounds = add i64 %round, 1
                   %again = icmp ult i64 %later, %n
                   %few = icmp ult i64 %rounds, 8
                   %both = and i1 %again, %few
                   br i1 %both, label %outer, label %out
                 out:
                   ret i64 1
                 }}
                 declare i64 @llvm.umin.i64(i64, i64)"
            ),
            copy,
        )
    }

    #[test]
    fn the_step_of_a_loop_around_it_is_known_exactly() {
        let text = nested("%m");
        assert_eq!(lines(&text, "asm"), 0, "{text}");
        // That loop has a counter of its own.
        let text = nested("0");
        assert_eq!(lines(&text, "asm"), 1, "{text}");
    }
}
