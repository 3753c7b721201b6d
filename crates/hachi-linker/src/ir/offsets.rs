//! Small offsets into the stack.
//!
//! Where an object on the stack is aligned and the offset into it is less than the alignment, LLVM
//! computes the address with `|`, as no bit is in both. The verifier has no bits of an address; it
//! follows additions only. So an offset of which LLVM may know that it is so small goes through an
//! empty piece of assembly, that hides how large it can be.

use std::collections::BTreeMap;

use super::pins;
use crate::llvm::{Inst, Module, Op, TypeKind, Value};

/// Hides the small offsets of all functions. To be done when nothing looks at them any more.
pub(super) fn hide(module: Module) {
    for function in module.functions() {
        for inst in function.instructions() {
            if inst.op() == Op::GEP {
                hide_offset(module, inst);
            }
        }
    }
}

fn hide_offset(module: Module, access: Inst) {
    let operands = access.0.operands();
    let last = operands.len() as u32 - 1;
    let offset = access.0.operand(last);
    let Some(object) = object(access.0.operand(0)) else {
        return;
    };
    let align = u64::from(object.alignment());
    if offset.as_u64().is_some_and(|n| n < align) && is_chosen(access) {
        // LLVM would choose the offset and add it to the object's address.
        if let Some(next) = access.next() {
            let builder = module.context.builder().before(next);
            let users = access.0.users();
            let address = pins::hidden(builder, access.0);
            for user in users.into_iter().filter_map(Value::as_inst) {
                replace_operand(user, access.0, address);
            }
        }
    } else if align > 1
        && offset.as_u64().is_none()
        && offset.ty().kind() == TypeKind::Int(64)
        && may_be_below(offset, align, &mut BTreeMap::new())
    {
        let builder = module.context.builder().before(access);
        access.0.set_operand(last, pins::hidden(builder, offset));
    }
}

/// Is an address one of several that are chosen from?
fn is_chosen(address: Inst) -> bool {
    let users = address.0.users().into_iter().filter_map(Value::as_inst);
    users
        .into_iter()
        .any(|user| matches!(user.op(), Op::PHI | Op::SELECT))
}

fn replace_operand(user: Inst, old: Value, new: Value) {
    for (index, operand) in (0..).zip(user.0.operands()) {
        if operand == old {
            user.0.set_operand(index, new);
        }
    }
}

/// What an address on the stack points into.
fn object(address: Value) -> Option<Inst> {
    let inst = address.as_inst()?;
    match inst.op() {
        Op::ALLOCA => Some(inst),
        Op::GEP => object(inst.0.operand(0)),
        _ => None,
    }
}

/// May LLVM know that a number is below `end`, a power of two, by how it is made? A loop's counter
/// it does not know.
fn may_be_below(value: Value, end: u64, seen: &mut BTreeMap<Value, bool>) -> bool {
    if let Some(n) = value.as_u64() {
        return n < end;
    }
    let bits = value.ty().int_bits();
    if bits < 64 && 1 << bits <= end {
        return true;
    }
    let Some(inst) = value.as_inst() else {
        return false;
    };
    if let Some(known) = seen.get(&value) {
        return *known;
    }
    if seen.len() > 256 {
        return true;
    }
    seen.insert(value, false);
    let result = is_made_below(inst, end, seen);
    seen.insert(value, result);
    result
}

fn is_made_below(inst: Inst, end: u64, seen: &mut BTreeMap<Value, bool>) -> bool {
    let mut of = |index| may_be_below(inst.0.operand(index), end, seen);
    match inst.op() {
        Op::ZEXT | Op::SEXT | Op::TRUNC | Op::FREEZE => of(0),
        Op::AND | Op::UREM => of(0) || of(1),
        Op::ADD | Op::SUB | Op::MUL | Op::OR | Op::XOR => of(0) && of(1),
        // What is left of a number after a shift to the right can be anything that is small.
        Op::LSHR | Op::UDIV => true,
        Op::SHL => of(0),
        Op::SELECT => of(1) && of(2),
        Op::PHI => inst
            .incoming()
            .into_iter()
            .all(|(value, _)| may_be_below(value, end, seen)),
        Op::CALL => {
            let name = inst.called_function().map_or(String::new(), |it| it.name());
            let least = name.starts_with("llvm.umin.");
            match least || name.starts_with("llvm.umax.") {
                true if least => of(0) || of(1),
                true => of(0) && of(1),
                // Of bits that are counted there are few.
                false => name.starts_with("llvm.ct"),
            }
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{after, lines};
    use super::*;

    fn hidden(offset: &str, object: &str) -> String {
        after(
            &format!(
                "define i8 @f(i64 %i, i8 %b) {{
                   %o = alloca {object}
                   {offset}
                   %p = getelementptr i8, ptr %o, i64 %at
                   %v = load i8, ptr %p
                   ret i8 %v
                 }}"
            ),
            hide,
        )
    }

    #[test]
    fn an_offset_below_the_alignment_is_hidden() {
        let text = hidden("%at = and i64 %i, 7", "[8 x i8], align 8");
        assert_eq!(lines(&text, "asm \"\", \"=r,0\"(i64 %at)"), 1, "{text}");
    }

    #[test]
    fn an_offset_chosen_from_small_ones_is_hidden() {
        let choice = "%c = icmp eq i8 %b, 0
                      %n = select i1 %c, i64 0, i64 3
                      %at = add i64 %n, 1";
        let text = hidden(choice, "[8 x i8], align 8");
        assert_eq!(lines(&text, "asm"), 1, "{text}");
    }

    #[test]
    fn a_number_may_be_part_of_several_others() {
        let sums = "%c = icmp eq i8 %b, 0
                    %n = select i1 %c, i64 0, i64 1
                    %m = add i64 %n, 1
                    %at = select i1 %c, i64 %n, i64 %m";
        let text = hidden(sums, "[8 x i8], align 8");
        assert_eq!(lines(&text, "asm"), 1, "{text}");
    }

    #[test]
    fn an_address_among_others_is_hidden() {
        let text = after(
            "define i8 @f(i1 %c) {
               %o = alloca [8 x i8], align 8
               %p = getelementptr i8, ptr %o, i64 1
               %q = select i1 %c, ptr %o, ptr %p
               %v = load i8, ptr %q
               ret i8 %v
             }",
            hide,
        );
        assert_eq!(lines(&text, "asm \"\", \"=r,0\"(ptr %p)"), 1, "{text}");
        assert_eq!(lines(&text, "ptr %o, ptr %1"), 1, "{text}");
    }

    #[test]
    fn other_offsets_are_not_hidden() {
        for (offset, object) in [
            ("%at = and i64 %i, 63", "[64 x i8], align 8"),
            ("%at = zext i8 %b to i64", "[64 x i8], align 8"),
            ("%at = and i64 %i, 7", "[8 x i8], align 1"),
        ] {
            let text = hidden(offset, object);
            assert_eq!(lines(&text, "asm"), 0, "{text}");
        }
    }
}
