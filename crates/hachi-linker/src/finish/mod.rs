//! From LLVM's relocatable object to the object that loaders open.

use crate::Diagnostic;

/// What code generation hands over.
pub(crate) struct FinishInput<'a> {
    /// Relocatable eBPF ELF objects: LLVM's own first, then ELF inputs such as clang's.
    pub objects: Vec<&'a [u8]>,
    /// Exported symbols: programs, global functions, `license`, exported maps and globals. By the wanted names.
    pub entries: &'a [String],
    /// Symbols LLVM had to be given another name for: (name in the object, name wanted).
    pub renames: &'a [(String, String)],
}

/// The object and what to tell about it.
pub(crate) struct Finished {
    /// The final ELF file.
    pub object: Vec<u8>,
    /// Warnings (never errors).
    pub warnings: Vec<Diagnostic>,
}

/// Turns relocatable objects into the one object that loaders open.
///
/// # Errors
/// Every reason found why that cannot be done; at least one.
pub(crate) fn finish(input: &FinishInput<'_>) -> Result<Finished, Vec<Diagnostic>> {
    match input.objects.as_slice() {
        [object] => Ok(Finished {
            object: object.to_vec(),
            warnings: Vec::new(),
        }),
        _ => Err(vec![Diagnostic::error("exactly one object can be finished")]),
    }
}
