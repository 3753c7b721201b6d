//! Types shared by eBPF programs and their user space.
//!
//! A program in the kernel and the process that loaded it meet in maps: what one writes the other
//! reads, byte for byte. This crate holds the vocabulary of those meetings, so that both sides
//! compile the same definitions:
//!
//! - [`Pod`]: types that may cross as plain bytes, with a derive macro that checks the claim, and
//!   the rest of the contract below;
//! - [`layout`]: what such types are made of, for the comparison with a map's own types;
//! - [`lpm_trie::Key`]: the key of a longest-prefix-match map;
//! - [`log`]: the records that the logging macros of `hachi-ebpf` send to user space, and (with the
//!   feature `std`) their decoder.
//!
//! # The contract of shared memory
//! A value in a map, a global variable, an event or a log record is written by one side and read by
//! the other, perhaps at the same time. Neither side's compiler knows of the other. So:
//!
//! - **What crosses is plain data**, [`Pod`]: no padding, whose bytes nobody wrote, and every
//!   pattern of bits a value. A derive macro checks it and names the field that is at fault.
//! - **What has fewer values is stored as an integer and checked when it is read**: `bool`, and
//!   enums that derive [`Shareable`]. In a struct they are [`Stored`].
//! - **What others may write is read as a copy or through a cell**, [`Shared`], that reads and
//!   writes a number in one piece. There are no references to it.
//! - **What is made to be used by several at once** (atomic numbers, locks, timers) lies in maps by
//!   itself, or in a struct that derives [`MapValue`]. A lock or a record is held by a guard that
//!   there is one of.
//! - **What is sent is a [`Record`]**: plain data, a slice of it, or text.
//!
//! Types enforce it on both sides: `hachi-ebpf` takes these traits for keys, values, globals and
//! events, `hachi` for its typed views. `unsafe impl Pod` is the way out for a type that the derive
//! macro cannot judge.
//!
//! The crate is `no_std`; a `…-common` crate of a project depends on it as it is.

#![cfg_attr(not(any(feature = "std", test)), no_std)]

pub mod layout;
pub mod log;
pub mod lpm_trie;
mod map_value;
mod pod;
mod record;
mod shareable;
mod shared;

#[cfg(feature = "derive")]
pub use hachi_common_macros::{MapValue, Pod, Shareable};
pub use map_value::MapValue;
pub use pod::{Pod, bytes_of, bytes_of_mut, read_bytes};
pub use record::Record;
pub use shareable::{Shareable, Stored};
pub use shared::Shared;
#[cfg(not(hachi_bpf))]
pub use shared::{load_shared, store_shared};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
