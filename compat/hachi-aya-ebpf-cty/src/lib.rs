//! Aya's names for C's types on top of Hachi.
//!
//! ```toml
//! aya-ebpf-cty = { package = "hachi-aya-ebpf-cty", version = "0.1" }
//! ```
//!
//! Programs find the same types as `aya_ebpf::cty`.

#![no_std]
#![allow(non_camel_case_types, reason = "C's own names")]

pub use hachi_ebpf::cty::*;
