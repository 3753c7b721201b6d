//! What programs are attached to, where it does not exist or cannot be used.

use std::{fmt, path::PathBuf};

use crate::near;

/// A kind of thing that programs are attached to, or that leads to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TargetKind {
    /// A process, by its id.
    Process,
    /// A CPU that is online, by its number.
    OnlineCpu,
    /// A program or library.
    Binary,
    /// A function of a program or library.
    Function,
    /// A USDT probe, `PROVIDER:NAME`.
    UsdtProbe,
    /// A function of the kernel or of a module.
    KernelFunction,
    /// A function of the kernel that ftrace can trace.
    TraceableFunction,
    /// A tracepoint, `CATEGORY/NAME`.
    Tracepoint,
    /// A category of tracepoints.
    TracepointCategory,
    /// A raw tracepoint.
    RawTracepoint,
    /// An iterator over things of the kernel.
    Iterator,
    /// A hook of the security modules (LSM).
    LsmHook,
}

impl fmt::Display for TargetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TargetKind::Process => "process",
            TargetKind::OnlineCpu => "online CPU",
            TargetKind::Binary => "program or library",
            TargetKind::Function => "function",
            TargetKind::UsdtProbe => "USDT probe",
            TargetKind::KernelFunction => "kernel function",
            TargetKind::TraceableFunction => "traceable kernel function",
            TargetKind::Tracepoint => "tracepoint",
            TargetKind::TracepointCategory => "tracepoint category",
            TargetKind::RawTracepoint => "raw tracepoint",
            TargetKind::Iterator => "iterator",
            TargetKind::LsmHook => "LSM hook",
        })
    }
}

/// Something that was looked for by its name and does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoSuchTarget {
    /// What it would have been.
    pub kind: TargetKind,
    /// The name or pattern.
    pub name: String,
    /// The file in which it was looked for, if it was in one.
    pub file: Option<PathBuf>,
    /// What may help.
    pub hint: Hint,
}

/// What may help where a name is not found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hint {
    /// Names like it, the likeliest first; possibly none.
    Similar(Vec<String>),
    /// The symbol exists, in these versions.
    Versions(Vec<String>),
    /// No name fits the pattern.
    NothingFits,
    /// The file has no symbols.
    Stripped,
    /// The file has no USDT probes.
    NoProbes,
    /// The function exists, but has no type in the kernel's BTF.
    Untyped,
    /// Its symbols are compressed, and the crate was built without its feature `debuginfo`.
    CompressedSymbols,
    /// The path was looked up in the root of this process, which may be in a container.
    InRootOf {
        /// The process.
        pid: u32,
    },
    /// A library is named by its path, or as the dynamic linker knows it.
    NamedByPath,
}

impl NoSuchTarget {
    /// Without a file or a hint.
    pub(crate) fn new(kind: TargetKind, name: impl Into<String>) -> Self {
        NoSuchTarget {
            kind,
            name: name.into(),
            file: None,
            hint: Hint::Similar(Vec::new()),
        }
    }

    #[cfg(feature = "uprobe")]
    pub(crate) fn in_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.file = Some(file.into());
        self
    }

    pub(crate) fn hint(mut self, hint: Hint) -> Self {
        self.hint = hint;
        self
    }
}

impl fmt::Display for NoSuchTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no {} {:?}", self.kind, self.name)?;
        if let Some(file) = &self.file {
            write!(f, " in {}", file.display())?;
        }
        match &self.hint {
            Hint::Similar(names) => f.write_str(&near::did_you_mean(names)),
            Hint::Versions(versions) => {
                write!(f, "; its versions are {}", crate::error::list(versions))
            }
            Hint::NothingFits => f.write_str(": nothing fits the pattern"),
            Hint::Stripped => f.write_str(
                "; the file has no symbols at all (it was stripped), so give the offset in the \
                 file instead",
            ),
            Hint::CompressedSymbols => f.write_str(
                "; its symbols are compressed (.gnu_debugdata): hachi reads them with its feature \
                 `debuginfo`",
            ),
            Hint::InRootOf { pid } => write!(
                f,
                " in the root of process {pid}, which may be in a container with other files"
            ),
            Hint::NoProbes => f.write_str(", which has none at all"),
            Hint::Untyped => f.write_str(": it has no type in BTF"),
            Hint::NamedByPath => f.write_str("; give its path, or its name as in \"libc.so.6\""),
        }
    }
}

impl std::error::Error for NoSuchTarget {}

