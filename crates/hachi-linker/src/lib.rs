//! Links Rust and C into eBPF objects with the LLVM inside the user's rustc.

mod diagnostic;
mod error;
mod finish;
mod options;

pub use diagnostic::{Diagnostic, Frame, Level, Location};
pub use error::Error;
pub use options::{Cpu, Options};
