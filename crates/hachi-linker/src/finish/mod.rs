//! From LLVM's relocatable object to the object that loaders open.

use std::path::Path;

use crate::Diagnostic;

/// One relocatable object and what to call it when something is wrong with it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InputObject<'a> {
    /// The name that diagnostics use: a file name, or the crate's name for the object LLVM made.
    pub name: &'a str,
    /// The ELF file.
    pub data: &'a [u8],
}

/// What code generation hands over.
pub(crate) struct FinishInput<'a> {
    /// Relocatable eBPF ELF objects: LLVM's own first, then ELF inputs such as clang's.
    pub objects: Vec<InputObject<'a>>,
    /// Exported symbols: programs, global functions, `license`, exported maps and globals. By the wanted names.
    pub entries: &'a [String],
    /// Symbols LLVM had to be given another name for: (name in the object, name wanted).
    pub renames: &'a [(String, String)],
    /// The directory of the package being built (cargo's `CARGO_MANIFEST_DIR`): file names below it are kept
    /// relative to it in line information.
    pub package_dir: Option<&'a Path>,
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
            object: object.data.to_vec(),
            warnings: Vec::new(),
        }),
        _ => Err(vec![Diagnostic::error("exactly one object can be finished")]),
    }
}
