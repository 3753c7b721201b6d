//! Whether an error says that the machine lacks something: a privilege, a feature of the kernel, a
//! file system. That is the exit code 3, and decided by what the error is, not by its words.

use std::error::Error;
use std::io;

use hachi::links::LinkError;
use hachi::maps::MapError;
use hachi::pin::PinError;
use hachi::programs::{ProgramError, StructOpsProblem, TargetProblem, Unloadable};
use hachi::{BpfTokenError, EbpfError, EbpfLoggerError, SyscallError, Unsupported};

use crate::machine;

/// Whether the error, or one that it comes from, is about what the machine lacks.
pub fn is_machines(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if is_machines_itself(error) {
            return true;
        }
        next = error.source();
    }
    false
}

fn is_machines_itself(error: &(dyn Error + 'static)) -> bool {
    if let Some(error) = error.downcast_ref() {
        return io(error);
    }
    if let Some(error) = error.downcast_ref() {
        return syscall(error);
    }
    if let Some(error) = error.downcast_ref() {
        return pin(error);
    }
    if let Some(error) = error.downcast_ref() {
        return link(error);
    }
    if let Some(error) = error.downcast_ref() {
        return map(error);
    }
    if let Some(error) = error.downcast_ref() {
        return program(error);
    }
    match (error.downcast_ref(), error.downcast_ref()) {
        (Some(EbpfError::MapError(error)), _) => return map(error),
        (Some(EbpfError::ProgramError(error)), _) => return program(error),
        (Some(EbpfError::FileError { error, .. }), _) => return io(error),
        (_, Some(EbpfLoggerError::Map(error))) => return map(error),
        _ => {}
    }
    match (error.downcast_ref(), error.downcast_ref()) {
        (Some(hachi_linker::Error::Io { source, .. }), _) => io(source),
        (_, Some(hachi_build::Error::Io { source, .. })) => io(source),
        _ => match error.downcast_ref::<BpfTokenError>() {
            Some(error) => syscall(&error.error),
            None => error.is::<Unsupported>(),
        },
    }
}

/// To root, files are closed for other reasons than rights.
fn io(error: &io::Error) -> bool {
    match error.raw_os_error() {
        Some(libc::EPERM | libc::ENOSYS) => true,
        Some(libc::EACCES) => !machine::is_root(),
        _ => false,
    }
}

fn syscall(error: &SyscallError) -> bool {
    io(&error.io_error)
}

fn pin(error: &PinError) -> bool {
    match error {
        PinError::NotBpffs { .. } => true,
        PinError::Syscall { error, .. } => syscall(error),
        PinError::Io { error, .. } => io(error),
        _ => false,
    }
}

fn link(error: &LinkError) -> bool {
    match error {
        LinkError::Unsupported(_) => true,
        LinkError::Attach { error, .. }
        | LinkError::Query { error, .. }
        | LinkError::Syscall { error, .. } => syscall(error),
        LinkError::Io { error, .. } => io(error),
        LinkError::Pin(error) => pin(error),
        _ => false,
    }
}

fn map(error: &MapError) -> bool {
    match error {
        MapError::Unsupported(_) | MapError::UnsupportedType { .. } => true,
        MapError::CreateError { error, .. } | MapError::SyscallError { error, .. } => {
            syscall(error)
        }
        MapError::IoError { error, .. } => io(error),
        MapError::Pin(error) => pin(error),
        _ => false,
    }
}

fn program(error: &ProgramError) -> bool {
    match error {
        ProgramError::Unsupported { .. } => true,
        ProgramError::LoadError(rejection) => syscall(&rejection.error),
        ProgramError::SyscallError { error, .. } => syscall(error),
        ProgramError::Attach { error, .. } | ProgramError::Link(error) => link(error),
        ProgramError::Map(error) => map(error),
        ProgramError::Pin(error) => pin(error),
        ProgramError::Unloadable { problem, .. } => unloadable(problem),
        _ => false,
    }
}

fn unloadable(problem: &Unloadable) -> bool {
    match problem {
        Unloadable::MapLeftOut { error, .. } | Unloadable::JumpTable(error) => map(error),
        Unloadable::KernelTypes { error, .. }
        | Unloadable::Target(TargetProblem::KernelTypes(error))
        | Unloadable::StructOps(StructOpsProblem::KernelTypes(error)) => io(&error.error),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn os(errno: i32) -> io::Error {
        io::Error::from_raw_os_error(errno)
    }

    #[test]
    fn the_errno_decides_and_not_the_words() {
        let pin = |errno| PinError::Io {
            operation: hachi::pin::PinOperation::Pin,
            path: "/a/EPERM/needs Linux ≥ 6".into(),
            error: os(errno),
        };
        assert!(is_machines(&pin(libc::EPERM)));
        assert!(is_machines(&ProgramError::Pin(pin(libc::ENOSYS))));
        assert!(is_machines(&EbpfError::ProgramError(ProgramError::Pin(
            pin(libc::EPERM)
        ))));
        assert!(is_machines(&os(libc::EPERM)));
        for errno in [libc::ENOENT, libc::EINVAL, libc::ENOSPC] {
            assert!(!is_machines(&pin(errno)));
        }
        let named_so = io::Error::other("EPERM: is not a BPF file system, needs Linux ≥ 9");
        assert!(!is_machines(&named_so));
    }

    #[test]
    fn a_cause_counts_as_well() {
        #[derive(Debug)]
        struct Outer(io::Error);
        impl std::fmt::Display for Outer {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("outer")
            }
        }
        impl Error for Outer {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(&self.0)
            }
        }
        assert!(is_machines(&Outer(os(libc::EPERM))));
        assert!(!is_machines(&Outer(os(libc::EIO))));
    }
}
