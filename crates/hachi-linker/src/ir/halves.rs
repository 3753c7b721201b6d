//! What is left when half is taken away, in a form that the verifier can bound.
//!
//! A binary search halves what it searches: `size -= size / 2`. The verifier does not relate the
//! two numbers, so to it the size need not become less, and the search need not end. The other half
//! and the bit that was lost in halving are the same, and at most half of what there was.

use super::pins;
use crate::llvm::{Inst, Module, Op};

/// Rewrites all functions. To be done when nothing optimises any more.
pub(super) fn add_up(module: Module) {
    for function in module.functions() {
        for inst in function.instructions() {
            if takes_half_away(inst) {
                let builder = module.context.builder().before(inst);
                let (whole, half) = (inst.0.operand(0), inst.0.operand(1));
                let odd = builder.binary(Op::AND, whole, inst.0.ty().number(1));
                inst.0.replace_with(builder.binary(Op::ADD, half, odd));
                inst.erase();
            }
        }
    }
}

fn takes_half_away(inst: Inst) -> bool {
    if inst.op() != Op::SUB || !(1..=64).contains(&inst.0.ty().int_bits()) {
        return false;
    }
    let half = pins::seen_through(inst.0.operand(1)).as_inst();
    half.is_some_and(|half| {
        half.op() == Op::LSHR
            && half.0.operand(1).as_u64() == Some(1)
            && half.0.ty() == inst.0.ty()
            && pins::seen_through(half.0.operand(0)) == pins::seen_through(inst.0.operand(0))
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{after, lines};
    use super::*;

    fn left(body: &str) -> String {
        after(
            &format!(
                "define i64 @f(i64 %n, i64 %m) {{
                   {body}
                   ret i64 %r
                 }}"
            ),
            add_up,
        )
    }

    #[test]
    fn the_other_half_is_added_up() {
        let text = left("%h = lshr i64 %n, 1\n%r = sub i64 %n, %h");
        assert_eq!(lines(&text, "and i64 %n, 1"), 1, "{text}");
        assert_eq!(lines(&text, "add i64 %h, %1"), 1, "{text}");
        let text = left(
            "%p = call i64 asm \"\", \"=r,0\"(i64 %n)
             %h = lshr i64 %p, 1
             %r = sub i64 %n, %h",
        );
        assert_eq!(lines(&text, "sub"), 0, "{text}");
    }

    #[test]
    fn other_differences_stay() {
        for body in [
            "%h = lshr i64 %m, 1\n%r = sub i64 %n, %h",
            "%h = lshr i64 %n, 2\n%r = sub i64 %n, %h",
            "%h = ashr i64 %n, 1\n%r = sub i64 %n, %h",
        ] {
            assert_eq!(lines(&left(body), "sub i64 %n, %h"), 1, "{body}");
        }
    }
}
