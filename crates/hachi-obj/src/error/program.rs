use std::fmt;

/// What is wrong with a relocation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RelocationFault {
    /// It does not apply to a whole instruction.
    InsideInstruction,
    /// The function ends in the middle of its instruction.
    CutShort,
    /// Its instruction has another one.
    Twice,
    /// Its instruction is neither a call nor a `ld_imm64`.
    Opcode {
        /// The instruction's opcode.
        code: u8,
    },
    /// The symbol lies in no section.
    NoSection,
    /// No function begins where it leads.
    NoFunction {
        /// The section it leads to.
        section: String,
    },
    /// It leads out of a section of global variables.
    OutsideSection {
        /// The section's name.
        section: String,
    },
    /// It leads to a section of other things than maps, variables and code.
    NothingThere {
        /// The section's name.
        section: String,
    },
    /// It leads to a jump table that is cut short, or that leads out of the function.
    JumpTable,
    /// A function that the object does not define is called.
    UndefinedFunction,
    /// A variable or map that the object does not define is used.
    UndefinedVariable,
    /// A variable of the kernel is called as a function.
    VariableCalled,
    /// An initial value of a map is neither a map nor a program.
    InitialValue {
        /// The map.
        map: String,
    },
    /// A member of a map's definition other than `values` is set to an address.
    MapMember {
        /// The map.
        map: String,
    },
    /// A configuration option is declared with a type that cannot hold one.
    OptionType {
        /// The type, as C writes it.
        ty: String,
    },
}

impl fmt::Display for RelocationFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RelocationFault::InsideInstruction => "it does not apply to a whole instruction",
            RelocationFault::CutShort => {
                "the function ends in the middle of the instruction; the object is damaged"
            }
            RelocationFault::Twice => "the instruction has two relocations",
            RelocationFault::Opcode { code } => {
                return write!(
                    f,
                    "opcode {code:#04x} cannot be relocated, only calls and 64-bit constants can"
                );
            }
            RelocationFault::NoSection => "the symbol lies in no section",
            RelocationFault::NoFunction { section } => {
                return write!(f, "no function begins at that place of section {section}");
            }
            RelocationFault::OutsideSection { section } => {
                return write!(f, "its place lies outside section {section}");
            }
            RelocationFault::NothingThere { section } => {
                return write!(
                    f,
                    "section {section} holds neither maps, nor global variables, nor code"
                );
            }
            RelocationFault::JumpTable => {
                "the jump table is cut short, or leads out of the function; the object is damaged"
            }
            RelocationFault::UndefinedFunction => {
                "the function is defined in another object; link them (`hachi ld`), or declare it \
                 as a kernel function (`__ksym`)"
            }
            RelocationFault::UndefinedVariable => {
                "it is defined in another object; link them (`hachi ld`), or declare a variable of \
                 the kernel as `__ksym`, an option as `__kconfig`"
            }
            RelocationFault::VariableCalled => "a variable of the kernel is called as a function",
            RelocationFault::InitialValue { map } => {
                return write!(
                    f,
                    "an initial value of map '{map}' must be the address of a global map or program"
                );
            }
            RelocationFault::MapMember { map } => {
                return write!(
                    f,
                    "map '{map}' sets a member other than `values` to an address, which means \
                     nothing"
                );
            }
            RelocationFault::OptionType { ty } => {
                return write!(
                    f,
                    "a value of type '{ty}' cannot hold a configuration option; use an integer, \
                     bool, char array or enum libbpf_tristate"
                );
            }
        })
    }
}

