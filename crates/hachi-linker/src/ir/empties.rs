//! Slices of no bytes.
//!
//! `&[]` is an address that nobody looks at: its alignment, as a constant. Where it is one
//! alternative and a slice that exists is the other (`read_str(..).unwrap_or(&[])`), the verifier
//! meets that constant where it wants a pointer. The start of the other slice serves as well, since
//! none of its bytes is used either.
//!
//! So is the null of an `Option<&T>`, where the check for `None` has been decided already: it goes
//! on beside the address that is used, until LLVM sees that it is not.
//!
//! Only addresses that are used as addresses are replaced. Constants of this size are also tags
//! that somebody compares or stores, and a helper may be given null on purpose.

use std::collections::BTreeSet;

use super::flow;
use crate::llvm::{Const, Inst, Module, Op, TypeKind, Value};

/// The greatest alignment whose dangling address is taken for one.
const MAX_DANGLING: u64 = 16;

/// Replaces dangling addresses in all functions. Were there any?
pub(super) fn replace(module: Module) -> bool {
    let mut any = false;
    for function in module.functions() {
        for inst in function.instructions() {
            if inst.0.ty().kind() != TypeKind::Pointer {
                continue;
            }
            let other = match inst.op() {
                Op::SELECT => of_select(inst),
                Op::PHI => of_phi(inst),
                _ => None,
            };
            if let Some(other) = other.filter(|_| is_only_an_address(inst.0)) {
                inst.0.replace_with(other);
                inst.erase();
                any = true;
            }
        }
    }
    any
}

/// What to use instead of a choice between a dangling address and another.
fn of_select(select: Inst) -> Option<Value> {
    let (yes, no) = (select.0.operand(1), select.0.operand(2));
    let other = match (is_dangling(yes), is_dangling(no)) {
        (true, false) => no,
        (false, true) => yes,
        _ => return None,
    };
    (!is_chosen_from_null(other)).then_some(other)
}

/// May an address be null, by how it is made? `unwrap_or(&[])` of it is not: see `decided`.
fn is_chosen_from_null(address: Value) -> bool {
    address.as_inst().is_some_and(|inst| {
        matches!(inst.op(), Op::PHI | Op::SELECT) && inst.0.operands().into_iter().any(is_null)
    })
}

/// The same for a phi whose other cases are all one value, which exists wherever the phi does.
fn of_phi(phi: Inst) -> Option<Value> {
    let incoming = phi.incoming();
    let mut others = incoming
        .iter()
        .map(|(value, _)| *value)
        .filter(|value| !is_dangling(*value) && *value != phi.0);
    let other = others.next()?;
    let alike = others.all(|value| value == other);
    let dangling = incoming.iter().any(|(value, _)| is_dangling(*value));
    let everywhere = other
        .as_inst()
        .is_none_or(|inst| inst.op() == Op::ALLOCA || flow::dominates(inst.block(), phi.block()));
    (alike && dangling && everywhere && !is_chosen_from_null(other)).then_some(other)
}

fn is_dangling(value: Value) -> bool {
    is_null(value)
        || value.constant_kind() == Const::Expr(Op::INT_TO_PTR)
            && value
                .operand(0)
                .as_u64()
                .is_some_and(|n| (1..=MAX_DANGLING).contains(&n))
}

/// Is an address, or each of those that it may be, on the stack, of static data, or dangling?
pub(super) fn is_never_null(value: Value) -> bool {
    let mut seen = BTreeSet::from([value]);
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        let from = match (value.as_inst(), value.constant_kind()) {
            (None, Const::Global) => Vec::new(),
            (None, Const::Expr(Op::INT_TO_PTR)) if is_dangling(value) => Vec::new(),
            (Some(inst), _) => match inst.op() {
                Op::ALLOCA => Vec::new(),
                // What is inside an object is where that is.
                Op::GEP => vec![inst.0.operand(0)],
                Op::SELECT => vec![inst.0.operand(1), inst.0.operand(2)],
                Op::PHI => inst.incoming().into_iter().map(|(it, _)| it).collect(),
                _ => return false,
            },
            _ => return false,
        };
        open.extend(from.into_iter().filter(|value| seen.insert(*value)));
    }
    true
}

fn is_null(value: Value) -> bool {
    value.constant_kind() == Const::Null
}

