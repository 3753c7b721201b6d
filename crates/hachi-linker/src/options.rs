//! What to link, and how.

use std::path::PathBuf;

/// The generation of the eBPF instruction set to generate code for (LLVM's `-mcpu`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
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

/// Everything one link needs to know.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Bitcode files, archives with bitcode members (`.a`, `.rlib`), and relocatable eBPF ELF objects.
    pub inputs: Vec<PathBuf>,
    /// The object to write.
    pub output: PathBuf,
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
    /// The input is bitcode for the host, to be turned into eBPF (the fallback for machines without a `core` for eBPF).
    pub retarget: bool,
    /// Refuse programs that still hold a reachable panic after optimisation, naming each.
    pub strict_panics: bool,
    /// Switches for LLVM itself, such as `-bpf-stack-size=1024`; for experts.
    pub llvm_args: Vec<String>,
    /// Directory to which each stage writes its intermediate files.
    pub save_temps: Option<PathBuf>,
}
