//! Differences of addresses, made differences of offsets.
//!
//! The verifier lets nobody subtract one pointer from another, though both point into one object.
//! Rust's iterators over texts count with such differences, and LLVM puts other numbers between the
//! two: `n - start + end`. Any sum in which each address of an object that is added meets one that
//! is subtracted is the same sum of their offsets.

use std::collections::BTreeMap;

use super::loops::{self, Place};
use crate::llvm::{Const, Inst, Module, Op, Value};

/// No sum of more parts, or that is nested deeper, is looked at.
const PARTS: usize = 16;

/// Rewrites all functions.
pub(super) fn of_offsets(module: Module) {
    for function in module.functions() {
        if function.is_declaration() {
            continue;
        }
        for inst in function.instructions() {
            if matches!(inst.op(), Op::ADD | Op::SUB) && inst.0.ty().int_bits() == 64 {
                rewrite(module, inst);
            }
        }
    }
}

/// What is added to, or subtracted from, a sum.
struct Part {
    value: Value,
    added: bool,
    address: Option<Place>,
}

fn rewrite(module: Module, inst: Inst) {
    let mut parts = Vec::new();
    if take_apart(module, (inst.0, true), PARTS, &mut parts).is_none() {
        return;
    }
    // How often more each object's address is added than subtracted.
    let mut balance: BTreeMap<Value, i32> = BTreeMap::new();
    for Part { added, address, .. } in &parts {
        if let Some(place) = address {
            *balance.entry(place.root).or_default() += if *added { 1 } else { -1 };
        }
    }
    balance.retain(|_, count| *count == 0);
    if balance.is_empty() {
        return;
    }
    let builder = module.context.builder().before(inst);
    let mut sum = module.context.int_type(64).number(0);
    // What is added comes first: the verifier likes numbers that are not negative.
    parts.sort_by_key(|part| !part.added);
    for Part {
        value,
        added,
        address,
    } in parts
    {
        let value = match address {
            Some(place) if balance.contains_key(&place.root) => loops::sum(module, inst, &place),
            _ => value,
        };
        let op = if added { Op::ADD } else { Op::SUB };
        sum = match sum.as_u64() {
            Some(0) if added => value,
            _ => builder.binary(op, sum, value),
        };
    }
    inst.0.replace_with(sum);
    inst.erase();
}

/// Adds the parts of a number that is added or subtracted; `None` when there are too many, or when
/// sums are nested deeper than `depth`.
fn take_apart(
    module: Module,
    (value, added): (Value, bool),
    depth: usize,
    parts: &mut Vec<Part>,
) -> Option<()> {
    let inst = value
        .as_inst()
        .filter(|inst| matches!(inst.op(), Op::ADD | Op::SUB));
    if let Some(inst) = inst {
        let depth = depth.checked_sub(1)?;
        let right = added == (inst.op() == Op::ADD);
        take_apart(module, (inst.0.operand(0), added), depth, parts)?;
        return take_apart(module, (inst.0.operand(1), right), depth, parts);
    }
    let is_cast = match value.as_inst() {
        Some(cast) => cast.op() == Op::PTR_TO_INT,
        None => value.constant_kind() == Const::Expr(Op::PTR_TO_INT),
    };
    parts.push(Part {
        value,
        added,
        address: is_cast.then(|| loops::place(module, value.operand(0))),
    });
    (parts.len() <= PARTS).then_some(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{after, lines};
    use super::*;

    fn rewritten(sum: &str) -> String {
        after(
            &format!(
                "define i64 @f(i64 %i, i64 %j, i64 %n, ptr %other) {{
                   %o = alloca [64 x i8]
                   %p = getelementptr i8, ptr %o, i64 %i
                   %q = getelementptr i8, ptr %o, i64 %j
                   %a = ptrtoint ptr %p to i64
                   %b = ptrtoint ptr %q to i64
                   %c = ptrtoint ptr %other to i64
                   {sum}
                   ret i64 %r
                 }}"
            ),
            of_offsets,
        )
    }

    #[test]
    fn a_difference_of_addresses_is_one_of_offsets() {
        let text = rewritten("%r = sub i64 %b, %a");
        assert_eq!(lines(&text, "sub i64 %j, %i"), 1, "{text}");
    }

    #[test]
    fn a_difference_with_a_number_between_is_found() {
        let text = rewritten("%s = sub i64 %n, %a\n%r = add i64 %s, %b");
        assert_eq!(lines(&text, "add i64 %n, %j"), 1, "{text}");
        assert_eq!(lines(&text, "sub i64 %1, %i"), 1, "{text}");
    }

    #[test]
    fn addresses_of_two_objects_stay() {
        let text = rewritten("%r = sub i64 %c, %a");
        assert_eq!(lines(&text, "sub i64 %c, %a"), 1, "{text}");
        let text = rewritten("%s = add i64 %a, %b\n%r = sub i64 %s, %n");
        assert_eq!(lines(&text, "sub i64 %s, %n"), 1, "{text}");
    }

    #[test]
    fn a_long_chain_of_sums_is_left_alone() {
        let mut chain = String::from("%s0 = sub i64 %n, %a\n");
        for step in 1..5000 {
            chain += &format!("%s{step} = add i64 %s{}, %n\n", step - 1);
        }
        let text = rewritten(&format!("{chain}%r = add i64 %s4999, %b"));
        assert_eq!(lines(&text, "add i64 %s4999, %b"), 1);
    }
}
