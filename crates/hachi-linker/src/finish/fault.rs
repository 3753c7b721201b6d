//! What keeps an object from being linked with others.

use std::fmt;

/// What is wrong with an object, or with it beside the others. `Display` is what follows its name:
/// "is no 64-bit ELF file".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ObjectFault {
    NotElf64,
    /// Not for eBPF: the number of its machine.
    Machine(u16),
    NotRelocatable,
    /// What the reader of ELF files says of a part that cannot be read.
    Malformed(object::Error),
    /// A name that is not UTF-8.
    Name(Named),
    SectionSize {
        section: String,
        size: u64,
    },
    Alignment {
        section: String,
        align: u64,
    },
    ThreadLocal {
        section: String,
    },
    /// `int x;` of C before GCC 10, which is not in any section.
    CommonSymbol {
        symbol: String,
    },
    SymbolBeyond {
        symbol: String,
        section: String,
    },
    /// Relocations with addends, of code or data that is kept.
    Rela,
    RelocationSymbol,
    Relocation {
        kind: u32,
        offset: u64,
    },
    JumpTable {
        table: String,
        address: u64,
        size: u64,
    },
    JumpOutside {
        table: String,
        section: String,
    },
    /// With the objects before it, a section grows beyond what relocations can reach.
    SumOfSections {
        section: String,
    },
    /// One section of zeros here and of data elsewhere, too large to write the zeros out.
    ZerosAmongData {
        section: String,
        size: u64,
    },
}

/// What has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    Section,
    Symbol,
}

impl fmt::Display for ObjectFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ObjectFault::NotElf64 => f.write_str("is no 64-bit ELF file"),
            ObjectFault::Machine(number) => write!(f, "is for machine {number}, not for eBPF"),
            ObjectFault::NotRelocatable => f.write_str("is no relocatable object"),
            ObjectFault::Malformed(error) => write!(f, "is malformed: {error}"),
            ObjectFault::Name(Named::Section) => {
                f.write_str("has a section name that is not UTF-8")
            }
            ObjectFault::Name(Named::Symbol) => f.write_str("has a symbol name that is not UTF-8"),
            ObjectFault::SectionSize { section, size } => {
                write!(f, "has a section `{section}` of {size} bytes")
            }
            ObjectFault::Alignment { section, align } => {
                write!(f, "aligns section `{section}` to {align} bytes")
            }
            ObjectFault::ThreadLocal { section } => write!(
                f,
                "has thread-local data (section `{section}`), which eBPF lacks"
            ),
            ObjectFault::CommonSymbol { symbol } => write!(
                f,
                "has the common symbol `{symbol}`; compile with -fno-common"
            ),
            ObjectFault::SymbolBeyond { symbol, section } => write!(
                f,
                "has the symbol `{symbol}` reaching beyond section `{section}`"
            ),
            ObjectFault::Rela => {
                f.write_str("has relocations of a kind (RELA) that eBPF does not use")
            }
            ObjectFault::RelocationSymbol => {
                f.write_str("has a relocation against a symbol that is not there")
            }
            ObjectFault::Relocation { kind, offset } => write!(
                f,
                "has a relocation of kind {kind} at offset {offset} that makes no sense"
            ),
            ObjectFault::JumpTable {
                table,
                address,
                size,
            } => write!(
                f,
                "has a jump table `{table}` of {size} bytes at {address:#x}; its numbers have 8 \
                 bytes each"
            ),
            ObjectFault::JumpOutside { table, section } => write!(
                f,
                "has a jump table `{table}` that leads out of section `{section}`"
            ),
            ObjectFault::SumOfSections { section } => {
                write!(f, "makes section `{section}` larger than 4 GiB")
            }
            ObjectFault::ZerosAmongData { section, size } => write!(
                f,
                "has both zero-filled and other data in section `{section}`, {size} bytes in all"
            ),
        }
    }
}

impl From<object::Error> for ObjectFault {
    fn from(error: object::Error) -> Self {
        ObjectFault::Malformed(error)
    }
}
