//! Functions of programs and libraries.

use super::*;

program! {
    /// A program at a function of a program or library, entered or returning.
    UProbe, ProgramType::KProbe
}
attachments!(UProbe, UProbeLink, UProbeLinkId, "UProbe");
links::conversions!(PerfEvent of_type, UProbeLink);
load!(UProbe);
from_pin!(UProbe, ProbeKind);

/// An error of uprobes.
#[derive(Debug)]
pub enum UProbeError {
    /// The dynamic linker's cache cannot be understood.
    InvalidLdSoCache {
        /// Why.
        io_error: std::io::Error,
    },
    /// There is no such program or library.
    InvalidTarget {
        /// Its path or name.
        path: PathBuf,
    },
    /// There is no such symbol.
    SymbolError {
        /// Its name.
        symbol: String,
        /// What there is.
        error: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file cannot be read.
    FileError {
        /// The file.
        filename: PathBuf,
        /// Why.
        io_error: std::io::Error,
    },
}

impl std::fmt::Display for UProbeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            UProbeError::InvalidLdSoCache { io_error } => {
                write!(f, "cannot read the dynamic linker's cache: {io_error}")
            }
            UProbeError::InvalidTarget { path } => {
                write!(f, "there is no program or library `{}`", path.display())
            }
            UProbeError::SymbolError { error, .. } => write!(f, "{error}"),
            UProbeError::FileError { filename, io_error } => {
                write!(f, "`{}`: {io_error}", filename.display())
            }
        }
    }
}

impl std::error::Error for UProbeError {}

/// A place in a program or library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UProbeAttachLocation<'a> {
    /// A function.
    Symbol(&'a str),
    /// An offset into a function, in bytes.
    SymbolOffset(&'a str, u64),
    /// An offset into the file, in bytes.
    AbsoluteOffset(u64),
}

impl<'a> From<&'a str> for UProbeAttachLocation<'a> {
    fn from(symbol: &'a str) -> Self {
        UProbeAttachLocation::Symbol(symbol)
    }
}

impl From<u64> for UProbeAttachLocation<'static> {
    fn from(offset: u64) -> Self {
        UProbeAttachLocation::AbsoluteOffset(offset)
    }
}

/// A place, and what the program gets to know it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UProbeAttachPoint<'a> {
    /// The place.
    pub location: UProbeAttachLocation<'a>,
    /// For `bpf_get_attach_cookie`. Linux ≥ 5.15.
    pub cookie: Option<u64>,
}

impl<'a, L: Into<UProbeAttachLocation<'a>>> From<L> for UProbeAttachPoint<'a> {
    fn from(location: L) -> Self {
        UProbeAttachPoint {
            location: location.into(),
            cookie: None,
        }
    }
}

/// Which processes run the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UProbeScope {
    /// All, now and later.
    AllProcesses,
    /// The calling one.
    CallingProcess,
    /// One.
    OneProcess(std::num::NonZeroU32),
}

impl UProbe {
    /// Entry or return.
    pub fn kind(&self) -> ProbeKind {
        self.0.kind()
    }

    /// Attaches the loaded program to a place in a program or library, which is a path or a
    /// name such as `libc`.
    ///
    /// # Errors
    /// [`ProgramError::UProbeError`] when there is no such place, and what the kernel refuses.
    #[cfg(not(feature = "v0_13"))]
    pub fn attach<'a, T: AsRef<Path>, Point: Into<UProbeAttachPoint<'a>>>(
        &mut self,
        point: Point,
        target: T,
        scope: UProbeScope,
    ) -> Result<UProbeLinkId, ProgramError> {
        let pid = match scope {
            UProbeScope::AllProcesses => None,
            UProbeScope::CallingProcess => Some(0),
            // No process has a number beyond: the kernel says that there is none.
            UProbeScope::OneProcess(pid) => Some(i32::try_from(pid.get()).unwrap_or(i32::MAX)),
        };
        self.attach_at(point.into(), target, pid)
    }

    /// Attaches the loaded program `offset` bytes into a function, or into the file when there is
    /// none, of a program or library, which is a path or a name such as `libc`; for the process
    /// `pid`, or for all.
    ///
    /// # Errors
    /// [`ProgramError::UProbeError`] when there is no such place, and what the kernel refuses.
    #[cfg(feature = "v0_13")]
    pub fn attach<T: AsRef<Path>>(
        &mut self,
        fn_name: Option<&str>,
        offset: u64,
        target: T,
        pid: Option<libc::pid_t>,
    ) -> Result<UProbeLinkId, ProgramError> {
        let location = match fn_name {
            Some(symbol) => UProbeAttachLocation::SymbolOffset(symbol, offset),
            None => UProbeAttachLocation::AbsoluteOffset(offset),
        };
        self.attach_at(location.into(), target, pid)
    }

    fn attach_at<T: AsRef<Path>>(
        &mut self,
        point: UProbeAttachPoint<'_>,
        target: T,
        pid: Option<libc::pid_t>,
    ) -> Result<UProbeLinkId, ProgramError> {
        use hachi::programs::UProbeAttachLocation as Hachi;
        let UProbeAttachPoint { location, cookie } = point;
        let location = match location {
            UProbeAttachLocation::Symbol(symbol) => Hachi::Symbol(symbol),
            UProbeAttachLocation::SymbolOffset(symbol, offset) => {
                Hachi::SymbolOffset(symbol, offset)
            }
            UProbeAttachLocation::AbsoluteOffset(offset) => Hachi::AbsoluteOffset(offset),
        };
        Ok(UProbeLinkId(self.0.attach(location, target, pid, cookie)?))
    }
}
