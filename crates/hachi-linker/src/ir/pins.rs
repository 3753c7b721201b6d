//! One register for each number that is checked and then trusted.
//!
//! Rust's code compares an index with a bound and uses the very same value afterwards. LLVM is free
//! to compare one form of it (narrower, masked, moved by a constant) and to use another, and the
//! verifier learns only about the register that was compared. So before anything is optimised, each
//! number that is compared and also becomes part of an address, or of what a helper is told, goes
//! through an empty piece of assembly where it is made: it is *pinned*. What comes out is opaque to
//! LLVM and 64 bits wide; comparisons and uses share it.

use std::collections::BTreeSet;

use super::{flow, hints};
use crate::llvm::{Block, Builder, Const, Function, Inst, Module, Op, Predicate, TypeKind, Value};

/// Pins the numbers of all functions. Everything must be inlined, and nothing optimised. Were there
/// any?
pub(super) fn pin(module: Module) -> bool {
    let mut any = false;
    for function in module.functions() {
        if function.is_declaration() {
            continue;
        }
        for index in 0..function.param_count() {
            any |= pin_value(module, function, function.param(index));
        }
        for inst in function.instructions() {
            any |= match inst.op() {
                Op::PHI => pin_payload(module, inst),
                // An address is no number: what LLVM knows of its alignment must not be hidden.
                Op::PTR_TO_INT => false,
                _ => !is_counter(inst) && !is_pin(inst) && pin_value(module, function, inst.0),
            };
        }
    }
    any
}

/// Replaces the pins of what optimising made constant.
pub(super) fn drop_constant(module: Module) {
    for function in module.functions() {
        for inst in function.instructions() {
            if is_pin(inst) && inst.0.operand(0).as_u64().is_some() {
                inst.0.replace_with(inst.0.operand(0));
                inst.erase();
            }
        }
    }
}

/// Drops what keeps LLVM from moving comparisons out of the order in which the verifier wants them.
/// LLVM's eBPF target puts it there when it optimises, and will once more.
pub(super) fn drop_passthroughs(module: Module) {
    for function in module.functions() {
        if !function.name().starts_with(PASSTHROUGH) {
            continue;
        }
        for call in function.calls() {
            call.0.replace_with(call.0.operand(1));
            call.erase();
        }
    }
}

/// `number` through an empty piece of assembly, which hides what it is. It must have 64 bits.
pub(super) fn hidden(builder: Builder, number: Value) -> Value {
    let ty = number.ty().function(&[number.ty()]);
    let asm = builder.pure_asm(ty, "", CONSTRAINTS);
    builder.call(ty, asm, &[number]).0
}

/// The result is in any register, and the argument in the same.
pub(super) const CONSTRAINTS: &str = "=r,0";

/// Is it what [`hidden`] makes?
pub(super) fn is_pin(inst: Inst) -> bool {
    inst.op() == Op::CALL
        && inst.callee().constant_kind() == Const::InlineAsm
        && inst
            .callee()
            .inline_asm()
            .is_some_and(|(text, constraints)| text.is_empty() && constraints == CONSTRAINTS)
}

/// The number that a pin, or what keeps LLVM from moving comparisons, hides.
pub(super) fn seen_through(value: Value) -> Value {
    let mut value = value;
    while let Some(inst) = value.as_inst() {
        let is_passthrough = || {
            inst.called_function()
                .is_some_and(|it| it.name().starts_with(PASSTHROUGH))
        };
        value = match inst.op() {
            Op::CALL if is_pin(inst) => inst.0.operand(0),
            Op::CALL if is_passthrough() => inst.0.operand(1),
            _ => break,
        };
    }
    value
}

const PASSTHROUGH: &str = "llvm.bpf.passthrough.";

/// Is it what a loop counts with? LLVM has to see through it to know how often the loop goes round.
fn is_counter(inst: Inst) -> bool {
    let operands = inst.0.operands();
    let is_phi = |value: &Value| value.as_inst().is_some_and(|inst| inst.op() == Op::PHI);
    inst.op() == Op::ADD
        && operands.iter().any(is_phi)
        && operands.iter().any(|value| value.as_u64().is_some())
}

