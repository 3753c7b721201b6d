//! Arguments of helpers, as 64 bits.
//!
//! The kernel takes each argument of a helper as 64 bits, and the verifier wants bounds of all of
//! them. Of a narrower number LLVM leaves the upper half as it was.

use super::QUESTION_PREFIX;
use crate::llvm::{Inst, Module, Op, Value};

/// Widens the arguments of all calls of helpers and kernel functions. To be done after
/// optimisation, which would narrow them again.
pub(super) fn widen(module: Module) {
    for function in module.functions() {
        for inst in function.instructions() {
            if inst.op() == Op::CALL && is_kernels(inst) {
                widen_call(module, inst);
            }
        }
    }
}

/// Is it a call of a helper, by its number, or of a kernel function, by its name?
fn is_kernels(call: Inst) -> bool {
    call.callee().is_helper_number()
        || call
            .called_function()
            .is_some_and(|callee| callee.name().starts_with(QUESTION_PREFIX))
}

fn widen_call(module: Module, call: Inst) {
    let is_narrow = |value: &Value| (1..64).contains(&value.ty().int_bits());
    let arguments = call.arguments();
    if !arguments.iter().any(is_narrow) {
        return;
    }
    let i64_type = module.context.int_type(64);
    let builder = module.context.builder().before(call);
    let wide: Vec<Value> = arguments
        .into_iter()
        .map(|argument| match is_narrow(&argument) {
            true => builder.int_cast(argument, i64_type, false),
            false => argument,
        })
        .collect();
    let types: Vec<_> = wide.iter().map(|value| value.ty()).collect();
    let ty = call.called_type().return_type().function(&types);
    let replacement = builder.call(ty, call.callee(), &wide);
    call.0.replace_with(replacement.0);
    call.erase();
}

#[cfg(test)]
mod tests {
    use super::super::testing::{after, lines};
    use super::*;

    #[test]
    fn narrow_arguments_of_helpers_are_zero_extended() {
        let text = after(
            "define void @f(ptr %p, i32 %n) {
               %r = call i64 inttoptr (i64 112 to ptr)(ptr %p, i32 %n, i64 7)
               ret void
             }",
            widen,
        );
        assert_eq!(lines(&text, "zext i32 %n to i64"), 1, "{text}");
        assert_eq!(lines(&text, "to ptr)(ptr %p, i64 %1, i64 7)"), 1, "{text}");
    }

    #[test]
    fn narrow_arguments_of_kernel_functions_are_zero_extended() {
        let text = after(
            "declare i64 @\"hachi:1:kfunc:bpf_x:fn(u32)\"(i32)
             define i64 @g(i32 %n) noinline { ret i64 0 }
             define void @f(i32 %n) {
               %r = call i64 @\"hachi:1:kfunc:bpf_x:fn(u32)\"(i32 %n)
               %s = call i64 @g(i32 %n)
               ret void
             }",
            widen,
        );
        assert_eq!(lines(&text, "(u32)\"(i64 %1)"), 1, "{text}");
        assert_eq!(lines(&text, "call i64 @g(i32 %n)"), 1, "{text}");
    }
}
