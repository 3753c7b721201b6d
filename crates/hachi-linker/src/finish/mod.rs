//! From LLVM's relocatable objects to the one object that loaders open.
//!
//! LLVM's output is an object as a compiler leaves it: several sections of one name, references by
//! section and offset, mangled names, types the kernel refuses, debug information for debuggers.
//! The steps, each in a file of its own:
//!
//! | step | file |
//! |---|---|
//! | read the objects | `elf` |
//! | make one of them: merge sections, resolve symbols, collect types | `link` |
//! | let references name functions and statics; find what is needed | `reach` |
//! | replace calls of magic symbols (`docs/core-symbols.md`) | `symbol`, `core_types`, `questions` |
//! | cut out what is not needed, insert longer instructions | `edit` |
//! | bring maps into libbpf's form | `maps` |
//! | log sites, names of statics, pointers in data, licence | `data` |
//! | names of functions, source lines, types of contexts | `info`, `names`, `context` |
//! | put types right for the kernel, remove and merge them | `repair`, `prune` |
//! | write the file, and check it | `write`, `check` |

mod check;
mod context;
mod core_types;
mod data;
mod edit;
mod elf;
mod info;
mod link;
mod maps;
mod names;
mod prune;
mod questions;
mod reach;
mod repair;
mod symbol;
#[cfg(test)]
mod tests;
mod write;

use std::path::Path;

use edit::EditError;
use elf::Binding;
use link::{Source, Unit};

use crate::{Code, Diagnostic};

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

/// What code generation hands over.
pub(crate) struct FinishInput<'a> {
    /// Relocatable eBPF ELF objects: LLVM's own first, then ELF inputs such as clang's.
    pub objects: Vec<InputObject<'a>>,
    /// Exported symbols: programs, global functions, `license`, exported maps and globals. By the
    /// wanted names.
    pub entries: &'a [String],
    /// Symbols LLVM had to be given another name for: (name in the object, name wanted).
    pub renames: &'a [(String, String)],
    /// The directory of the package being built (cargo's `CARGO_MANIFEST_DIR`): file names below it
    /// are kept relative to it in line information.
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
    let mut unit = Unit::link(objects, sources.collect())?;
    let mut warnings = Vec::new();

    for symbol in unit
        .symbols
        .iter_mut()
        .filter(|s| s.binding != Binding::Local)
    {
        if let Some((_, wanted)) = input.renames.iter().find(|(name, _)| *name == symbol.name) {
            symbol.name.clone_from(wanted);
        }
    }
    unit.shorten_files(input.package_dir);
    unit.symbolise()?;
    let mut edits = unit.unneeded(input.entries);
    unit.answer(&mut edits)?;
    for (section, edits) in edits.into_iter().enumerate() {
        unit.edit(section, edits)
            .map_err(|error| vec![unit.explain(section, error)])?;
    }
    none(unit.refuse_undefined())?;

    unit.resolve_log_sites()?;
    unit.forget_removed();
    unit.finish_maps()?;
    unit.refuse_pointers(&mut warnings)?;
    unit.name_statics(&mut warnings);
    unit.name_functions();
    unit.type_contexts();
    unit.finish_lines();
    unit.check_license(&mut warnings);

    unit.prune_types();
    unit.repair_types();
    unit.merge_equal_types();
    unit.fill_local_ids();

    none(unit.check_references(&mut warnings))?;
    unit.desymbolise();
    let info = unit.info()?;
    none(check::check_types(&info.types))?;
    let object = unit.write(&info);
    none(unit.check_file(&object))?;
    Ok(Finished { object, warnings })
}

impl Unit {
    /// Why a section could not be changed.
    fn explain(&self, section: usize, error: EditError) -> Diagnostic {
        match error {
            EditError::TooFar { offset } => {
                let error =
                    Diagnostic::error(Code::JUMP_TOO_FAR, "a jump is too far for its instruction")
                        .help("split the function, or build with cpu v4, which has longer jumps");
                self.locate(error, section, offset)
            }
            EditError::Torn { symbol } => check::defect(format_args!(
                "part of `{}` in `{}` would be missing",
                names::display(&self.symbols[symbol].name),
                self.sections[section].name
            )),
        }
    }
}

/// Goes on only without errors.
fn none(errors: Vec<Diagnostic>) -> Result<(), Vec<Diagnostic>> {
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors)
    }
}
