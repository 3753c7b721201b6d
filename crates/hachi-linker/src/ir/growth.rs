//! Sums that cannot overflow.
//!
//! A debug build checks every addition, and so do `checked_add` and friends. Where the sum grows in
//! a loop, each check makes the verifier take its exact value seriously: it no longer merges the
//! ways through the loop, and their number doubles with each round.
//!
//! A number of 64 bits that starts small and grows by less than 2^32 at a time does not come to its
//! end: a program's longest loop, over an iterator of numbers, has 2^31 rounds, and any other one
//! has a million at most. The same holds for 32 bits and steps of one. Such an addition needs no
//! check.

use std::collections::BTreeSet;

use super::{hints, pins};
use crate::llvm::{Const, Inst, Module, Op, Predicate, Value};

/// Drops the checks of all functions. To be done when everything is inlined and nothing optimised.
pub(super) fn drop_checks(module: Module) {
    for function in module.functions() {
        for inst in function.instructions() {
            match inst.op() {
                Op::ICMP => drop_comparison(inst),
                Op::EXTRACT_VALUE => drop_overflow_bit(module, inst),
                _ => {}
            }
        }
    }
}

/// `sum < part`: how rustc asks whether an unsigned sum overflowed.
fn drop_comparison(inst: Inst) {
    let (left, right) = (inst.0.operand(0), inst.0.operand(1));
    let (sum, part, fails) = match inst.predicate() {
        Some(Predicate::Ult) => (left, right, true),
        Some(Predicate::Uge) => (left, right, false),
        Some(Predicate::Ugt) => (right, left, true),
        Some(Predicate::Ule) => (right, left, false),
        _ => return,
    };
    let Some(sum) = sum.as_inst().filter(|sum| sum.op() == Op::ADD) else {
        return;
    };
    let check = Check {
        sum: [sum.0.operand(0), sum.0.operand(1)],
        signed: false,
    };
    if check.sum.contains(&part) && check.never_fails() {
        inst.0.replace_with(inst.0.ty().number(u64::from(!fails)));
        inst.erase();
    }
}

/// What the intrinsic says, with which rustc adds signed numbers.
fn drop_overflow_bit(module: Module, inst: Inst) {
    let Some(check) = Check::of(inst.0.operand(0)).filter(Check::never_fails) else {
        return;
    };
    let answer = match inst.field() {
        0 => {
            let builder = module.context.builder().before(inst);
            builder.binary(Op::ADD, check.sum[0], check.sum[1])
        }
        _ => inst.0.ty().zero(),
    };
    inst.0.replace_with(answer);
    inst.erase();
}

/// An addition that tells whether it overflowed.
struct Check {
    sum: [Value; 2],
    signed: bool,
}

impl Check {
    fn of(value: Value) -> Option<Self> {
        let call = value.as_inst().filter(|inst| inst.op() == Op::CALL)?;
        let name = call.called_function()?.name();
        let signed = name.starts_with("llvm.sadd.with.overflow.");
        (signed || name.starts_with("llvm.uadd.with.overflow.")).then(|| Check {
            sum: [call.0.operand(0), call.0.operand(1)],
            signed,
        })
    }

    fn never_fails(&self) -> bool {
        let growth = match (self.sum[0].ty().int_bits(), self.signed) {
            (64, false) => Growth {
                start: 1 << 62,
                step: u32::MAX.into(),
            },
            (64, true) => Growth {
                start: 1 << 61,
                step: u32::MAX.into(),
            },
            (32, false) => COUNTER,
            _ => return false,
        };
        growth.is_sum(self.sum, &mut BTreeSet::new())
    }
}

/// How a number may grow.
struct Growth {
    /// The most that it may start from.
    start: u64,
    /// The most that may be added at a time.
    step: u64,
}

/// A number that counts from a small one, and stays below 2^32.
const COUNTER: Growth = Growth {
    start: 1 << 30,
    step: 1,
};

impl Growth {
    /// Is one of the two a step, and the other a number that grows so?
    fn is_sum(&self, [a, b]: [Value; 2], seen: &mut BTreeSet<Value>) -> bool {
        let is_step = |value| {
            hints::greatest_of(value).is_some_and(|most| most <= self.step)
                // What counts by one comes no farther than there are rounds.
                || self.step > COUNTER.step && COUNTER.holds(value, &mut BTreeSet::new())
        };
        // Both may be small, and only one of them be made of the sum.
        match (is_step(a), is_step(b)) {
            (_, true) => self.holds(a, seen),
            (true, _) => self.holds(b, seen),
            _ => false,
        }
    }

