//! Whose source lines the object names.
//!
//! The object has room for one line for each instruction, and LLVM takes the innermost of the
//! functions that were inlined into each other. In Rust that is `core::ptr` nearly everywhere. What
//! helps whoever reads the verifier's log or a disassembly is the line they wrote themselves, from
//! which the library was called.

use crate::llvm::Module;

/// Moves instructions of inlined library code to the line of the user's code that they were inlined
/// into.
pub(super) fn prefer_the_users(module: Module) {
    for function in module.functions() {
        for inst in function.instructions() {
            inst.leave_libraries();
        }
    }
}
