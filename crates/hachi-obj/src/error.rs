use hachi_btf::Endian;

/// Why an object could not be read or edited. Each names the part of the object concerned; the
/// file is for the caller to add.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes are no ELF file.
    #[error(
        "not an ELF object: it starts with {start}; expected a BPF object (.o) as a BPF compiler writes it"
    )]
    NotElf {
        /// The first bytes, or what they look like.
        start: String,
    },
    /// ELF, but not for BPF.
    #[error(
        "an ELF file for {machine}, not for BPF; build it with `hachi build`, or with clang's `--target=bpf`"
    )]
    WrongMachine {
        /// The machine it is for.
        machine: String,
    },
    /// BPF, but not an object file.
    #[error(
        "a BPF ELF file, but {kind} instead of a relocatable object; give the .o file that the linker wrote"
    )]
    NotRelocatable {
        /// What it is.
        kind: &'static str,
    },
    /// ELF that contradicts itself, usually because it was cut short.
    #[error("the ELF file is damaged or truncated: {what}; copy or build it again")]
    BadElf {
        /// What is wrong, and where.
        what: String,
    },
    /// `.BTF` or `.BTF.ext` cannot be read.
    #[error("section {section}: {source}")]
    Btf {
        /// The section.
        section: &'static str,
        /// Why.
        source: hachi_btf::Error,
    },
    /// Something needs BTF and there is none.
    #[error(
        "{what} needs type information, but the object has no .BTF section; build it with debug info (`-g` for clang, `debug = 2` for cargo; `hachi build` does it by itself) and don't strip it"
    )]
    MissingBtf {
        /// What needs it.
        what: String,
    },
    /// A relocation that cannot be resolved.
    #[error("section {section}, offset {offset:#x}: relocation against '{symbol}': {why}")]
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
    #[error("program '{program}' in section {section}: {why}")]
    Program {
        /// Its name.
        program: String,
        /// Its section.
        section: String,
        /// What's wrong.
        why: String,
    },
    /// A CO-RE record that cannot be resolved on this kernel.
    #[error("program '{program}', {place}: {source}")]
    Core {
        /// The program.
        program: String,
        /// Which instruction, and the source line if that is known.
        place: String,
        /// What's wrong.
        source: Box<hachi_btf::core::CoreError>,
    },
    /// A CO-RE record whose answer does not fit the instruction it belongs to.
    #[error("program '{program}', {place}: the instruction cannot be relocated: {why}")]
    CoreInsn {
        /// The program.
        program: String,
        /// Which instruction, and the source line if that is known.
        place: String,
        /// Why not.
        why: String,
    },
    /// The kernel's types cannot be read.
    #[error("the kernel's types: {source}")]
    KernelBtf {
        /// Why.
        source: hachi_btf::Error,
    },
    /// A map definition that makes no sense.
    #[error("map '{map}': {why}")]
    Map {
        /// Its name.
        map: String,
        /// What's wrong.
        why: String,
    },
    /// No program of this name.
    #[error("no program '{name}' in the object; it has {}", list(.existing))]
    NoSuchProgram {
        /// The name asked for.
        name: String,
        /// The names there are.
        existing: Vec<String>,
    },
    /// A section name that stands for several programs.
    #[error("'{name}' is a section with several programs ({}); use one of their names", list(.programs))]
    AmbiguousProgram {
        /// The name asked for.
        name: String,
        /// The programs in that section.
        programs: Vec<String>,
    },
    /// No map of this name.
    #[error("no map '{name}' in the object; it has {}", list(.existing))]
    NoSuchMap {
        /// The name asked for.
        name: String,
        /// The names there are.
        existing: Vec<String>,
    },
    /// No global variable of this name.
    #[error("no global variable '{name}' in the object; it has {}", list(.existing))]
    NoSuchGlobal {
        /// The name asked for.
        name: String,
        /// The names there are.
        existing: Vec<String>,
    },
    /// A value of another size than the variable.
    #[error(
        "global variable '{name}' has {size} bytes, the value given has {given}; use the type it has in the program"
    )]
    GlobalSize {
        /// The variable.
        name: String,
        /// Its size.
        size: u32,
        /// Size of the value given.
        given: usize,
    },
    /// The object is of the other byte order.
    #[error(
        "the object is {object}, this machine is {}; build it for {}",
        Endian::NATIVE,
        native_target()
    )]
    WrongEndian {
        /// The object's order.
        object: Endian,
    },
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
