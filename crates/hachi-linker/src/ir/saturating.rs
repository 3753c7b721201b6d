//! Differences that end at zero, in a form that the verifier can bound.
//!
//! LLVM makes of `n.saturating_sub(2)` a subtraction, and asks whether its result became greater
//! than `n`. The verifier learns nothing from that: to it the result may be any number. The greater
//! of `n` and 2, less 2, is the same, and has the bounds of `n`.

use crate::llvm::{Inst, Module, Op};

/// Rewrites all functions. To be done when nothing optimises any more.
pub(super) fn bound(module: Module) {
    for function in module.functions() {
        for inst in function.instructions() {
            if is_saturating(inst) {
                rewrite(module, inst);
            }
        }
    }
}

/// Is a constant subtracted?
fn is_saturating(inst: Inst) -> bool {
    let is_called = |prefix: &str| {
        let callee = inst.called_function();
        callee.is_some_and(|callee| callee.name().starts_with(prefix))
    };
    inst.op() == Op::CALL
        && is_called("llvm.usub.sat.i")
        && (1..=64).contains(&inst.0.ty().int_bits())
        && inst.0.operand(1).as_u64().is_some()
}

fn rewrite(module: Module, inst: Inst) {
    let i64_type = module.context.int_type(64);
    let builder = module.context.builder().before(inst);
    let wide = |index| builder.int_cast(inst.0.operand(index), i64_type, false);
    let (number, less) = (wide(0), wide(1));
    let umax = module.declare("llvm.umax.i64", i64_type.function(&[i64_type, i64_type]));
    let greater = builder.call(umax.ty(), umax.0, &[number, less]).0;
    let result = builder.binary(Op::SUB, greater, less);
    inst.0
        .replace_with(builder.int_cast(result, inst.0.ty(), false));
    inst.erase();
}

#[cfg(test)]
mod tests {
    use super::super::testing::{after, lines};
    use super::*;

    fn bounded(ty: &str, less: &str) -> String {
        after(
            &format!(
                "declare {ty} @llvm.usub.sat.{ty}({ty}, {ty})
                 define {ty} @f({ty} %n, {ty} %m) {{
                   %r = call {ty} @llvm.usub.sat.{ty}({ty} %n, {ty} {less})
                   ret {ty} %r
                 }}"
            ),
            bound,
        )
    }

    #[test]
    fn a_constant_is_taken_from_what_is_not_less() {
        let text = bounded("i64", "2");
        assert_eq!(lines(&text, "@llvm.umax.i64(i64 %n, i64 2)"), 1, "{text}");
        assert_eq!(lines(&text, "sub i64 %1, 2"), 1, "{text}");
        let text = bounded("i16", "-1");
        assert_eq!(lines(&text, "umax.i64(i64 %1, i64 65535)"), 1, "{text}");
        assert_eq!(lines(&text, "trunc i64"), 1, "{text}");
    }

    #[test]
    fn other_differences_stay() {
        let text = bounded("i64", "%m");
        assert_eq!(
            lines(&text, "@llvm.usub.sat.i64(i64 %n, i64 %m)"),
            1,
            "{text}"
        );
    }
}
