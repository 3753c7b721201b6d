//! What can be wrong with an object, as data; `Display` has the sentences.

mod elf;
mod map;
mod program;

use std::fmt;

use hachi_btf::Endian;

pub use elf::{ElfFault, ElfPart, FileKind, FileStart, Machine};
pub use map::{EntryTarget, MapFault, MapPart};
pub use program::{PatchFault, Place, ProgramFault, RelocationFault};

/// Why an object could not be read, edited or linked. Each names the part of the object concerned;
/// the file is for the caller to add.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are no ELF file.
    NotElf {
        /// What they look like.
        start: FileStart,
    },
    /// ELF, but not for BPF.
    WrongMachine {
        /// The machine it is for.
        machine: Machine,
    },
    /// BPF, but not an object file.
    NotRelocatable {
        /// What it is.
        kind: FileKind,
    },
    /// ELF that contradicts itself, usually because it was cut short.
    BadElf(ElfFault),
    /// `.BTF` or `.BTF.ext` cannot be read.
    Btf {
        /// The section.
        section: &'static str,
        /// Why.
        source: hachi_btf::Error,
    },
    /// Something needs BTF and there is none.
    MissingBtf {
        /// What needs it.
        by: BtfUser,
    },
    /// A relocation that cannot be resolved.
    Relocation {
        /// Section with the code or data.
        section: String,
        /// Where, in bytes.
        offset: u64,
        /// The symbol referred to.
        symbol: String,
        /// What is wrong.
        fault: RelocationFault,
    },
    /// A program or function that makes no sense.
    Program {
        /// Its name.
        program: String,
        /// Its section.
        section: String,
        /// What is wrong.
        fault: ProgramFault,
    },
    /// A CO-RE record that cannot be resolved on this kernel.
    Core {
        /// The program.
        program: String,
        /// The instruction.
        place: Place,
        /// What is wrong.
        source: Box<hachi_btf::core::CoreError>,
    },
    /// A CO-RE record whose answer does not fit the instruction it belongs to.
    CoreInsn {
        /// The program.
        program: String,
        /// The instruction.
        place: Place,
        /// Why not.
        fault: PatchFault,
    },
    /// A map definition that makes no sense.
    Map {
        /// Its name.
        map: String,
        /// What is wrong.
        fault: MapFault,
    },
    /// No program of this name.
    NoSuchProgram {
        /// The name asked for.
        name: String,
        /// The names there are.
        existing: Vec<String>,
    },
    /// A section name that stands for several programs.
    AmbiguousProgram {
        /// The name asked for.
        name: String,
        /// The programs in that section.
        programs: Vec<String>,
    },
    /// No map of this name.
    NoSuchMap {
        /// The name asked for.
        name: String,
        /// The names there are.
        existing: Vec<String>,
    },
    /// No global variable of this name.
    NoSuchGlobal {
        /// The name asked for.
        name: String,
        /// The names there are.
        existing: Vec<String>,
    },
    /// A value of another size than the variable.
    GlobalSize {
        /// The variable.
        name: String,
        /// Its size.
        size: u32,
        /// Size of the value given.
        given: usize,
    },
    /// The object is of the other byte order.
    WrongEndian {
        /// The object's order.
        object: Endian,
    },
}

/// What cannot do without type information.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BtfUser {
    /// Section `.maps`.
    Maps,
    /// CO-RE records.
    CoreRelos,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NotElf { start } => write!(
                f,
                "not an ELF object: it starts with {start}; \
                 expected a BPF object (.o) as a BPF compiler writes it"
            ),
            Error::WrongMachine { machine } => write!(
                f,
                "an ELF file for {machine}, not for BPF; \
                 build it with `hachi build`, or with clang's `--target=bpf`"
            ),
            Error::NotRelocatable { kind } => write!(
                f,
                "a BPF ELF file, but {kind} instead of a relocatable object; \
                 give the .o file that the linker wrote"
            ),
            Error::BadElf(fault) => write!(
                f,
                "the ELF file is damaged or truncated: {fault}; copy or build it again"
            ),
            Error::Btf { section, source } => write!(f, "section {section}: {source}"),
            Error::MissingBtf { by } => {
                f.write_str(match by {
                    BtfUser::Maps => "section .maps needs type information",
                    BtfUser::CoreRelos => "CO-RE records need type information",
                })?;
                f.write_str(
                    ", but the object has no .BTF section; build it with debug info (`-g` for \
                     clang, `debug = 2` for cargo; `hachi build` does it by itself) and don't \
                     strip it",
                )
            }
            Error::Relocation {
                section,
                offset,
                symbol,
                fault,
            } => {
                write!(f, "section {section}, offset {offset:#x}: ")?;
                match symbol.as_str() {
                    "" => write!(f, "a call inside the section: {fault}"),
                    symbol => write!(f, "relocation against '{symbol}': {fault}"),
                }
            }
            Error::Program {
                program,
                section,
                fault,
            } => write!(f, "program '{program}' in section {section}: {fault}"),
            Error::Core {
                program,
                place,
                source,
            } => write!(f, "program '{program}', {place}: {source}"),
            Error::CoreInsn {
                program,
                place,
                fault,
            } => write!(
                f,
                "program '{program}', {place}: the instruction cannot be relocated: {fault}"
            ),
            Error::Map { map, fault } => write!(f, "map '{map}': {fault}"),
            Error::NoSuchProgram { name, existing } => write!(
                f,
                "no program '{name}' in the object; it has {}",
                List(existing)
            ),
            Error::AmbiguousProgram { name, programs } => write!(
                f,
                "'{name}' is a section with several programs ({}); use one of their names",
                List(programs)
            ),
            Error::NoSuchMap { name, existing } => {
                write!(
                    f,
                    "no map '{name}' in the object; it has {}",
                    List(existing)
                )
            }
            Error::NoSuchGlobal { name, existing } => write!(
                f,
                "no global variable '{name}' in the object; it has {}",
                List(existing)
            ),
            Error::GlobalSize { name, size, given } => write!(
                f,
                "global variable '{name}' has {size} bytes, the value given has {given}; \
                 use the type it has in the program"
            ),
            Error::WrongEndian { object } => write!(
                f,
                "the object is {object}, this machine is {}; build it for {}",
                Endian::NATIVE,
                native_target()
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Btf { source, .. } => Some(source),
            Error::Core { source, .. } => Some(&**source),
            Error::Map {
                fault: MapFault::Types(source),
                ..
            } => Some(source),
            _ => None,
        }
    }
}

fn native_target() -> &'static str {
    match Endian::NATIVE {
        Endian::Little => "bpfel-unknown-none",
        Endian::Big => "bpfeb-unknown-none",
    }
}

/// Names, or `none`.
struct List<'l>(&'l [String]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => f.write_str("none"),
            names => f.write_str(&names.join(", ")),
        }
    }
}

impl Error {
    pub(crate) fn map(map: &str, fault: MapFault) -> Error {
        Error::Map {
            map: map.to_owned(),
            fault,
        }
    }
}

impl From<ElfFault> for Error {
    fn from(fault: ElfFault) -> Error {
        Error::BadElf(fault)
    }
}
