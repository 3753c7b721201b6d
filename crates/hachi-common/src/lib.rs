//! Types shared by eBPF programs and their user space.
//!
//! A program in the kernel and the process that loaded it meet in maps: what one writes the other
//! reads, byte for byte. This crate holds the vocabulary of those meetings, so that both sides
//! compile the same definitions:
//!
//! - [`Pod`]: types that may cross as plain bytes, with a derive macro that checks the claim;
//! - [`layout`]: what such types are made of, for the comparison with a map's own types;
//! - [`lpm_trie::Key`]: the key of a longest-prefix-match map;
//! - [`log`]: the records that the logging macros of `hachi-ebpf` send to user space, and (with the
//!   feature `std`) their decoder.
//!
//! The crate is `no_std`; a `…-common` crate of a project depends on it as it is.

#![cfg_attr(not(any(feature = "std", test)), no_std)]

pub mod layout;
pub mod log;
pub mod lpm_trie;
mod pod;

#[cfg(feature = "derive")]
pub use hachi_common_macros::Pod;
pub use pod::{Pod, bytes_of, bytes_of_mut, read_bytes};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