/// Is the pointer, and all that is made from it, neither kept nor compared with other pointers nor
/// computed with as a number?
fn is_only_an_address(pointer: Value) -> bool {
    let may_be_null = pointer
        .as_inst()
        .is_some_and(|choice| choice.0.operands().into_iter().any(is_null));
    let mut derived = BTreeSet::from([pointer]);
    let mut open = vec![pointer];
    let mut uses = Vec::new();
    while let Some(pointer) = open.pop() {
        for user in pointer.users() {
            let Some(inst) = user.as_inst() else {
                return false;
            };
            if !matches!(inst.op(), Op::GEP | Op::PHI | Op::SELECT | Op::FREEZE) {
                uses.push((pointer, inst));
            } else if derived.insert(user) {
                open.push(user);
            }
        }
    }
    uses.into_iter().all(|(pointer, user)| match user.op() {
        Op::LOAD => true,
        // A helper gets the length too, and with a length of zero does not look.
        Op::CALL => {
            !may_be_null
                || user
                    .called_function()
                    .is_some_and(|callee| callee.name().starts_with("llvm.mem"))
        }
        Op::STORE => user.0.operand(0) != pointer,
        // The end of a slice with its start: both move alike.
        Op::ICMP => (0..2).all(|side| derived.contains(&user.0.operand(side))),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{after, lines};
    use super::*;

    fn replaced(body: &str) -> String {
        after(&format!("declare void @sink(ptr, i64)\n{body}"), |module| {
            replace(module);
        })
    }

    #[test]
    fn a_null_that_is_only_looked_through_becomes_the_other_address() {
        let text = replaced(
            "define i8 @f(i1 %c, ptr %p) {
               %s = select i1 %c, ptr null, ptr %p
               %q = getelementptr i8, ptr %s, i64 3
               %v = load i8, ptr %q
               ret i8 %v
             }",
        );
        assert_eq!(lines(&text, "getelementptr i8, ptr %p, i64 3"), 1, "{text}");
    }

    #[test]
    fn the_default_of_a_null_stays() {
        let text = replaced(
            "define void @f(i1 %b, ptr %o, i64 %n) {
               %p = select i1 %b, ptr null, ptr %o
               %c = icmp eq ptr %p, null
               %s = select i1 %c, ptr inttoptr (i64 1 to ptr), ptr %p
               call void @sink(ptr %s, i64 %n)
               ret void
             }",
        );
        assert_eq!(lines(&text, "@sink(ptr %s, i64 %n)"), 1, "{text}");
    }

    #[test]
    fn a_null_that_is_compared_or_passed_on_stays() {
        for user in [
            "%r = icmp eq ptr %s, null",
            "call void @sink(ptr %s, i64 0)",
        ] {
            let text = replaced(&format!(
                "define void @f(i1 %c, ptr %p) {{
                   %s = select i1 %c, ptr null, ptr %p
                   {user}
                   ret void
                 }}"
            ));
            assert_eq!(lines(&text, "ptr null, ptr %p"), 1, "{text}");
        }
    }

    #[test]
    fn a_choice_of_an_empty_slice_becomes_the_other_slice() {
        let text = replaced(
            "define void @f(i1 %c, ptr %p, i64 %n) {
               %s = select i1 %c, ptr %p, ptr inttoptr (i64 1 to ptr)
               call void @sink(ptr %s, i64 %n)
               ret void
             }",
        );
        assert_eq!(lines(&text, "@sink(ptr %p"), 1, "{text}");
    }

    #[test]
    fn a_phi_of_an_empty_slice_becomes_the_other_slice_where_that_dominates() {
        let text = replaced(
            "define void @f(i1 %c, ptr %p) {
             start:
               %q = getelementptr i8, ptr %p, i64 8
               br i1 %c, label %a, label %b
             a:
               br label %b
             b:
               %s = phi ptr [ %q, %a ], [ inttoptr (i64 4 to ptr), %start ]
               call void @sink(ptr %s, i64 0)
               ret void
             }",
        );
        assert_eq!(lines(&text, "@sink(ptr %q"), 1, "{text}");
    }

    #[test]
    fn a_value_made_on_one_way_only_does_not_replace_a_phi() {
        let text = replaced(
            "define void @f(i1 %c, ptr %p) {
             start:
               br i1 %c, label %a, label %b
             a:
               %q = getelementptr i8, ptr %p, i64 8
               br label %b
             b:
               %s = phi ptr [ %q, %a ], [ inttoptr (i64 4 to ptr), %start ]
               call void @sink(ptr %s, i64 0)
               ret void
             }",
        );
        assert_eq!(lines(&text, "@sink(ptr %s"), 1, "{text}");
    }

    #[test]
    fn tags_that_are_compared_stored_or_cast_stay() {
        for user in [
            "%x = icmp eq ptr %s, inttoptr (i64 1 to ptr)",
            "store ptr %s, ptr %p",
            "%x = ptrtoint ptr %s to i64",
        ] {
            let text = replaced(&format!(
                "define void @f(i1 %c, ptr %p) {{
                   %s = select i1 %c, ptr %p, ptr inttoptr (i64 1 to ptr)
                   {user}
                   ret void
                 }}"
            ));
            assert_eq!(lines(&text, "select"), 1, "{text}");
        }
    }

    #[test]
    fn larger_constants_are_addresses_of_something() {
        let text = replaced(
            "define void @f(i1 %c, ptr %p) {
               %s = select i1 %c, ptr %p, ptr inttoptr (i64 32 to ptr)
               call void @sink(ptr %s, i64 0)
               ret void
             }",
        );
        assert_eq!(lines(&text, "select"), 1, "{text}");
    }
}