    /// Does a number only grow so?
    fn holds(&self, value: Value, seen: &mut BTreeSet<Value>) -> bool {
        let value = pins::seen_through(value);
        if !seen.insert(value) || hints::greatest_of(value).is_some_and(|most| most <= self.start) {
            return seen.len() < 256;
        }
        let Some(inst) = value.as_inst() else {
            // What an `Option` without a number holds in its place.
            return value.constant_kind() == Const::Undef;
        };
        let operand = |index| inst.0.operand(index);
        match inst.op() {
            Op::PHI => inst
                .incoming()
                .into_iter()
                .all(|(value, _)| self.holds(value, seen)),
            Op::SELECT => self.holds(operand(1), seen) && self.holds(operand(2), seen),
            Op::FREEZE => self.holds(operand(0), seen),
            Op::ADD => self.is_sum([operand(0), operand(1)], seen),
            Op::EXTRACT_VALUE if inst.field() == 0 => {
                Check::of(operand(0)).is_some_and(|check| self.is_sum(check.sum, seen))
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{after, lines};
    use super::*;

    /// A loop that adds `step` to a sum which starts from `start`.
    fn checked(operation: &str, bits: u32, start: &str, step: &str) -> bool {
        let text = after(
            &format!(
                "declare {{ i{bits}, i1 }} @llvm.{operation}.with.overflow.i{bits}(i{bits}, i{bits})
                 define i{bits} @f(ptr %p, i{bits} %x) {{
                 start:
                   br label %loop
                 loop:
                   %sum = phi i{bits} [ {start}, %start ], [ %new, %more ]
                   %byte = load i8, ptr %p
                   %small = zext i8 %byte to i{bits}
                   %large = load i{bits}, ptr %p
                   %both = call {{ i{bits}, i1 }} @llvm.{operation}.with.overflow.i{bits}(
                     i{bits} %sum, i{bits} {step})
                   %new = extractvalue {{ i{bits}, i1 }} %both, 0
                   %over = extractvalue {{ i{bits}, i1 }} %both, 1
                   br i1 %over, label %end, label %more
                 more:
                   %again = icmp ult i{bits} %new, 1000
                   br i1 %again, label %loop, label %end
                 end:
                   ret i{bits} %sum
                 }}"
            ),
            drop_checks,
        );
        lines(&text, "br i1 false") == 0
    }

    #[test]
    fn a_sum_of_small_steps_is_not_checked() {
        assert!(!checked("uadd", 64, "0", "%small"));
        assert!(!checked("uadd", 64, "7", "1"));
        assert!(!checked("sadd", 64, "0", "%small"));
        assert!(!checked("uadd", 32, "0", "1"));
    }

    #[test]
    fn a_sum_of_a_counters_numbers_is_not_checked() {
        let text = after(
            "define i64 @f() {
             start:
               br label %loop
             loop:
               %i = phi i64 [ 0, %start ], [ %next, %loop ]
               %sum = phi i64 [ 0, %start ], [ %new, %loop ]
               %new = add i64 %sum, %i
               %over = icmp ult i64 %new, %sum
               %next = add i64 %i, 1
               br i1 %over, label %end, label %loop
             end:
               ret i64 %sum
             }",
            drop_checks,
        );
        assert_eq!(lines(&text, "br i1 false"), 1, "{text}");
    }

    #[test]
    fn an_undefined_number_is_not_an_obstacle() {
        let text = after(
            "define i64 @f(i1 %some) {
             start:
               br i1 %some, label %yes, label %join
             yes:
               br label %join
             join:
               %n = phi i64 [ 7, %yes ], [ undef, %start ]
               %sum = add i64 %n, 1
               %over = icmp ult i64 %sum, %n
               br i1 %over, label %yes, label %end
             end:
               ret i64 %sum
             }",
            drop_checks,
        );
        assert_eq!(lines(&text, "br i1 false"), 1, "{text}");
    }

    #[test]
    fn a_sum_compared_with_its_part_is_not_checked() {
        for (comparison, answer) in [
            ("ult i64 %new, %sum", "false"),
            ("ule i64 %sum, %new", "true"),
        ] {
            let text = after(
                &format!(
                    "define i64 @f(ptr %p) {{
                     start:
                       br label %loop
                     loop:
                       %sum = phi i64 [ 0, %start ], [ %new, %loop ]
                       %byte = load i8, ptr %p
                       %small = zext i8 %byte to i64
                       %new = add i64 %small, %sum
                       %known = icmp {comparison}
                       br i1 %known, label %loop, label %end
                     end:
                       ret i64 %sum
                     }}"
                ),
                drop_checks,
            );
            assert_eq!(lines(&text, &format!("br i1 {answer}")), 1, "{text}");
        }
    }

    #[test]
    fn a_sum_that_may_overflow_is_checked() {
        assert!(checked("uadd", 64, "0", "%large"));
        assert!(checked("uadd", 64, "%x", "1"));
        assert!(checked("uadd", 64, "-5", "1"));
        assert!(checked("uadd", 32, "0", "%small"));
        assert!(checked("sadd", 64, "-5", "1"));
        assert!(checked("sadd", 32, "0", "1"));
        assert!(checked("uadd", 64, "0", "%sum"));
    }
}
