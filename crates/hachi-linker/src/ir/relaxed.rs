//! Relaxed atomic operations whose result the program uses.
//!
//! eBPF has two instructions for each: one that gives the old value and is a full barrier, and one
//! that gives none and orders nothing. LLVM (22, at least) takes the second for every operation
//! that is relaxed, and then the program finds the operand where the result should be. So one with
//! a result is ordered here, as the instruction is in any case.

use crate::llvm::{Module, Op, Ordering};

/// Orders each operation whose result is used.
pub(super) fn order_used(module: Module) {
    for function in module.functions() {
        for inst in function.instructions() {
            if inst.op() == Op::ATOMIC_RMW
                && inst.ordering() == Ordering::Relaxed
                && inst.0.is_used()
            {
                inst.order_fully();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::testing::{after, lines};

    #[test]
    fn an_operation_is_ordered_if_its_result_is_used() {
        let source = "define i32 @f(ptr %p) {
             %wide = atomicrmw add ptr %p, i64 1 monotonic
             %half = trunc i64 %wide to i32
             %unused = atomicrmw xor ptr %p, i64 2 monotonic
             %narrow = atomicrmw or ptr %p, i32 %half monotonic
             ret i32 %narrow
             }";
        let text = after(source, order_used);
        assert_eq!(lines(&text, "i64 1 seq_cst"), 1, "{text}");
        assert_eq!(lines(&text, "i32 %half seq_cst"), 1, "{text}");
        assert_eq!(lines(&text, "i64 2 monotonic"), 1, "{text}");
    }
}
