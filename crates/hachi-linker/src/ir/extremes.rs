//! The lesser and the greater of two numbers, and where it is, computed instead of branched on.
//!
//! eBPF has no such instruction; LLVM makes a jump of each. The least of sixty-four bytes is 2^64
//! ways through the program, and once the verifier finds one of the jumps decided, or an address
//! made of what is chosen, it merges none of them. The same number comes out of a subtraction and a
//! mask.
//!
//! The verifier knows few bounds of what is computed that way. An extreme that becomes part of an
//! address, or is compared, stays a branch; an index that is chosen is clamped where it is used, by
//! [`super::clamps`].

use std::collections::BTreeSet;

use super::{flow, hints};
use crate::llvm::{Builder, Inst, Module, Op, Predicate, Value};

/// Rewrites all functions. To be done when nothing optimises any more.
pub(super) fn compute(module: Module) {
    for function in module.functions() {
        if function.is_declaration() {
            continue;
        }
        // What is compared for nothing any more would count as compared.
        let mut comparisons = BTreeSet::new();
        for inst in function.instructions() {
            if let Some(order) = Order::that_chooses(inst) {
                comparisons.extend(inst.0.operand(0).as_inst());
                let result = order.chosen(module, inst);
                inst.0.replace_with(result);
                inst.erase();
            }
        }
        for comparison in comparisons {
            if !comparison.0.is_used() {
                comparison.erase();
            }
        }
        // One of a chain is told by its operands, which must be there still.
        let all = function.instructions().into_iter();
        let chosen: Vec<(Inst, Extreme)> = all
            .filter_map(|inst| Some((inst, Extreme::of(inst)?)))
            .filter(|(inst, _)| multiplies_ways(*inst))
            .collect();
        for (inst, extreme) in chosen {
            let result = extreme.of_both(module, inst);
            inst.0.replace_with(result);
            inst.erase();
        }
    }
}

/// Is it one of several, and only computed with?
fn multiplies_ways(inst: Inst) -> bool {
    let sides = [inst.0.operand(0), inst.0.operand(1)];
    let is_another = |side: &Value| side.as_inst().is_some_and(|it| Extreme::of(it).is_some());
    let is_constant = sides.iter().any(|side| side.as_u64().is_some());
    !is_constant
        && (sides.iter().any(is_another) || flow::is_in_a_loop(inst.block()))
        && !hints::reaches_address_or_limit(inst.0)
}

#[derive(Clone, Copy)]
struct Extreme {
    greatest: bool,
    signed: bool,
}

impl Extreme {
    fn of(inst: Inst) -> Option<Self> {
        if inst.op() != Op::CALL || !(1..=64).contains(&inst.0.ty().int_bits()) {
            return None;
        }
        let name = inst.called_function()?.name();
        let (greatest, signed) = match name.strip_prefix("llvm.")?.split('.').next()? {
            "umin" => (false, false),
            "umax" => (true, false),
            "smin" => (false, true),
            "smax" => (true, true),
            _ => return None,
        };
        Some(Extreme { greatest, signed })
    }

    /// Computes it, before `at`, of the operands there.
    fn of_both(self, module: Module, at: Inst) -> Value {
        let order = Order {
            sides: (at.0.operand(0), at.0.operand(1)),
            signed: self.signed,
        };
        let ty = at.0.ty();
        let i64_type = module.context.int_type(64);
        let builder = module.context.builder().before(at);
        let (left, right) = order.wide(module, builder);
        let difference = builder.binary(Op::SUB, left, right);
        let all_if_less = order.all_if_less(module, builder, (left, right));
        let excess = builder.binary(Op::AND, difference, all_if_less);
        let result = match self.greatest {
            true => builder.binary(Op::SUB, left, excess),
            false => builder.binary(Op::ADD, right, excess),
        };
        match ty == i64_type {
            true => result,
            false => builder.int_cast(result, ty, false),
        }
    }
}

/// The question whether the first of two numbers is less than the second.
#[derive(Clone, Copy)]
struct Order {
    sides: (Value, Value),
    signed: bool,
}

impl Order {
    /// Is it an index that a loop keeps, of the least or the greatest so far?
    fn that_chooses(select: Inst) -> Option<Self> {
        if select.op() != Op::SELECT || select.0.ty().int_bits() != 64 {
            return None;
        }
        let is_constant = |value: Value| value.as_u64().is_some();
        let comparison = select.0.operand(0).as_inst()?;
        let sides = (comparison.predicate()?, comparison.0.operands());
        let (Predicate::Ult | Predicate::Ugt | Predicate::Ule | Predicate::Uge, sides) = sides
        else {
            return None;
        };
        let is_kept = |user: Inst| user.op() == Op::PHI && user.block() == select.block();
        let mut users = select.0.users().into_iter().filter_map(Value::as_inst);
        let variable = !sides
            .iter()
            .chain(&select.0.operands()[1..])
            .any(|it| is_constant(*it));
        let bits = sides[0].ty().int_bits();
        (variable
            && (1..=64).contains(&bits)
            && users.any(is_kept)
            && hints::reaches_address(select.0))
        .then_some(Order {
            sides: (sides[0], sides[1]),
            signed: false,
        })
    }

