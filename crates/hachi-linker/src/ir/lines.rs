//! Whose source lines the object names.
//!
//! The object has room for one line for each instruction, and LLVM takes the innermost of the
//! functions that were inlined into each other. In Rust that is `core::ptr` nearly everywhere. What
//! helps the reader of a verifier's log or a disassembly is the line they wrote themselves, from
//! which the library was called. The others are kept as well (`crate::lines`).

use crate::{
    lines::LineTable,
    llvm::{LineNumbers, Module},
};

/// Moves instructions of inlined library code to the line of the user's code that they were inlined
/// into, and replaces each line number by the number of an entry in the table.
pub(super) fn number(module: Module) -> LineTable {
    let mut numbers = LineNumbers::new(module.context);
    for function in module.functions() {
        for inst in function.instructions() {
            numbers.number(inst);
        }
    }
    numbers.table
}
