//! Arrays that are loaded whole, copied as memory.
//!
//! rustc copies a small array by loading it into one value and storing that. LLVM would make a
//! value of each element and keep them all, which takes more stack than there is.

use crate::llvm::{Inst, Module, Op, TypeKind, Value};

/// Rewrites all functions. To be done before LLVM takes aggregates apart.
pub(super) fn copy_as_memory(module: Module) {
    for function in module.functions() {
        for load in function.instructions() {
            if load.op() != Op::LOAD || load.0.ty().kind() != TypeKind::Aggregate {
                continue;
            }
            let users = load.0.users();
            let [user] = users.as_slice() else { continue };
            // Nothing may change the memory in between.
            let store: Option<Inst> = user
                .as_inst()
                .filter(|user| user.op() == Op::STORE && load.next() == Some(*user));
            let Some(store) = store else { continue };
            let size = module
                .context
                .int_type(64)
                .number(module.size_of(load.0.ty()));
            let to = (store.0.operand(1), store.alignment());
            let from = (load.0.operand(0), load.alignment());
            let builder = module.context.builder().before(store);
            let copy = match are_apart(to.0, from.0) {
                true => builder.copy_memory(to, from, size),
                false => builder.move_memory(to, from, size),
            };
            if load.is_volatile() || store.is_volatile() {
                copy.make_copy_volatile();
            }
            store.erase();
            load.erase();
        }
    }
}

/// Can two places not overlap? Only what is plain: one of them is in a variable of its own.
fn are_apart(a: Value, b: Value) -> bool {
    let (a, b) = (root(a), root(b));
    let is_variable = |value: Value| value.as_inst().is_some_and(|inst| inst.op() == Op::ALLOCA);
    let is_elsewhere = |value: Value| match value.as_inst() {
        Some(inst) => inst.op() == Op::ALLOCA,
        // A parameter, or static data.
        None => true,
    };
    a != b && (is_variable(a) && is_elsewhere(b) || is_variable(b) && is_elsewhere(a))
}

/// The pointer from which another is made by adding to it.
fn root(mut value: Value) -> Value {
    while let Some(inst) = value.as_inst().filter(|inst| inst.op() == Op::GEP) {
        value = inst.0.operand(0);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::super::testing::{after, lines};
    use super::*;

    #[test]
    fn an_array_loaded_and_stored_is_copied_as_memory() {
        let text = after(
            "define void @f(ptr %p, ptr %q) {
               %a = load [16 x i8], ptr %p, align 1
               store [16 x i8] %a, ptr %q, align 2
               ret void
             }",
            copy_as_memory,
        );
        assert_eq!(
            lines(
                &text,
                "memmove.p0.p0.i64(ptr align 2 %q, ptr align 1 %p, i64 16"
            ),
            1,
            "{text}"
        );
        assert_eq!(lines(&text, "load ") + lines(&text, "store "), 0, "{text}");
    }

    #[test]
    fn an_array_copied_into_a_variable_overlaps_nothing() {
        let text = after(
            "define void @f(ptr %p) {
               %v = alloca [2 x [16 x i8]]
               %q = getelementptr i8, ptr %v, i64 16
               %a = load [16 x i8], ptr %p, align 1
               store [16 x i8] %a, ptr %q, align 1
               ret void
             }",
            copy_as_memory,
        );
        assert_eq!(lines(&text, "memcpy.p0.p0.i64"), 2, "{text}");
    }

    #[test]
    fn a_volatile_array_is_copied_volatile() {
        let text = after(
            "define void @f(ptr %p, ptr %q) {
               %a = load volatile [16 x i8], ptr %p, align 1
               store [16 x i8] %a, ptr %q, align 1
               ret void
             }",
            copy_as_memory,
        );
        assert_eq!(lines(&text, "i64 16, i1 true)"), 1, "{text}");
    }

    #[test]
    fn a_copy_with_something_in_between_stays() {
        let text = after(
            "define void @f(ptr %p, ptr %q) {
               %a = load [16 x i8], ptr %p, align 1
               store i8 0, ptr %p
               store [16 x i8] %a, ptr %q, align 1
               ret void
             }",
            copy_as_memory,
        );
        assert_eq!(lines(&text, "memmove"), 0, "{text}");
    }
}
