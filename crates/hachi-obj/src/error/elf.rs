use std::fmt;

use hachi_btf::Endian;

/// What is wrong with an ELF file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ElfFault {
    /// A part cannot be read.
    Unreadable {
        /// Which.
        part: ElfPart,
        /// What the reader of ELF files says.
        reason: String,
    },
    /// The file ends within its header.
    NoHeader,
    /// A name is not UTF-8.
    Name {
        /// Of what.
        of: ElfPart,
    },
    /// A symbol, or relocations, of a section that does not exist.
    NoSuchSection {
        /// What refers to it.
        by: ElfPart,
    },
    /// Relocations against a symbol that does not exist.
    NoSuchSymbol {
        /// What refers to it.
        by: ElfPart,
    },
    /// Relocations of a place that no section has.
    Beyond4GiB {
        /// Which.
        by: ElfPart,
    },
    /// Section `license` is not a NUL-terminated string of less than 128 bytes.
    License,
    /// The file and its `.BTF` have different byte orders.
    ByteOrder {
        /// The file's.
        file: Endian,
        /// That of its types.
        btf: Endian,
    },
    /// A section of global variables is larger than the kernel allows.
    SectionSize {
        /// Its name.
        section: String,
        /// Its size in bytes.
        size: u64,
    },
    /// Variables in an arena, and no map that is one.
    NoArena {
        /// The section they are in.
        section: String,
    },
    /// Two sections of global variables with one name.
    TwoSections {
        /// Their name.
        section: String,
    },
}

/// A part of an ELF file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ElfPart {
    /// The header and the tables it refers to.
    Header,
    /// A section, by number.
    Section(usize),
    /// A symbol, by number.
    Symbol(usize),
    /// A section of relocations, by number.
    Relocations(usize),
}

impl fmt::Display for ElfPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ElfPart::Header => f.write_str("header"),
            ElfPart::Section(number) => write!(f, "section {number}"),
            ElfPart::Symbol(number) => write!(f, "symbol {number}"),
            ElfPart::Relocations(number) => write!(f, "relocation section {number}"),
        }
    }
}

impl fmt::Display for ElfFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ElfFault::Unreadable {
                part: ElfPart::Header,
                reason,
            } => f.write_str(reason),
            ElfFault::Unreadable { part, reason } => write!(f, "{part}: {reason}"),
            ElfFault::NoHeader => f.write_str("its header is cut short"),
            ElfFault::Name { of } => write!(f, "the name of {of} is not UTF-8"),
            ElfFault::NoSuchSection { by } => {
                write!(f, "{by} refers to a section that does not exist")
            }
            ElfFault::NoSuchSymbol { by } => {
                write!(f, "{by} refers to a symbol that does not exist")
            }
            ElfFault::Beyond4GiB { by } => write!(f, "{by} refers to a place beyond 4 GiB"),
            ElfFault::License => {
                f.write_str("section license is not a NUL-terminated string of less than 128 bytes")
            }
            ElfFault::ByteOrder { file, btf } => write!(f, "the file is {file}, its .BTF is {btf}"),
            ElfFault::SectionSize { section, size } => {
                write!(f, "section {section} has {size} bytes")
            }
            ElfFault::NoArena { section } => write!(
                f,
                "section {section} needs a map of type arena, and there is none"
            ),
            ElfFault::TwoSections { section } => {
                write!(f, "there are two sections named {section}")
            }
        }
    }
}

/// What a file that isn't ELF seems to be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileStart {
    /// Nothing.
    Empty,
    /// LLVM bitcode.
    Bitcode,
    /// An archive of objects.
    Archive,
    /// A script.
    Script,
    /// These bytes, up to four.
    Bytes(Vec<u8>),
}

impl FileStart {
    pub(crate) fn of(bytes: &[u8]) -> FileStart {
        match bytes {
            [] => FileStart::Empty,
            [b'B', b'C', 0xc0, 0xde, ..] => FileStart::Bitcode,
            [b'!', b'<', b'a', b'r', b'c', b'h', b'>', ..] => FileStart::Archive,
            [b'#', b'!', ..] => FileStart::Script,
            _ => FileStart::Bytes(bytes.iter().take(4).copied().collect()),
        }
    }
}

impl fmt::Display for FileStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FileStart::Empty => "nothing: the file is empty",
            FileStart::Bitcode => "\"BC\": LLVM bitcode, which hachi-linker turns into an object",
            FileStart::Archive => "\"!<arch>\": an archive",
            FileStart::Script => "\"#!\": a script",
            FileStart::Bytes(bytes) => {
                let hex: Vec<String> = bytes.iter().map(|b| format!("{b:02x}")).collect();
                return f.write_str(&hex.join(" "));
            }
        })
    }
}

/// The machine that an ELF file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Machine {
    /// One of 32 bits.
    Bits32,
    /// Another, by its number in ELF.
    Number(u16),
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use object::elf;
        let number = match self {
            Machine::Bits32 => return f.write_str("a 32-bit machine"),
            Machine::Number(number) => *number,
        };
        f.write_str(match elf::Machine(number) {
            elf::EM_X86_64 => "x86-64",
            elf::EM_AARCH64 => "AArch64",
            elf::EM_RISCV => "RISC-V",
            elf::EM_S390 => "s390",
            elf::EM_PPC64 => "PowerPC 64",
            elf::EM_LOONGARCH => "LoongArch",
            _ => return write!(f, "machine {number}"),
        })
    }
}

/// A kind of ELF file other than an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKind {
    /// An executable.
    Executable,
    /// A shared library.
    SharedLibrary,
    /// Another, by its number in ELF.
    Other(u16),
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileKind::Executable => f.write_str("an executable"),
            FileKind::SharedLibrary => f.write_str("a shared library"),
            FileKind::Other(number) => write!(f, "of the unknown type {number}"),
        }
    }
}
