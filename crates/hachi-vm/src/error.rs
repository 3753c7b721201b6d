//! Why an object cannot be run.

use std::fmt;

use hachi_machine::maps::CreateError;
use hachi_machine::{Errno, Fault};
use hachi_obj::ProgramType;
use hachi_obj::kconfig::ValueError;

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
        /// Why it is missing.
        reason: ExternError,
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
        /// What is wrong with the access.
        fault: Fault,
    },
    /// There is no more memory.
    Memory,
}

/// Why something is missing that a program needs of the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExternError {
    /// The kernel's configuration that was given does not set the option.
    NoOption,
    /// The option has a value that its type does not hold.
    Option(ValueError),
    /// The virtual machine has no such variable or function.
    NotHere,
}

impl fmt::Display for ExternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExternError::NoOption => f.write_str("no configuration was given that sets it"),
            ExternError::Option(error) => error.fmt(f),
            ExternError::NotHere => f.write_str(
                "the virtual machine has no such variable or function; if the program can do \
                 without, declare it as weak",
            ),
        }
    }
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
            Error::Address { fault } => write!(f, "memory of the kernel: {fault}"),
            Error::Memory => f.write_str("the machine has no more memory"),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;
    use hachi_machine::Reason;

    #[test]
    fn missing_externs_and_memory_are_named() {
        let name = "CONFIG_HZ".to_owned();
        let reason = ExternError::NoOption;
        assert_eq!(
            Error::Extern { name, reason }.to_string(),
            "`CONFIG_HZ` of the kernel: no configuration was given that sets it"
        );
        let fault = Fault {
            address: 0x1000,
            size: 8,
            write: false,
            reason: Reason::Unmapped,
        };
        let text = fault.to_string();
        assert_eq!(
            Error::Address { fault }.to_string(),
            format!("memory of the kernel: {text}")
        );
    }
}
