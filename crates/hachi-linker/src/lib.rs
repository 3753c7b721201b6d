//! Links Rust and C into eBPF objects with the LLVM inside the user's rustc.
//!
//! rustc compiles eBPF programs to LLVM bitcode and leaves the rest to the linker. This one
//!
//! 1. loads *that compiler's own* LLVM at run time ([`find_libllvm`]), so that it reads every
//!    bitcode the compiler writes and no LLVM has to be installed;
//! 2. turns the program into what the kernel's verifier accepts: panics end the program, everything
//!    is inlined, the operations that eBPF lacks are replaced;
//! 3. refuses, in terms of Rust functions and source lines, what cannot become eBPF;
//! 4. generates code and finishes the object as libbpf, bpftool, cilium/ebpf, Aya and Hachi load
//!    it.
//!
//! It is a library ([`link()`]), a command (`hachi-linker`), and a disguise: a program that calls
//! [`intercept`] first can name itself as rustc's linker.
//!
//! # Panics
//! Panics in programs (`unwrap`, overflow, an index out of bounds) end the program with the value
//! 0, which nearly every kind of program may return (`XDP_ABORTED`, for example); where the kernel
//! insists on 1, with that. In a callback such as that of `bpf_loop` they end the loop. In a global
//! function, which the kernel verifies by itself, they call `bpf_throw` (Linux 6.7). What a panic
//! handler would do is never done. Each place at which a panic was left by optimisation is warned
//! about; [`Panics`] tells otherwise.
//!
//! # Functions that need no definition
//! `memcpy`, `memmove`, `memset`, `memcmp`, `bcmp`, `strlen`, the symbols of
//! `docs/core-symbols.md`, and, because rustc's eBPF target knows no atomic operations (all but an
//! addition whose result is not used need `--cpu v3`):
//!
//! ```text
//! fn __hachi_atomic_OP64(place: *mut u64, value: u64) -> u64; // OP: add sub and or xor xchg
//! fn __hachi_atomic_OP32(place: *mut u32, value: u32) -> u32;
//! fn __hachi_atomic_cmpxchg64(place: *mut u64, old: u64, new: u64) -> u64;   // what was there
//! fn __hachi_atomic_cmpxchg32(place: *mut u32, old: u32, new: u32) -> u32;
//! fn __hachi_atomic_load64(place: *const u64) -> u64; // also `…_acquire`; both with 32
//! fn __hachi_atomic_store64_release(place: *mut u64, value: u64);   // and with 32
//! fn __hachi_fence();                                              // a full barrier
//! ```

mod args;
mod check;
mod child;
mod command;
mod error;
mod file;
mod find;
mod finish;
mod ir;
mod lines;
mod link;
mod llvm;
mod names;
mod options;
mod process;
mod sources;
mod wire;

pub use command::{command, intercept};
pub use error::{Error, FileAction, LlvmProblem, Unlinkable, UsageError};
pub use file::{NewFile, read_file, write_file, write_program};
pub use find::find_libllvm;
pub use hachi_diag::{Code, Diagnostic, Renderer, Severity, Span};
pub use link::{Output, link};
pub use options::{Cpu, Kernel, Options, Panics, Target};
pub use process::output_of;

/// For the fuzz targets, which see only what is public.
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing {
    /// Links bytes that are an eBPF object.
    pub fn link(bytes: &[u8]) {
        crate::link::fuzz(bytes);
    }
}

/// Environment variable that turns a program calling [`intercept`] into the linker, whatever its
/// value.
pub const LINKER_ENV: &str = "HACHI_LINKER";

/// Environment variable naming a file to which the command appends its diagnostics, one JSON
/// document a line ([`hachi_diag::json`]): rustc shows a linker's output only when it fails, and
/// then amid its own.
pub const DIAGNOSTICS_ENV: &str = "HACHI_DIAGNOSTICS";

/// Environment variable naming the LLVM library to use instead of the compiler's own.
pub const LLVM_ENV: &str = "HACHI_LLVM";

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
