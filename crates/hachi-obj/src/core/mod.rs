//! CO-RE: programs adjusted to the types of a kernel.
//!
//! Plain data in, plain data out: the kernel's types are given, nothing is asked of the system.
//! What each record becomes is [`hachi_btf::core`]'s business; here it is written into
//! instructions.

mod patch;

use std::fmt;

use hachi_btf::Btf;
use hachi_btf::core::{CoreError, Missing, Modules, Outcome, Resolver};
use hachi_btf::ext::CoreReloKind;

use crate::{Error, Extern, ProgramSpec, Spec};

pub use patch::{POISON, POISON_KFUNC, poison_kfunc};

/// An instruction that asks for something the kernel does not have. It was replaced by one that the
/// verifier refuses if it can be reached ([`POISON`], [`POISON_KFUNC`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Poisoned {
    /// Its slot.
    pub insn: usize,
    /// What it asks for.
    pub missing: Absent,
}

/// What the kernel does not have. `Display` says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Absent {
    /// A type, field or enumerator.
    Type(Missing),
    /// A kernel function of this name (and of the type that the program declares).
    Kfunc(String),
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Absent::Type(missing) => missing.fmt(f),
            Absent::Kfunc(name) => write!(
                f,
                "kernel function `{name}` does not exist on this kernel, or is of another type there"
            ),
        }
    }
}

/// The object's side of CO-RE and of typed externs: the types they refer to.
///
/// Apart from the [`Spec`], because the types must stay as they are in the object, whatever becomes
/// of those that are loaded into the kernel.
#[derive(Debug, Clone)]
pub struct CoreTypes {
    bytes: Vec<u8>,
}

impl CoreTypes {
    /// `None` if there are no types, or nobody asks for them: no program has CO-RE records, and
    /// there are no typed externs.
    ///
    /// # Errors
    /// If the object's types cannot be encoded.
    pub fn of(spec: &Spec) -> Result<Option<CoreTypes>, Error> {
        let Some(btf) = &spec.btf else {
            return Ok(None);
        };
        let relocated = spec.programs.iter().any(|p| !p.core_relos.is_empty());
        if !relocated && !spec.externs.iter().any(Extern::is_typed) {
            return Ok(None);
        }
        let bytes = btf.encode(spec.endian).map_err(|source| Error::Btf {
            section: ".BTF",
            source,
        })?;
        Ok(Some(CoreTypes { bytes }))
    }

    /// The types, to which the records of the object's programs refer.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn types(&self) -> Result<Btf<'_>, Error> {
        Btf::parse(&self.bytes).map_err(|source| Error::Btf {
            section: ".BTF",
            source,
        })
    }

    /// Rewrites the program's instructions for a kernel with the types `kernel` and, for types it
    /// lacks itself, those of its `modules`; removes its CO-RE records and notes what is missing in
    /// [`ProgramSpec::poisoned`]. `kernel` may be `None` if the program does not need it
    /// ([`ProgramSpec::needs_kernel_types`]).
    ///
    /// # Errors
    /// If a record makes no sense, has no unambiguous answer, or its answer does not fit the
    /// instruction. The program is unchanged then.
    pub fn relocate<'t>(
        &self,
        program: &mut ProgramSpec,
        kernel: Option<&'t Btf<'t>>,
        modules: Modules<'_, 't>,
    ) -> Result<(), Error> {
        let local = self.types()?;
        let mut resolver = Resolver::new(&local, kernel, modules);
        let mut insns = program.insns.clone();
        let mut poisoned = Vec::new();
        for relo in &program.core_relos {
            let at = relo.insn_off as usize;
            let failed = |source: CoreError| Error::Core {
                program: program.name.clone(),
                place: program.place(at),
                source: Box::new(source),
            };
            let missing = match resolver.resolve(relo.borrowed()).map_err(failed)? {
                Outcome::Value(value) => patch::apply(&mut insns, at, &value)
                    .map_err(|why| Error::CoreInsn {
                        program: program.name.clone(),
                        place: program.place(at),
                        why,
                    })?
                    .map(|reason| resolver.missing(relo.borrowed(), reason))
                    .transpose()
                    .map_err(failed)?,
                Outcome::Missing(missing) => Some(missing),
            };
            if let Some(missing) = missing {
                patch::poison(&mut insns, at);
                poisoned.push(Poisoned {
                    insn: at,
                    missing: Absent::Type(missing),
                });
            }
        }
        program.insns = insns;
        program.poisoned = poisoned;
        program.core_relos.clear();
        Ok(())
    }
}

impl Spec {
    /// Adjusts all programs to a kernel with the types `kernel` and, for those it lacks itself, of
    /// its `modules` (split BTF on top of `kernel`).
    ///
    /// A program that asks for what the kernel does not have is still relocated: see
    /// [`ProgramSpec::poisoned`].
    ///
    /// # Errors
    /// As [`CoreTypes::relocate`]; programs before the one that failed have been changed.
    pub fn relocate(&mut self, kernel: &Btf<'_>, modules: &[&Btf<'_>]) -> Result<(), Error> {
        let Some(types) = CoreTypes::of(self)? else {
            return Ok(());
        };
        let modules = || modules.to_vec();
        for program in &mut self.programs {
            types.relocate(program, Some(kernel), &modules)?;
        }
        Ok(())
    }
}

impl ProgramSpec {
    /// Whether it has CO-RE records that ask the kernel for something, so that the kernel's types
    /// are needed to load it.
    pub fn needs_kernel_types(&self) -> bool {
        let mut kinds = self.core_relos.iter().map(|relo| relo.kind);
        kinds.any(|kind| kind != CoreReloKind::TypeIdLocal)
    }

    /// Where instruction `insn` comes from, for messages: `instruction 12 (src/main.rs:40)`.
    fn place(&self, insn: usize) -> String {
        match self.line_at(insn) {
            Some(line) => format!("instruction {insn} ({}:{})", line.file, line.line),
            None => format!("instruction {insn}"),
        }
    }
}
