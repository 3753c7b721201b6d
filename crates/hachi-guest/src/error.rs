//! What can go wrong with kernels and guests.

use hachi_build::Arch;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why a kernel is not available, or a guest did not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or directory cannot be used.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// "read", "write", "create"…
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The cache or the package archive.
    #[error(transparent)]
    Archive(#[from] hachi_build::Error),
    /// The machine does not get its packages from Debian.
    #[error(
        "kernels come from Debian's package archive, which this machine's apt is not set up for: \
         it is {found}"
    )]
    NotDebian {
        /// What the machine is instead.
        found: String,
    },
    /// No suite has such a kernel.
    #[error("no kernel {version} for {arch} among the cloud kernels of {}", looked_at.join(", "))]
    NoSuchKernel {
        /// The version asked for.
        version: String,
        /// The machine that it is to be for.
        arch: Arch,
        /// The suites looked at, and which of them could not be reached.
        looked_at: Vec<String>,
    },
    /// A file is not in the format it should have.
    #[error("`{}` is malformed: {problem}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: Malformation,
    },
    /// A package cannot be unpacked.
    #[error("`dpkg-deb` cannot unpack `{}`: {output}", package.display())]
    Unpack {
        /// The package.
        package: PathBuf,
        /// What `dpkg-deb` wrote to stderr.
        output: String,
    },
    /// A shared library that a program needs is not on this machine.
    #[error("`{}` needs the library `{library}`, which is missing", program.display())]
    Library {
        /// The program.
        program: PathBuf,
        /// The library, such as `libfoo.so.1`.
        library: String,
    },
    /// A program that was to be added is not in the `PATH`.
    #[error("`{name}` is not installed")]
    NoProgram {
        /// Its name.
        name: String,
    },
    /// The program that runs guests of this kind is not installed.
    #[error("`{program}`, which runs other kernels, is not installed")]
    Missing {
        /// The program.
        program: &'static str,
        /// The package of Debian's that has it.
        package: &'static str,
    },
    /// This machine is of a kind that guests cannot be of.
    #[error(
        "guests are x86_64, aarch64, riscv64 or s390x machines, and this one is {}: name one",
        std::env::consts::ARCH
    )]
    Architecture,
    /// The kernel is for another kind of machine than the programs.
    #[error("kernel {release} is for {kernel}, and the programs are for {programs}")]
    OtherArchitecture {
        /// The kernel.
        release: String,
        /// The machine that it is for.
        kernel: Arch,
        /// The machine that the programs are for.
        programs: Arch,
    },
    /// What is said to be a program is none.
    #[error("`{}` is not a program for {arch}", path.display())]
    NotAProgram {
        /// The file.
        path: PathBuf,
        /// The machine.
        arch: Arch,
    },
    /// The guest ended several times before its work was done, outside any test.
    #[error("kernel {release}: the guest {crash}")]
    Crashed {
        /// The kernel.
        release: String,
        /// How the last guest ended.
        crash: Crash,
    },
    /// [`Guest::run`](crate::Guest::run) was told to stop.
    #[error("kernel {release}: interrupted")]
    Interrupted {
        /// The kernel.
        release: String,
    },
}

impl Error {
    /// The command that helps, if one does.
    pub fn fix(&self) -> Option<String> {
        match self {
            Error::Missing { package, .. } => {
                Some(format!("apt-get install --no-install-recommends {package}"))
            }
            _ => None,
        }
    }
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformation {
    /// It is not an image as x86-64, arm64, riscv64 or s390x boot them.
    #[error("not a kernel image of x86_64, aarch64, riscv64 or s390x")]
    NotAnImage,
    /// A kernel image without a section `.BTF`.
    #[error("the kernel in it has no BTF")]
    NoBtf,
    /// The packages of a kernel without the kernel.
    #[error("the packages contain no kernel {0}")]
    NoKernel(String),
    /// A compression format that kernels do not use.
    #[error("compressed in an unknown format (first bytes: {0:02x?})")]
    UnknownCompression(Vec<u8>),
    /// Compressed data that a decoder refuses.
    #[error("cannot be decompressed: {0}")]
    Compression(String),
    /// More data than a kernel can have.
    #[error("larger than any kernel")]
    TooLarge,
}

/// How a guest ended before its work was done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Crash {
    /// How long the guest had been silent when it was ended; `None` if it ended by itself.
    pub stalled: Option<Duration>,
    /// What QEMU wrote to stderr.
    pub qemu: String,
    /// The lines of the console that show the trouble, or else the last ones.
    pub console: Vec<String>,
}

impl fmt::Display for Crash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.stalled {
            Some(silence) => write!(f, "stalled: it was silent for {} s", silence.as_secs())?,
            None => f.write_str("ended before its tests were done")?,
        }
        if !self.qemu.trim().is_empty() {
            write!(f, "; QEMU: {}", self.qemu.trim())?;
        }
        if self.console.is_empty() {
            return f.write_str("; its console is empty");
        }
        f.write_str("; its console:")?;
        self.console
            .iter()
            .try_for_each(|line| write!(f, "\n    {line}"))
    }
}

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Says which file an I/O error is about.
pub(crate) trait IoContext<T> {
    fn during(self, action: &'static str, path: &Path) -> Result<T>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn during(self, action: &'static str, path: &Path) -> Result<T> {
        self.map_err(|source| Error::Io {
            action,
            path: path.into(),
            source,
        })
    }
}