/// Why a program or library cannot be probed in the place that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BinaryProblem {
    /// It is for machines of the other byte order.
    OtherByteOrder,
    /// Several functions have this name.
    Ambiguous {
        /// The name.
        name: String,
        /// Where they are, as linked.
        addresses: Vec<u64>,
    },
    /// The address is in no segment of the file.
    AddressOutside {
        /// The address, as linked.
        address: u64,
    },
    /// The offset is not in the file.
    OffsetOutside {
        /// The offset in bytes.
        offset: u64,
        /// Bytes of the file.
        size: u64,
    },
    /// A function and the offset in it are more than 64 bits together.
    OffsetOverflow {
        /// The offset in bytes.
        offset: u64,
    },
    /// The note of a USDT probe points to something that is not code of the file.
    BrokenProbe {
        /// `PROVIDER:NAME`.
        probe: String,
        /// The address in the note.
        address: u64,
    },
    /// The semaphore of a USDT probe lies beyond 4 GiB in the file, which the kernel cannot take.
    DistantSemaphore {
        /// Its offset in bytes.
        offset: u64,
    },
    /// The process has not mapped this part of the file.
    NotMapped {
        /// The process.
        pid: u32,
        /// The offset in bytes.
        offset: u64,
    },
    /// The process has mapped a file of this name that has been replaced or deleted since, and this
    /// process may not open the one that is mapped (CAP_SYS_ADMIN, or CAP_CHECKPOINT_RESTORE since
    /// Linux 5.9).
    Replaced {
        /// The process.
        pid: u32,
    },
    /// Its path has a blank or a colon, or is not UTF-8, and tracefs takes no such paths.
    PathForTracefs,
}

impl fmt::Display for BinaryProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BinaryProblem::OtherByteOrder => {
                f.write_str("it is for machines of the other byte order")
            }
            BinaryProblem::Ambiguous { name, addresses } => write!(
                f,
                "it has {} functions called {name:?}, at {addresses:#x?}; choose one by its \
                 offset in the file",
                addresses.len()
            ),
            BinaryProblem::AddressOutside { address } => {
                write!(f, "address {address:#x} is not in the file")
            }
            BinaryProblem::OffsetOutside { offset, size } => write!(
                f,
                "offset {offset:#x} lies beyond the end of the file, which has {size:#x} bytes"
            ),
            BinaryProblem::OffsetOverflow { offset } => {
                write!(f, "offset {offset:#x} is too large")
            }
            BinaryProblem::BrokenProbe { probe, address } => write!(
                f,
                "the note of USDT probe {probe} points to {address:#x}, where the file has no code"
            ),
            BinaryProblem::DistantSemaphore { offset } => write!(
                f,
                "the semaphore of the probe is at {offset:#x}, beyond 4 GiB in the file"
            ),
            BinaryProblem::NotMapped { pid, offset } => {
                write!(f, "process {pid} has not loaded it (at offset {offset:#x})")
            }
            BinaryProblem::Replaced { pid } => write!(
                f,
                "process {pid} has mapped another file, which had this name before or has it in \
                 another mount namespace; with CAP_SYS_ADMIN it can be opened all the same"
            ),
            BinaryProblem::PathForTracefs => {
                f.write_str("tracefs takes only paths of UTF-8 without blanks and colons")
            }
        }
    }
}

/// Why a program cannot be attached to a USDT probe that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UsdtProblem {
    /// The object has no such map: it was not written with `usdt.bpf.h`.
    NoMap {
        /// The map's name.
        map: &'static str,
    },
    /// The map does not have the layout of `usdt.bpf.h`.
    MapLayout {
        /// The map's name.
        map: &'static str,
        /// Bytes of its keys and values.
        found: (u32, u32),
        /// The same, as they should be.
        expected: (u32, u32),
    },
    /// The map has no room for another record.
    Full {
        /// The map's name.
        map: &'static str,
        /// How many it holds.
        capacity: u32,
    },
    /// The probe has more arguments than `usdt.bpf.h` takes.
    TooManyArguments {
        /// The most it takes.
        limit: usize,
    },
    /// An argument of the probe is not understood.
    Argument {
        /// The argument, in the assembler's words.
        text: String,
    },
}

impl fmt::Display for UsdtProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UsdtProblem::NoMap { map } => write!(
                f,
                "the object has no map {map:?}, which USDT programs need: include usdt.bpf.h"
            ),
            UsdtProblem::MapLayout {
                map,
                found,
                expected,
            } => write!(
                f,
                "map {map:?} is of another layout: keys of {} and values of {} bytes instead of \
                 {} and {}",
                found.0, found.1, expected.0, expected.1
            ),
            UsdtProblem::Full { map, capacity } => write!(
                f,
                "map {map:?} has no room for more than {capacity} records; enlarge it \
                 (BPF_USDT_MAX_SPEC_CNT)"
            ),
            UsdtProblem::TooManyArguments { limit } => {
                write!(f, "it has more than {limit} arguments")
            }
            UsdtProblem::Argument { text } => write!(f, "its argument {text:?} is not understood"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_have_the_file_and_the_hint_in_their_places() {
        let function = || NoSuchTarget::new(TargetKind::Function, "opne").in_file("/lib/libc.so.6");
        for (error, text) in [
            (
                function(),
                "there is no function \"opne\" in /lib/libc.so.6",
            ),
            (
                function().hint(Hint::Similar(vec!["open".to_owned(), "openat".to_owned()])),
                "there is no function \"opne\" in /lib/libc.so.6; did you mean \"open\" or \
                 \"openat\"?",
            ),
            (
                function().hint(Hint::Versions(vec!["A".to_owned(), "B".to_owned()])),
                "there is no function \"opne\" in /lib/libc.so.6; its versions are \"A\" and \"B\"",
            ),
            (
                NoSuchTarget::new(TargetKind::TraceableFunction, "x*").hint(Hint::NothingFits),
                "there is no traceable kernel function \"x*\": nothing fits the pattern",
            ),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }
}