/// Pins a parameter or the result of an instruction, if it needs it.
fn pin_value(module: Module, function: Function, value: Value) -> bool {
    let Some(need) = Need::of(value) else {
        return false;
    };
    let at = match value.as_inst() {
        Some(inst) => inst.next(),
        None => function
            .blocks()
            .first()
            .and_then(|block| block.instructions().first().copied()),
    };
    let Some(at) = at else { return false };
    let builder = module.context.builder().before(at);
    let pinned = hidden(builder, need.widened(module, builder, value));
    need.share(module, pinned, at);
    true
}

/// Pins what an `Option` or `Result` may hold: a phi of numbers and of nothing. The numbers are
/// pinned on their way into it, so that the checks behind an `if let` are of the register that was
/// pinned, once LLVM has found the direct way there.
fn pin_payload(module: Module, phi: Inst) -> bool {
    let incoming = phi.incoming();
    let is_nothing = |value: Value| value.constant_kind() == Const::Undef;
    let is_loop = |from: &Block| *from == phi.block() || flow::dominates(phi.block(), *from);
    if !incoming.iter().any(|(value, _)| is_nothing(*value))
        || incoming.iter().any(|(_, from)| is_loop(from))
    {
        return false;
    }
    let ends: Option<Vec<Inst>> = incoming.iter().map(|(_, from)| from.terminator()).collect();
    let first = phi
        .block()
        .instructions()
        .into_iter()
        .find(|inst| inst.op() != Op::PHI);
    let (Some(need), Some(ends), Some(first)) = (Need::of(phi.0), ends, first) else {
        return false;
    };
    let i64_type = module.context.int_type(64);
    let pinned = module.context.builder().before(phi).phi(i64_type);
    for ((value, from), end) in incoming.into_iter().zip(ends) {
        let builder = module.context.builder().before(end);
        let wide = match value {
            value if is_nothing(value) => i64_type.undef(),
            value if value.as_u64().is_some() || value.as_inst().is_some_and(is_pin) => {
                need.widened(module, builder, value)
            }
            value => hidden(builder, need.widened(module, builder, value)),
        };
        pinned.add_incoming(wide, from);
    }
    need.share(module, pinned.0, first);
    true
}

/// A number that needs to be pinned.
struct Need {
    value: Value,
    bits: u32,
    /// Is it only compared as a signed number?
    signed: bool,
    users: BTreeSet<Inst>,
}

impl Need {
    /// Is the value compared, and does it reach an address?
    fn of(value: Value) -> Option<Self> {
        let TypeKind::Int(bits @ (8 | 16 | 32 | 64)) = value.ty().kind() else {
            return None;
        };
        let users: BTreeSet<Inst> = value
            .users()
            .into_iter()
            .filter_map(Value::as_inst)
            .collect();
        let is_checked = |user: &Inst| user.predicate().is_some() && is_open(*user, value);
        let is_unsigned = users.iter().any(is_checked);
        let is_signed = users.iter().any(|user| user.is_signed_comparison());
        if !(is_unsigned || is_signed)
            || is_address(value, &mut BTreeSet::new())
            || !hints::reaches_address(value)
        {
            return None;
        }
        Some(Need {
            value,
            bits,
            signed: !is_unsigned,
            users,
        })
    }

    /// A number of the same width, made one of 64 bits.
    fn widened(&self, module: Module, builder: Builder, value: Value) -> Value {
        let i64_type = module.context.int_type(64);
        match (value.as_u64(), value.as_i64()) {
            (_, Some(n)) if self.signed => i64_type.number(n as u64),
            (Some(n), _) => i64_type.number(n),
            _ if self.bits == 64 => value,
            _ => builder.int_cast(value, i64_type, self.signed),
        }
    }