    /// Computes what the select chooses.
    fn chosen(mut self, module: Module, select: Inst) -> Value {
        let builder = module.context.builder().before(select);
        let (mut yes, mut no) = (select.0.operand(1), select.0.operand(2));
        let predicate = select.0.operand(0).as_inst().and_then(Inst::predicate);
        if matches!(predicate, Some(Predicate::Ugt | Predicate::Ule)) {
            self.sides = (self.sides.1, self.sides.0);
        }
        if matches!(predicate, Some(Predicate::Uge | Predicate::Ule)) {
            (yes, no) = (no, yes);
        }
        let sides = self.wide(module, builder);
        let all_if_less = self.all_if_less(module, builder, sides);
        let both = builder.binary(Op::XOR, yes, no);
        let change = builder.binary(Op::AND, both, all_if_less);
        builder.binary(Op::XOR, no, change)
    }

    fn wide(self, module: Module, builder: Builder) -> (Value, Value) {
        let i64_type = module.context.int_type(64);
        let wide = |value: Value| match value.ty() == i64_type {
            true => value,
            false => builder.int_cast(value, i64_type, self.signed),
        };
        (wide(self.sides.0), wide(self.sides.1))
    }

    /// All bits of 64 when the first, widened, is less, and none when it is not.
    fn all_if_less(self, module: Module, builder: Builder, (left, right): (Value, Value)) -> Value {
        let difference = builder.binary(Op::SUB, left, right);
        let sign = match self.sides.0.ty().int_bits() {
            // The difference of two narrower numbers cannot go round.
            ..=32 => difference,
            // Where the top bits differ they say which is less, and where they are alike the
            // difference says it.
            _ => {
                let differ = builder.binary(Op::XOR, left, right);
                let says = if self.signed { left } else { right };
                let other = builder.binary(Op::XOR, says, difference);
                let flipped = builder.binary(Op::AND, differ, other);
                builder.binary(Op::XOR, difference, flipped)
            }
        };
        builder.binary(Op::ASHR, sign, module.context.int_type(64).number(63))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{after, lines};
    use super::*;

    fn in_a_loop(extreme: &str, ty: &str, more: &str) -> String {
        after(
            &format!(
                "declare {ty} @llvm.{extreme}.{ty}({ty}, {ty})
                 define {ty} @f(ptr %p, i64 %n) {{
                 start:
                   br label %loop
                 loop:
                   %i = phi i64 [ 0, %start ], [ %next, %loop ]
                   %best = phi {ty} [ 0, %start ], [ %better, %loop ]
                   %at = getelementptr {ty}, ptr %p, i64 %i
                   %v = load {ty}, ptr %at
                   %better = call {ty} @llvm.{extreme}.{ty}({ty} %best, {ty} %v)
                   %next = add i64 %i, 1
                   {more}
                   %again = icmp ult i64 %next, %n
                   br i1 %again, label %loop, label %end
                 end:
                   ret {ty} %better
                 }}"
            ),
            compute,
        )
    }

    #[test]
    fn the_greatest_of_a_loop_is_computed() {
        let text = in_a_loop("umax", "i8", "");
        assert_eq!(lines(&text, "call i8"), 0, "{text}");
        assert_eq!(lines(&text, "ashr i64"), 1, "{text}");
        // Signed ones keep their sign.
        let text = in_a_loop("smin", "i32", "");
        assert_eq!(lines(&text, "sext i32"), 2, "{text}");
    }

    #[test]
    fn numbers_of_64_bits_may_differ_by_more_than_has_a_sign() {
        let text = in_a_loop("umin", "i64", "");
        assert_eq!(lines(&text, "call i64"), 0, "{text}");
        assert_eq!(lines(&text, " = xor i64"), 3, "{text}");
    }

    #[test]
    fn a_choice_of_an_address_stays_a_branch() {
        let text = in_a_loop(
            "umin",
            "i64",
            "%there = getelementptr i8, ptr %p, i64 %better
             store i8 0, ptr %there",
        );
        assert_eq!(lines(&text, "call i64"), 1, "{text}");
    }

    #[test]
    fn one_alone_stays_a_branch() {
        let text = after(
            "declare i8 @llvm.umin.i8(i8, i8)
             define i8 @f(i8 %a, i8 %b) {
               %r = call i8 @llvm.umin.i8(i8 %a, i8 %b)
               ret i8 %r
             }",
            compute,
        );
        assert_eq!(lines(&text, "call i8"), 1, "{text}");
    }

    #[test]
    fn the_place_of_the_least_is_computed_and_clamped() {
        let text = after(
            "define i8 @f(i64 %n) {
             start:
               %o = alloca [64 x i8]
               br label %loop
             loop:
               %i = phi i64 [ 0, %start ], [ %next, %loop ]
               %best = phi i64 [ 0, %start ], [ %better, %loop ]
               %least = phi i8 [ 0, %start ], [ %v, %loop ]
               %at = getelementptr i8, ptr %o, i64 %i
               %v = load i8, ptr %at
               %less = icmp ugt i8 %least, %v
               %better = select i1 %less, i64 %i, i64 %best
               %next = add i64 %i, 1
               %again = icmp ult i64 %next, %n
               br i1 %again, label %loop, label %end
             end:
               %there = getelementptr i8, ptr %o, i64 %better
               %r = load i8, ptr %there
               ret i8 %r
             }",
            |module| {
                compute(module);
                super::super::clamps::add(module);
            },
        );
        assert_eq!(lines(&text, "select"), 0, "{text}");
        assert_eq!(lines(&text, "$0 &= 63"), 2, "{text}");
    }
}