/// What is wrong with a program or function.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProgramFault {
    /// It overlaps the next function.
    Overlaps,
    /// It is empty, or reaches past the end of its section.
    PastEnd,
    /// It begins or ends in the middle of an instruction.
    Unaligned,
    /// With the functions it calls it has more instructions than a kernel takes.
    TooLong {
        /// How many a kernel takes.
        limit: u32,
    },
    /// A tag names an exception callback that the object does not have as a global function.
    NoExceptionCallback {
        /// The name in the tag.
        name: String,
    },
    /// It calls functions of more modules than the kernel can number.
    TooManyModules,
    /// It jumps through a table, and its surroundings have no maps of instructions.
    JumpTables,
    /// A relocation lies beyond its end.
    RelocationBeyond {
        /// Slot of the relocation.
        insn: usize,
    },
}

impl fmt::Display for ProgramFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProgramFault::Overlaps => {
                f.write_str("it overlaps the next function; the object is damaged")
            }
            ProgramFault::PastEnd => {
                f.write_str("it is empty, or reaches past the end of the section")
            }
            ProgramFault::Unaligned => f.write_str("it is not a whole number of instructions"),
            ProgramFault::TooLong { limit } => write!(
                f,
                "with the functions it calls it has more than {limit} instructions, which is what \
                 the kernel allows"
            ),
            ProgramFault::NoExceptionCallback { name } => write!(
                f,
                "its tag names the exception callback '{name}', and the object has no global \
                 function of that name"
            ),
            ProgramFault::TooManyModules => {
                f.write_str("it calls functions of more than 32767 modules")
            }
            ProgramFault::JumpTables => f.write_str(
                "it jumps through a table (`gotox`), for which there is no map of instructions \
                 here; build it for an older cpu (`--cpu v3`) or without jump tables (clang: \
                 -fno-jump-tables)",
            ),
            ProgramFault::RelocationBeyond { insn } => {
                write!(f, "a relocation lies at instruction {insn}, beyond its end")
            }
        }
    }
}

/// An instruction, with the source line it comes from if that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// Its slot.
    pub insn: usize,
    /// The source file and the number of the line.
    pub line: Option<(Box<str>, u32)>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "instruction {}", self.insn)?;
        match &self.line {
            Some((file, line)) => write!(f, " ({file}:{line})"),
            None => Ok(()),
        }
    }
}

/// Why an answer cannot be written into an instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PatchFault {
    /// The instruction lies beyond the end of the program.
    Beyond,
    /// It does not hold what the object's types say it holds.
    Holds {
        /// What it holds.
        found: u64,
        /// What it should hold.
        expected: u64,
    },
    /// The offset does not fit a load or store.
    Offset {
        /// The offset on this kernel, in bytes.
        offset: u64,
    },
    /// It accesses another number of bytes than the field has in the object's types.
    Access {
        /// Bytes that it accesses.
        bytes: u32,
        /// Bytes that the field has.
        field: u32,
    },
    /// No load or store accesses as many bytes as the field has on this kernel.
    FieldSize {
        /// Bytes that the field has.
        bytes: u32,
    },
    /// It is no load of a 64-bit number.
    NoNumber64,
    /// It holds no number that could be adjusted.
    NoNumber {
        /// Its opcode.
        code: u8,
    },
}

impl fmt::Display for PatchFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PatchFault::Beyond => f.write_str("it lies beyond the end of the program"),
            PatchFault::Holds { found, expected } => write!(
                f,
                "it holds {found} where {expected} is expected; the object's code and .BTF do not \
                 belong together, build it again"
            ),
            PatchFault::Offset { offset } => write!(
                f,
                "the offset is {offset} on this kernel, more than a load or store can express"
            ),
            PatchFault::Access { bytes, field } => {
                write!(f, "it accesses {bytes} bytes of a field of {field}")
            }
            PatchFault::FieldSize { bytes } => write!(
                f,
                "the field has {bytes} bytes on this kernel, which no load or store accesses"
            ),
            PatchFault::NoNumber64 => f.write_str("it is no load of a 64-bit number"),
            PatchFault::NoNumber { code } => write!(
                f,
                "it (opcode {code:#04x}) holds no number that could be adjusted"
            ),
        }
    }
}
