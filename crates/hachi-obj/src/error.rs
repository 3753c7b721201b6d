use std::fmt;

use hachi_btf::Endian;

/// Why an object could not be read or edited. Each names the part of the object concerned; the
/// file is for the caller to add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The bytes are no ELF file.
    NotElf {
        /// The first bytes, or what they look like.
        start: String,
    },
    /// ELF, but not for BPF.
    WrongMachine {
        /// The machine it is for.
        machine: String,
    },
    /// BPF, but not an object file.
    NotRelocatable {
        /// What it is.
        kind: &'static str,
    },
    /// ELF that contradicts itself, usually because it was cut short.
    BadElf {
        /// What is wrong, and where.
        what: String,
    },
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
        what: String,
    },
    /// A relocation that cannot be resolved.
    Relocation {
        /// Section with the code or data.
        section: String,
        /// Where, in bytes.
        offset: u64,
        /// The symbol referred to.
        symbol: String,
        /// What's wrong and what to do.
        why: String,
    },
    /// A program that makes no sense.
    Program {
        /// Its name.
        program: String,
        /// Its section.
        section: String,
        /// What's wrong.
        why: String,
    },
    /// A CO-RE record that cannot be resolved on this kernel.
    Core {
        /// The program.
        program: String,
        /// Which instruction, and the source line if that is known.
        place: String,
        /// What's wrong.
        source: Box<hachi_btf::core::CoreError>,
    },
    /// A CO-RE record whose answer does not fit the instruction it belongs to.
    CoreInsn {
        /// The program.
        program: String,
        /// Which instruction, and the source line if that is known.
        place: String,
        /// Why not.
        why: String,
    },
    /// The kernel's types cannot be read.
    KernelBtf {
        /// Why.
        source: hachi_btf::Error,
    },
    /// A map definition that makes no sense.
    Map {
        /// Its name.
        map: String,
        /// What's wrong.
        why: String,
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

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NotElf { start } => write!(
                f,
                "not an ELF object: it starts with {start}; expected a BPF object (.o) as a BPF compiler writes it"
            ),
            Error::WrongMachine { machine } => write!(
                f,
                "an ELF file for {machine}, not for BPF; build it with `hachi build`, or with clang's `--target=bpf`"
            ),
            Error::NotRelocatable { kind } => write!(
                f,
                "a BPF ELF file, but {kind} instead of a relocatable object; give the .o file that the linker wrote"
            ),
            Error::BadElf { what } => write!(
                f,
                "the ELF file is damaged or truncated: {what}; copy or build it again"
            ),
            Error::Btf { section, source } => write!(f, "section {section}: {source}"),
            Error::MissingBtf { what } => write!(
                f,
                "{what} needs type information, but the object has no .BTF section; build it with debug info (`-g` for clang, `debug = 2` for cargo; `hachi build` does it by itself) and don't strip it"
            ),
            Error::Relocation {
                section,
                offset,
                symbol,
                why,
            } => write!(
                f,
                "section {section}, offset {offset:#x}: relocation against '{symbol}': {why}"
            ),
            Error::Program {
                program,
                section,
                why,
            } => write!(f, "program '{program}' in section {section}: {why}"),
            Error::Core {
                program,
                place,
                source,
            } => write!(f, "program '{program}', {place}: {source}"),
            Error::CoreInsn {
                program,
                place,
                why,
            } => write!(
                f,
                "program '{program}', {place}: the instruction cannot be relocated: {why}"
            ),
            Error::KernelBtf { source } => write!(f, "the kernel's types: {source}"),
            Error::Map { map, why } => write!(f, "map '{map}': {why}"),
            Error::NoSuchProgram { name, existing } => write!(
                f,
                "no program '{name}' in the object; it has {}",
                list(existing)
            ),
            Error::AmbiguousProgram { name, programs } => write!(
                f,
                "'{name}' is a section with several programs ({}); use one of their names",
                list(programs)
            ),
            Error::NoSuchMap { name, existing } => write!(
                f,
                "no map '{name}' in the object; it has {}",
                list(existing)
            ),
            Error::NoSuchGlobal { name, existing } => write!(
                f,
                "no global variable '{name}' in the object; it has {}",
                list(existing)
            ),
            Error::GlobalSize { name, size, given } => write!(
                f,
                "global variable '{name}' has {size} bytes, the value given has {given}; use the type it has in the program"
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
            Error::KernelBtf { source } => Some(source),
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

fn list(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        names => names.join(", "),
    }
}

impl Error {
    pub(crate) fn elf(what: impl Into<String>) -> Error {
        Error::BadElf { what: what.into() }
    }

    pub(crate) fn map(map: &str, why: impl Into<String>) -> Error {
        Error::Map {
            map: map.to_owned(),
            why: why.into(),
        }
    }
}
