//! What to link, and how.

use std::{fmt, path::PathBuf, str::FromStr};

use crate::UsageError;

/// The generation of the eBPF instruction set to generate code for (LLVM's `-mcpu`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[non_exhaustive]
pub enum Cpu {
    /// The first instruction set: runs on every kernel with eBPF.
    V1,
    /// Adds unsigned less-than jumps (kernel 4.14).
    V2,
    /// Adds 32-bit jumps, full 32-bit arithmetic and value-returning atomics (kernels 5.1–5.12).
    #[default]
    V3,
    /// Adds signed division, sign-extending loads and moves, byte swaps, long jumps (kernel 6.6).
    V4,
}

impl Cpu {
    /// As LLVM and the command line call it: `v3`.
    pub fn name(self) -> &'static str {
        match self {
            Cpu::V1 => "v1",
            Cpu::V2 => "v2",
            Cpu::V3 => "v3",
            Cpu::V4 => "v4",
        }
    }
}

/// The byte order to generate code for. A kernel runs only programs of its machine's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// Least significant byte first: x86_64, aarch64, riscv64 and most others.
    Bpfel,
    /// Most significant byte first: s390x.
    Bpfeb,
}

impl Target {
    /// That of this machine.
    pub const HOST: Target = if cfg!(target_endian = "big") {
        Target::Bpfeb
    } else {
        Target::Bpfel
    };

    /// What rustc calls it: `bpfel-unknown-none` or `bpfeb-unknown-none`.
    pub fn triple(self) -> &'static str {
        match self {
            Target::Bpfel => "bpfel-unknown-none",
            Target::Bpfeb => "bpfeb-unknown-none",
        }
    }
}

impl FromStr for Target {
    type Err = UsageError;

    /// The triple, or only its first part, as LLVM and clang call the target.
    fn from_str(s: &str) -> Result<Self, UsageError> {
        [Target::Bpfel, Target::Bpfeb]
            .into_iter()
            .find(|target| s == target.triple() || s == &target.triple()[..5])
            .ok_or_else(|| UsageError::UnknownValue {
                what: "target",
                value: s.to_owned(),
                expected: "bpfel-unknown-none or bpfeb-unknown-none",
            })
    }
}

/// What to do about each place that can still panic after optimisation. Such a panic ends the
/// program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Panics {
    /// Nothing.
    Allow,
    /// Warn of it, but not of overflow checks, which somebody asked for.
    #[default]
    Warn,
    /// Refuse the program.
    Deny,
}

impl Panics {
    /// `allow`, `warn` or `deny`.
    pub fn name(self) -> &'static str {
        match self {
            Panics::Allow => "allow",
            Panics::Warn => "warn",
            Panics::Deny => "deny",
        }
    }
}

impl FromStr for Panics {
    type Err = UsageError;

    fn from_str(s: &str) -> Result<Self, UsageError> {
        [Panics::Allow, Panics::Warn, Panics::Deny]
            .into_iter()
            .find(|panics| panics.name() == s)
            .ok_or_else(|| UsageError::UnknownValue {
                what: "way with panics",
                value: s.to_owned(),
                expected: "allow, warn or deny",
            })
    }
}

/// A version of Linux: major and minor number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kernel(pub u8, pub u8);

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl FromStr for Kernel {
    type Err = UsageError;

    /// `5.15`; a third number is left aside.
    fn from_str(s: &str) -> Result<Self, UsageError> {
        let mut numbers = s.splitn(3, '.').map(str::parse::<u8>);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(major)), Some(Ok(minor))) => Ok(Kernel(major, minor)),
            _ => Err(UsageError::UnknownValue {
                what: "version of Linux",
                value: s.to_owned(),
                expected: "one such as 5.15",
            }),
        }
    }
}

/// Everything one link needs to know.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Options {
    /// Bitcode files, archives with bitcode members (`.a`, `.rlib`), and relocatable eBPF ELF
    /// objects.
    pub inputs: Vec<PathBuf>,
    /// The object to write.
    pub output: PathBuf,
    /// The byte order. When absent, that of the inputs, which must be of one; this machine's when
    /// they have none.
    pub target: Option<Target>,
    /// The kind of machine whose registers the programs read, as Rust spells it (`aarch64`), to be
    /// noted in the object. When absent, what the inputs say.
    pub arch: Option<String>,
    /// The instruction set.
    pub cpu: Cpu,
    /// LLVM optimisation level of the pipeline, 1 to 3 (0 is raised to 1: unoptimised code is never
    /// accepted by the verifier). `None` means 2, which is right for nearly every program.
    pub opt_level: Option<u8>,
    /// File with one exported symbol per line, as rustc writes it.
    pub export_symbols: Option<PathBuf>,
    /// Exported symbols by name, in addition to the file's.
    pub exports: Vec<String>,
    /// The LLVM library to load; found from the compiler when absent.
    pub llvm: Option<PathBuf>,
    /// The compiler whose LLVM is looked for when `llvm` is absent; `$RUSTC`, else `rustc`.
    pub rustc: Option<PathBuf>,
    /// The input is bitcode for the host, to be turned into eBPF (the fallback for machines without
    /// a `core` for eBPF).
    pub retarget: bool,
    /// The object is to be linked further: every function of the given objects that others can call
    /// stays, and so do references to what is declared and defined in none of them. Code from
    /// bitcode keeps what is exported.
    pub relocatable: bool,
    /// What to do about panics that optimisation did not prove impossible.
    pub panics: Panics,
    /// Refuse what kernels as old as this do not have.
    pub min_kernel: Option<Kernel>,
    /// Switches for LLVM itself, such as `-bpf-stack-size=1024`; for experts.
    pub llvm_args: Vec<String>,
    /// Directory to which each stage writes its intermediate files.
    pub save_temps: Option<PathBuf>,
}

impl Options {
    /// Links these files into an object, all else being the default.
    pub fn new(inputs: Vec<PathBuf>, output: impl Into<PathBuf>) -> Self {
        Options {
            inputs,
            output: output.into(),
            ..Options::default()
        }
    }
}
