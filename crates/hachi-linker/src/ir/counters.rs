//! What counts the rounds of a loop.

use super::flow;
use crate::llvm::{Inst, Op};

/// A number that moves by the same step each round, and is compared.
pub(super) struct Counter {
    /// The constants that it starts at or is compared with.
    pub(super) numbers: Vec<u64>,
    /// Is it a constant wherever the loop is entered, so that the verifier always knows it?
    pub(super) is_exact: bool,
}

/// The counters of the loop that begins with a phi's block, except that phi.
pub(super) fn beside(phi: Inst) -> impl Iterator<Item = Counter> {
    let others = phi.block().phis().into_iter();
    others.filter(move |it| *it != phi).filter_map(counter)
}

fn counter(phi: Inst) -> Option<Counter> {
    let next = next_of(phi)?;
    let is_step = next.op() == Op::ADD
        && next.0.operand(0) == phi.0
        && next.0.operand(1).as_u64().is_some_and(|step| step != 0);
    let users = [phi, next].into_iter().flat_map(|it| it.0.users());
    let comparisons = users.filter_map(|user| user.as_inst().filter(|it| it.op() == Op::ICMP));
    let sides = comparisons.flat_map(|comparison| comparison.0.operands());
    let mut limits = sides
        .filter(|side| *side != phi.0 && *side != next.0)
        .peekable();
    if !is_step || limits.peek().is_none() {
        return None;
    }
    // One that counts down does so from the number of rounds.
    let incoming = phi.incoming().into_iter().map(|(value, _)| value);
    let starts: Vec<_> = incoming.filter(|value| *value != next.0).collect();
    let is_exact = starts.iter().all(|start| start.as_u64().is_some());
    let numbers = limits.chain(starts).filter_map(|it| it.as_u64()).collect();
    Some(Counter { numbers, is_exact })
}

/// What a loop's number is the next time round.
pub(super) fn next_of(phi: Inst) -> Option<Inst> {
    let mut back = phi
        .incoming()
        .into_iter()
        .filter(|(_, from)| *from == phi.block() || flow::dominates(phi.block(), *from));
    let (next, _) = back.next()?;
    back.next().is_none().then_some(next.as_inst()?)
}

#[cfg(test)]
mod tests {
    use super::super::testing::after;
    use super::*;

    /// What counts beside the first phi of a loop.
    fn found(start: &str, limit: &str) -> Vec<(Vec<u64>, bool)> {
        let mut found = Vec::new();
        let text = format!(
            "define void @f(i64 %n) {{
             start:
               br label %loop
             loop:
               %used = phi i64 [ 0, %start ], [ %more, %loop ]
               %i = phi i64 [ {start}, %start ], [ %next, %loop ]
               %more = mul i64 %used, 3
               %next = add i64 %i, -1
               %again = icmp ne i64 %next, {limit}
               br i1 %again, label %loop, label %end
             end:
               ret void
             }}"
        );
        after(&text, |module| {
            let function = module.function("f").expect("is defined");
            let [used, ..] = function.blocks()[1].phis()[..] else {
                panic!("two phis");
            };
            found.extend(beside(used).map(|it| (it.numbers, it.is_exact)));
        });
        found
    }

    #[test]
    fn a_counter_has_the_numbers_that_it_counts_from_and_to() {
        assert_eq!(found("12", "0"), [(vec![0, 12], true)]);
        assert_eq!(found("12", "%n"), [(vec![12], true)]);
        assert_eq!(found("%n", "0"), [(vec![0], false)]);
    }
}
