//! Why an object cannot be run.

use std::fmt;

use hachi_machine::Errno;
use hachi_machine::maps::CreateError;
use hachi_obj::ProgramType;

use crate::decode::Invalid;

/// An object that cannot be run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Something is wrong with the object itself.
    Object(hachi_obj::Error),
    /// A map cannot be made.
    Map(CreateError),
    /// A program breaks a rule of the instruction set.
    Invalid {
        /// The program.
        program: String,
        /// The rule.
        invalid: Invalid,
    },
    /// Something that a program needs of the kernel is missing here.
    Extern {
        /// Its name.
        name: String,
        /// Why it is missing, as a sentence without a full stop.
        reason: String,
    },
    /// Programs of this type cannot be run here.
    ProgramType {
        /// The program.
        program: String,
        /// Its type.
        program_type: ProgramType,
    },
    /// The initial entry of a map leads nowhere.
    Entry {
        /// The map.
        map: String,
        /// What it should hold.
        target: String,
    },
    /// A map operation that the kernel would refuse.
    MapOperation {
        /// The map.
        map: String,
        /// Which operation.
        operation: &'static str,
        /// The kernel's answer.
        errno: Errno,
    },
    /// There is no such map.
    NoSuchMap {
        /// The name asked for.
        map: String,
    },
    /// There is no such program.
    NoSuchProgram {
        /// The name asked for.
        program: String,
    },
    /// The program gets something else than a packet.
    NoPackets {
        /// The program.
        program: String,
        /// Its type.
        program_type: ProgramType,
    },
    /// There is no such memory of the kernel's.
    Address {
        /// Why not, as a sentence without a full stop.
        reason: String,
    },
    /// There is no more memory.
    Memory,
}

impl From<hachi_obj::Error> for Error {
    fn from(error: hachi_obj::Error) -> Error {
        Error::Object(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Object(error) => error.fmt(f),
            Error::Map(error) => error.fmt(f),
            Error::Invalid { program, invalid } => write!(f, "program `{program}`: {invalid}"),
            Error::Extern { name, reason } => write!(f, "`{name}` of the kernel: {reason}"),
            Error::ProgramType {
                program,
                program_type,
            } => write!(
                f,
                "program `{program}` is of type {}, which the virtual machine does not run",
                program_type.name()
            ),
            Error::Entry { map, target } => write!(
                f,
                "map `{map}` is to hold `{target}`, which the object does not have"
            ),
            Error::MapOperation {
                map,
                operation,
                errno,
            } => write!(f, "{operation} of map `{map}`: {errno}"),
            Error::NoSuchMap { map } => write!(f, "there is no map `{map}`"),
            Error::NoSuchProgram { program } => write!(f, "there is no program `{program}`"),
            Error::NoPackets {
                program,
                program_type,
            } => write!(
                f,
                "program `{program}` is of type {}, which gets no packets",
                program_type.name()
            ),
            Error::Address { reason } => write!(f, "memory of the kernel: {reason}"),
            Error::Memory => f.write_str("the machine has no more memory"),
        }
    }
}

impl std::error::Error for Error {}
