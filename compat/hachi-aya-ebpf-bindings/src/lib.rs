//! Aya's names for the kernel's types and helpers on top of Hachi.
//!
//! ```toml
//! aya-ebpf-bindings = { package = "hachi-aya-ebpf-bindings", version = "0.1" }
//! ```
//!
//! Programs find the same as `aya_ebpf::bindings` and `aya_ebpf::helpers`.

#![no_std]

pub use hachi_aya_ebpf::bindings;

/// The kernel's helper functions, each by its own name.
pub mod helpers {
    pub use hachi_aya_ebpf::helpers::generated::*;
}