    /// Has all users use the pinned number instead, which is there from `at` on.
    fn share(self, module: Module, pinned: Value, at: Inst) {
        let extension = if self.signed { Op::SEXT } else { Op::ZEXT };
        let narrow = match self.bits {
            64 => pinned,
            _ => {
                let builder = module.context.builder().before(at);
                builder.int_cast(pinned, self.value.ty(), false)
            }
        };
        for user in &self.users {
            let is_alike = match self.signed {
                true => user.is_signed_comparison(),
                false => user.predicate().is_some(),
            };
            if user.op() == extension && user.0.ty().int_bits() == 64 {
                user.0.replace_with(pinned);
            } else if is_alike && self.bits < 64 {
                let builder = module.context.builder().before(*user);
                let side = |index| match user.0.operand(index) {
                    operand if operand == self.value => pinned,
                    operand => self.widened(module, builder, operand),
                };
                let (left, right) = (side(0), side(1));
                user.compare_instead(builder, left, right);
            } else {
                for (index, operand) in (0..).zip(user.0.operands()) {
                    if operand == self.value {
                        user.0.set_operand(index, narrow);
                    }
                }
            }
        }
    }
}

/// Is it an address that an `Option` keeps as a number? LLVM must see where it points.
fn is_address(value: Value, seen: &mut BTreeSet<Value>) -> bool {
    let Some(inst) = value.as_inst() else {
        return false;
    };
    seen.insert(value)
        && match inst.op() {
            Op::PTR_TO_INT => true,
            Op::FREEZE => is_address(inst.0.operand(0), seen),
            Op::SELECT => (1..3).any(|index| is_address(inst.0.operand(index), seen)),
            Op::PHI => inst
                .incoming()
                .into_iter()
                .any(|(value, _)| is_address(value, seen)),
            _ => false,
        }
}

