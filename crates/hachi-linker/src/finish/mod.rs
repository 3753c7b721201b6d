//! From LLVM's relocatable objects to the one object that loaders open.
//!
//! LLVM's output is an object as a compiler leaves it: several sections of one name, references by
//! section and offset, mangled names, types the kernel refuses, debug information for debuggers.
//! The steps, each in a file of its own:
//!
//! | step | file |
//! |---|---|
//! | their order, as types | `states` |
//! | read the objects | `elf` |
//! | let jump tables refer to code | `jump_tables` |
//! | make one of them: merge sections, resolve symbols, collect types | `link` |
//! | note the kind of machine | `arch` |
//! | let references name functions and statics; find what is needed | `reach` |
//! | replace calls of magic symbols (docs/core-symbols.md) | `symbol`, `core_types`, `questions` |
//! | cut out what is not needed, insert longer instructions | `edit` |
//! | bring maps into libbpf's form | `maps` |
//! | log sites, names of statics, pointers in data, licence | `data` |
//! | names of functions, source lines, types of contexts | `info`, `names`, `context` |
//! | the functions that code was inlined through | `inlined` |
//! | put types right for the kernel, remove and merge them | `repair`, `heads`, `prune` |
//! | write the file, and check it | `write`, `check` |

mod arch;
mod check;
mod context;
mod core_types;
mod data;
mod edit;
mod elf;
mod fault;
mod heads;
mod info;
mod inlined;
mod jump_tables;
mod link;
mod maps;
mod names;
mod prune;
mod questions;
mod reach;
mod repair;
mod states;
mod symbol;
#[cfg(test)]
mod tests;
mod write;

use std::path::Path;

use link::Source;
use states::Linked;

use crate::{Code, Diagnostic, lines::LineTable, sources::Sources};

/// One relocatable object and what to call it when something is wrong with it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InputObject<'a> {
    /// The name that diagnostics use: a file name, or the crate's name for the object LLVM made.
    pub name: &'a str,
    /// The ELF file.
    pub data: &'a [u8],
    pub origin: Origin,
}

/// Who made an object, which says what may be done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// LLVM, from bitcode, in this link: raw material.
    Compiled,
    /// A compiler or linker before this one. Its data, names and sections mean something to those
    /// who use it, and stay as they are.
    Given,
}

/// Whether others are to link what comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leave {
    /// Loaders open it: it has all that it refers to, and nothing that nobody needs.
    Loadable,
    /// A further link takes it: it keeps every function that others can call, and may refer to what
    /// they define.
    Relocatable,
}

/// What code generation hands over.
pub(crate) struct FinishInput<'a> {
    /// Relocatable eBPF ELF objects: LLVM's own first, then ELF inputs such as clang's.
    pub objects: Vec<InputObject<'a>>,
    /// Exported symbols: programs, global functions, `license`, exported maps and globals. By the
    /// wanted names.
    pub entries: &'a [String],
    pub leave: Leave,
    /// Symbols LLVM had to be given another name for: (name in the object, name wanted).
    pub renames: &'a [(String, String)],
    /// The directory of the package being built (cargo's `CARGO_MANIFEST_DIR`): file names below it
    /// are kept relative to it in line information.
    pub package_dir: Option<&'a Path>,
    /// The kind of machine that the programs are for, as Rust spells it.
    pub arch: Option<&'a str>,
    /// What stands behind line numbers of the object LLVM made.
    pub lines: &'a LineTable,
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
pub(crate) fn finish(
    input: &FinishInput<'_>,
    files: &mut Sources,
) -> Result<Finished, Vec<Diagnostic>> {
    let mut errors = Vec::new();
    let mut objects = Vec::new();
    for (index, object) in input.objects.iter().enumerate() {
        match elf::read(object.data, index) {
            Ok(read) => objects.push(read),
            Err(reason) => errors.push(Diagnostic::error(
                Code::INPUT_MALFORMED,
                format!("`{}` {reason}", object.name),
            )),
        }
    }
    if objects.is_empty() && errors.is_empty() {
        errors.push(Diagnostic::error(
            Code::NO_PROGRAM,
            "there is nothing to link",
        ));
    }
    none(errors)?;
    let sources = input.objects.iter().map(|object| Source {
        name: object.name.to_owned(),
        origin: object.origin,
    });
    let mut warnings = Vec::new();
    let object = Linked::new(objects, sources.collect(), input, files)?
        .name()?
        .cut(input.entries, input.leave)?
        .show(&mut warnings)?
        .fit_types()
        .into_file(&mut warnings)?;
    Ok(Finished { object, warnings })
}

/// Goes on only without errors.
fn none(errors: Vec<Diagnostic>) -> Result<(), Vec<Diagnostic>> {
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors)
    }
}
