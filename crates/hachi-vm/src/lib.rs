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

mod context;
mod decode;
mod fault;
mod interp;
mod program;
mod space;
mod vm;

pub use decode::Invalid;
pub use fault::Stopped;
pub use hachi_machine as machine;
pub use vm::{Bare, Config, Error, Input, Output, Vm};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
