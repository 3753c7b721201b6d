//! Aya's logging macros on top of Hachi.
//!
//! ```toml
//! aya-log-ebpf = { package = "hachi-aya-log-ebpf", version = "0.1" }
//! ```
//!
//! A message costs a few instructions: its text stays in the object file, and only the arguments
//! go through the ring buffer. `hachi-aya-log` reads it.

#![no_std]

pub use hachi_ebpf::{Level, debug, error, info, log, trace, warn};
