//! Runs eBPF object files without a kernel.
//!
//! A [`Vm`] has an object's maps and programs and runs them in this process, without privileges, on
//! any platform. Each access of memory is checked and attributed to what it reaches: the stack, the
//! packet, a map's value, a record. Whatever the program, the host's memory stays whole, and the
//! run ends: instructions and memory have budgets ([`Config`]).
//!
//! A program that does what the kernel's verifier would not allow stops, and [`Stopped`] says where
//! and why: [`Stopped::diagnostic`] is the same diagnostic that the linker and the loader give.
//!
//! [`Bare`] runs instructions without an object.

mod bare;
mod context;
mod coverage;
mod decode;
mod error;
mod fault;
mod input;
mod interp;
#[cfg(feature = "jit")]
mod jit;
mod load;
mod observe;
mod packets;
mod program;
mod run;
mod space;
mod vm;

pub use bare::Bare;
pub use coverage::{Coverage, Profile};
pub use decode::Invalid;
pub use error::{Error, ExternError};
pub use fault::Stopped;
pub use hachi_machine as machine;
pub use input::{Input, KernelInput, Output};
pub use load::Config;
pub use observe::{Caller, Counts, Observer};
pub use packets::Packets;
pub use run::{Engine, Moment};
pub use vm::Vm;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
