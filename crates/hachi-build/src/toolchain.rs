//! The toolchain, found rather than demanded.

use std::path::PathBuf;

use crate::Error;

/// How a `core` library for eBPF was come by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    /// The compiler's own sysroot holds one (Debian's packages do).
    Prebuilt,
    /// Built from the compiler's library source, now or by an earlier run, and kept in the cache.
    Source,
    /// There is none: compile for the host and turn the bitcode into eBPF. Works for most
    /// programs; a fallback, never chosen when another way works.
    HostRetarget,
}

/// What `rustc -vV` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The release, such as `1.95.0`.
    pub release: String,
    /// Major and minor number of the release, such as `(1, 95)`.
    pub number: (u32, u32),
    /// The host target triple, such as `x86_64-unknown-linux-gnu`.
    pub host: String,
    /// The version of the LLVM inside, such as `22.1.2`.
    pub llvm: String,
    /// The whole text. Libraries are compatible only between compilers of which this is equal.
    pub text: String,
}

/// Where and how [`Toolchain::find`] looks.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// The package to be built: its `rust-toolchain.toml` decides which compiler is the active one.
    /// The working directory when absent.
    pub package_dir: Option<PathBuf>,
    /// Install what is missing without asking (`--yes`; also set by `HACHI_YES=1`).
    pub assume_yes: bool,
    /// A person sits at the terminal and can be asked.
    pub interactive: bool,
    /// Print on stderr which way was taken and why the others were not.
    pub verbose: bool,
    /// Use this way or fail; overrides `HACHI_TOOLCHAIN`.
    pub force: Option<Way>,
    /// The compiler to use; overrides `HACHI_RUSTC`.
    pub rustc: Option<PathBuf>,
    /// The library source to use; overrides `HACHI_RUST_SRC`.
    pub rust_src: Option<PathBuf>,
    /// The cache directory; overrides `HACHI_CACHE`.
    pub cache: Option<PathBuf>,
}

/// A compiler that can build eBPF, with all it needs for that.
#[derive(Debug, Clone)]
pub struct Toolchain {
    /// The compiler.
    pub rustc: PathBuf,
    /// The cargo to drive it with.
    pub cargo: PathBuf,
    /// How its `core` for eBPF was come by.
    pub way: Way,
    /// The sysroot to pass by `--sysroot`; `None` when the compiler's own will do.
    pub sysroot: Option<PathBuf>,
    /// The LLVM library of the compiler, for the linker.
    pub llvm: PathBuf,
    /// The compiler's version.
    pub version: Version,
    /// Which way was taken and why the others were not, one line each.
    pub explanation: Vec<String>,
    /// What the user should know even without asking (the host fallback says here how to do better).
    pub warning: Option<String>,
}

/// Whether one way of getting a toolchain is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Usable now.
    Ready,
    /// Usable after something was installed or built.
    Possible,
    /// Not usable on this machine.
    Missing,
}

/// One line of `hachi doctor`: a way to a toolchain, and what it lacks.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The way.
    pub way: Way,
    /// A few words naming what was looked for, such as "prebuilt core of rustc 1.96.0".
    pub subject: String,
    /// Whether it is there.
    pub state: State,
    /// What is there or what is missing.
    pub detail: String,
    /// The exact command that would make it ready.
    pub fix: Option<String>,
}

impl Toolchain {
    /// Finds the first toolchain that works, building or (when allowed) installing what it lacks.
    ///
    /// # Errors
    /// When no way works, or the one forced does not: the error names the command that fixes it.
    pub fn find(_search: &Search) -> Result<Toolchain, Error> {
        unimplemented!()
    }

    /// Looks at every way without building, installing or asking anything.
    pub fn survey(_search: &Search) -> Vec<Finding> {
        unimplemented!()
    }
}
