//! Comparisons of the upper part of a number, made of the number itself.
//!
//! `sum >> 16 != 0` and `i & !63 == 0` ask whether a number is below a power of two. The verifier
//! learns about the register that is compared, which is the part, and nothing about the number
//! that is used afterwards: an index has no bound, a loop no end.

use crate::llvm::{Inst, Module, Op, Predicate, Value};

/// Rewrites all functions. To be done when nothing optimises any more.
pub(super) fn compare_whole(module: Module) {
    for function in module.functions() {
        for inst in function.instructions() {
            let outcome = match inst.predicate() {
                Some(Predicate::Eq) => Predicate::Ult,
                Some(Predicate::Ne) => Predicate::Uge,
                _ => continue,
            };
            if inst.0.operand(1).as_u64() != Some(0) {
                continue;
            }
            if let Some((number, limit)) = inst.0.operand(0).as_inst().and_then(upper_part) {
                let limit = number.ty().number(limit);
                let builder = module.context.builder().before(inst);
                inst.0.replace_with(builder.compare(outcome, number, limit));
                inst.erase();
            }
        }
    }
}

/// The number of which it is the upper part, and what is just too small to have one.
fn upper_part(part: Inst) -> Option<(Value, u64)> {
    let bits = part.0.ty().int_bits();
    // Other instructions may have no second operand.
    if !(1..=64).contains(&bits) || !matches!(part.op(), Op::LSHR | Op::AND) {
        return None;
    }
    let (number, constant) = (part.0.operand(0), part.0.operand(1).as_u64());
    match (part.op(), constant?) {
        (Op::LSHR, shift) if (1..u64::from(bits)).contains(&shift) => Some((number, 1 << shift)),
        (Op::AND, mask) => {
            let all = u64::MAX >> (64 - bits);
            let lower = !mask & all;
            let is_upper = lower != 0 && lower != all && (lower + 1).is_power_of_two();
            is_upper.then_some((number, lower + 1))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{after, lines};
    use super::*;

    fn compared(part: &str, predicate: &str) -> String {
        after(
            &format!(
                "define i1 @f(i32 %x) {{
                   %part = {part}
                   %r = icmp {predicate} i32 %part, 0
                   ret i1 %r
                 }}"
            ),
            compare_whole,
        )
    }

    #[test]
    fn an_upper_part_is_there_from_a_power_of_two_on() {
        for part in ["lshr i32 %x, 16", "and i32 %x, -65536"] {
            let text = compared(part, "ne");
            assert_eq!(lines(&text, "icmp uge i32 %x, 65536"), 1, "{text}");
            let text = compared(part, "eq");
            assert_eq!(lines(&text, "icmp ult i32 %x, 65536"), 1, "{text}");
        }
    }

    #[test]
    fn other_parts_are_compared_as_they_are() {
        for part in [
            "and i32 %x, 65535",
            "and i32 %x, 12",
            "shl i32 %x, 3",
            "and i32 %x, -1",
        ] {
            let text = compared(part, "eq");
            assert_eq!(lines(&text, "icmp eq i32 %part, 0"), 1, "{text}");
        }
    }
}
