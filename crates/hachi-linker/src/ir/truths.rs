//! Comparisons that are added up, computed instead of branched on.
//!
//! eBPF has no instruction that turns a comparison into a number; LLVM makes a jump of each.
//! Sixty-four equal bytes counted that way are 2^64 ways through the program. The same number comes
//! out of a subtraction and a shift, which the verifier takes in its stride and knows to be 0 or 1.

use crate::llvm::{Inst, Module, Op, Predicate, Value};

/// Rewrites all functions.
pub(super) fn compute(module: Module) {
    for function in module.functions() {
        if function.is_declaration() {
            continue;
        }
        for inst in function.instructions() {
            if inst.op() == Op::ZEXT {
                number(module, inst);
            }
        }
    }
}

/// `zext (icmp …)`, when it is only computed with.
fn number(module: Module, cast: Inst) {
    let Some(comparison) = cast.0.operand(0).as_inst() else {
        return;
    };
    let Some(predicate) = comparison.predicate() else {
        return;
    };
    let (left, right) = (comparison.0.operand(0), comparison.0.operand(1));
    let bits = left.ty().int_bits();
    let possible = match predicate {
        Predicate::Eq | Predicate::Ne => (1..=64).contains(&bits),
        _ => (1..=32).contains(&bits),
    };
    if !possible || !is_computed_with(cast) || is_last_step(cast, [left, right]) {
        return;
    }
    let i64_type = module.context.int_type(64);
    let builder = module.context.builder().before(cast);
    let wide = |value: Value| {
        if bits == 64 {
            value
        } else {
            builder.int_cast(value, i64_type, false)
        }
    };
    let n = |n: u64| i64_type.number(n);
    let top_bit = |value: Value| builder.binary(Op::LSHR, value, n(63));
    let opposite = |value: Value| builder.binary(Op::XOR, value, n(1));
    let (left, right) = (wide(left), wide(right));
    // With at most 32 bits the difference of two numbers is negative exactly when the first is
    // less.
    let less = |a: Value, b: Value| top_bit(builder.binary(Op::SUB, a, b));
    let result = match predicate {
        Predicate::Eq | Predicate::Ne => {
            let difference = if right.as_u64() == Some(0) {
                left
            } else {
                builder.binary(Op::XOR, left, right)
            };
            let equal = if bits <= 32 {
                // Zero minus one is the only negative result.
                top_bit(builder.binary(Op::SUB, difference, n(1)))
            } else {
                let negated = builder.binary(Op::SUB, n(0), difference);
                opposite(top_bit(builder.binary(Op::OR, difference, negated)))
            };
            match predicate {
                Predicate::Eq => equal,
                _ => opposite(equal),
            }
        }
        Predicate::Ult => less(left, right),
        Predicate::Ugt => less(right, left),
        Predicate::Uge => opposite(less(left, right)),
        Predicate::Ule => opposite(less(right, left)),
    };
    let result = match cast.0.ty().int_bits() {
        64 => result,
        _ => builder.int_cast(result, cast.0.ty(), false),
    };
    cast.0.replace_with(result);
    cast.erase();
    if !comparison.0.is_used() {
        comparison.erase();
    }
}

/// Does a loop's index step on as long as it has not come to the end: `i + (i != end)`? The
/// verifier has to know where it is.
fn is_last_step(cast: Inst, compared: [Value; 2]) -> bool {
    let users = cast.0.users().into_iter().filter_map(Value::as_inst);
    users
        .filter(|user| user.op() == Op::ADD)
        .flat_map(|user| user.0.operands())
        .any(|operand| operand != cast.0 && compared.contains(&operand))
}

fn is_computed_with(cast: Inst) -> bool {
    let users = cast.0.users();
    !users.is_empty()
        && users
            .into_iter()
            .filter_map(Value::as_inst)
            .all(|user| match user.op() {
                Op::ADD | Op::SUB | Op::OR | Op::XOR | Op::AND | Op::SHL => true,
                // Additions that are checked.
                Op::CALL => user
                    .called_function()
                    .is_some_and(|callee| callee.name().contains(".with.overflow.")),
                _ => false,
            })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{after, lines};
    use super::*;

    fn computed(added_to: &str) -> String {
        after(
            &format!(
                "define i64 @f(i64 %i, i64 %end, i64 %count) {{
                   %more = icmp ne i64 %i, %end
                   %one = zext i1 %more to i64
                   %sum = add i64 {added_to}, %one
                   ret i64 %sum
                 }}"
            ),
            compute,
        )
    }

    #[test]
    fn a_count_is_computed() {
        let text = computed("%count");
        assert_eq!(lines(&text, "icmp"), 0, "{text}");
    }

    #[test]
    fn the_last_step_of_an_index_is_a_branch() {
        let text = computed("%i");
        assert_eq!(lines(&text, "icmp ne i64 %i, %end"), 1, "{text}");
    }
}