/// Is the outcome of a comparison not plain from how the number is made?
fn is_open(comparison: Inst, value: Value) -> bool {
    let (left, right) = (comparison.0.operand(0), comparison.0.operand(1));
    let (other, predicate) = match left == value {
        true => (right, comparison.predicate()),
        false => (left, comparison.predicate().map(Predicate::mirrored)),
    };
    let (Some(n), Some(greatest)) = (other.as_u64(), hints::greatest_of(value)) else {
        return true;
    };
    match predicate {
        Some(Predicate::Ult | Predicate::Uge) => greatest >= n,
        Some(Predicate::Ugt | Predicate::Ule) => greatest > n,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{after, lines};
    use super::*;

    fn pinned(body: &str) -> String {
        after(body, |module| {
            pin(module);
        })
    }

    #[test]
    fn an_index_that_is_compared_and_used_is_pinned_once() {
        let text = pinned(
            "define i8 @f(i16 %i, ptr %p) {
             start:
               %wide = zext i16 %i to i64
               %in = icmp ult i16 %i, 64
               br i1 %in, label %yes, label %no
             yes:
               %at = getelementptr i8, ptr %p, i64 %wide
               %v = load i8, ptr %at
               ret i8 %v
             no:
               ret i8 0
             }",
        );
        assert_eq!(lines(&text, "asm \"\", \"=r,0\""), 1, "{text}");
        assert_eq!(lines(&text, "icmp ult i64 %1, 64"), 1, "{text}");
        assert_eq!(
            lines(&text, "getelementptr i8, ptr %p, i64 %1"),
            1,
            "{text}"
        );
    }

    #[test]
    fn an_index_compared_as_signed_is_sign_extended() {
        let text = pinned(
            "define i8 @f(i32 %i, ptr %p) {
             start:
               %negative = icmp slt i32 %i, -3
               br i1 %negative, label %no, label %yes
             yes:
               %wide = sext i32 %i to i64
               %at = getelementptr i8, ptr %p, i64 %wide
               %v = load i8, ptr %at
               ret i8 %v
             no:
               ret i8 0
             }",
        );
        assert_eq!(lines(&text, "%0 = sext i32 %i to i64"), 1, "{text}");
        assert_eq!(lines(&text, "icmp slt i64 %1, -3"), 1, "{text}");
        assert_eq!(
            lines(&text, "getelementptr i8, ptr %p, i64 %1"),
            1,
            "{text}"
        );
    }

    #[test]
    fn a_number_that_is_only_compared_is_not_pinned() {
        let text = pinned(
            "define i1 @f(i64 %i) {
               %in = icmp ult i64 %i, 64
               ret i1 %in
             }",
        );
        assert_eq!(lines(&text, "asm"), 0, "{text}");
    }

    #[test]
    fn a_check_that_cannot_fail_pins_nothing() {
        let text = pinned(
            "define i8 @f(i64 %i, ptr %p) {
             start:
               %low = and i64 %i, 63
               %in = icmp ult i64 %low, 64
               %at = getelementptr i8, ptr %p, i64 %low
               %v = load i8, ptr %at
               %r = select i1 %in, i8 %v, i8 0
               ret i8 %r
             }",
        );
        assert_eq!(lines(&text, "asm"), 0, "{text}");
    }

    #[test]
    fn a_number_is_pinned_before_it_goes_into_an_option() {
        let text = pinned(
            "define i8 @f(i1 %some, i16 %i, ptr %p) {
             start:
               br i1 %some, label %yes, label %no
             yes:
               br label %join
             no:
               br label %join
             join:
               %n = phi i16 [ %i, %yes ], [ undef, %no ]
               %in = icmp ult i16 %n, 64
               br i1 %in, label %use, label %end
             use:
               %wide = zext i16 %n to i64
               %at = getelementptr i8, ptr %p, i64 %wide
               %v = load i8, ptr %at
               ret i8 %v
             end:
               ret i8 0
             }",
        );
        assert_eq!(lines(&text, "asm \"\", \"=r,0\""), 1, "{text}");
        assert_eq!(
            lines(&text, "phi i64 [ %1, %yes ], [ undef, %no ]"),
            1,
            "{text}"
        );
        assert_eq!(lines(&text, "icmp ult i64 %2, 64"), 1, "{text}");
        assert_eq!(
            lines(&text, "getelementptr i8, ptr %p, i64 %2"),
            1,
            "{text}"
        );
    }

    #[test]
    fn an_address_that_an_option_holds_is_not_pinned() {
        let text = pinned(
            "define i8 @f(i1 %some, ptr %p) {
             start:
               %n = ptrtoint ptr %p to i64
               br i1 %some, label %yes, label %join
             yes:
               br label %join
             join:
               %a = phi i64 [ %n, %yes ], [ undef, %start ]
               %none = icmp eq i64 %a, 0
               br i1 %none, label %end, label %use
             use:
               %at = inttoptr i64 %a to ptr
               %v = load i8, ptr %at
               ret i8 %v
             end:
               ret i8 0
             }",
        );
        assert_eq!(lines(&text, "asm"), 0, "{text}");
    }

    #[test]
    fn a_loops_counter_is_not_pinned() {
        let text = pinned(
            "define void @f(ptr %p) {
             start:
               br label %loop
             loop:
               %i = phi i64 [ 0, %start ], [ %next, %loop ]
               %at = getelementptr i8, ptr %p, i64 %i
               store i8 0, ptr %at
               %next = add i64 %i, 1
               %more = icmp ult i64 %next, 64
               br i1 %more, label %loop, label %end
             end:
               ret void
             }",
        );
        assert_eq!(lines(&text, "asm"), 0, "{text}");
    }

    #[test]
    fn a_pin_of_a_constant_becomes_the_constant() {
        let text = after(
            "define i64 @f() {
               %a = call i64 asm \"\", \"=r,0\"(i64 7)
               ret i64 %a
             }",
            drop_constant,
        );
        assert_eq!(lines(&text, "ret i64 7"), 1, "{text}");
    }
}
