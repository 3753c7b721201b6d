//! Write eBPF programs in Rust: contexts, maps, helpers and logging.
//!
//! ```
//! use hachi_ebpf::macros::{map, xdp};
//! use hachi_ebpf::{bindings::xdp_action, info, maps::PerCpuArray, programs::XdpContext};
//!
//! #[map]
//! static SEEN: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);
//!
//! #[xdp]
//! fn count_ipv4(ctx: XdpContext) -> u32 {
//!     if ctx.read::<[u8; 2]>(12) == Some([0x08, 0x00]) {
//!         SEEN.update(0, |seen| seen + 1);
//!         info!(&ctx, "an IPv4 packet of {} bytes", ctx.len());
//!     }
//!     xdp_action::XDP_PASS
//! }
//!
//! hachi_ebpf::license!("GPL");
//! # fn main() {}
//! ```
//!
//! A program's crate is `#![no_std]` and `#![no_main]`, and is built by `hachi build` or, from a
//! build script, by `hachi-build`. Those set `--cfg hachi_bpf`. Without it, that is for the
//! development machine, this crate compiles as well, so that `cargo check`, clippy, rust-analyzer
//! and the documentation work: there the calls into the kernel do nothing and report failure. With
//! the feature `test` they work in the process itself, so that `cargo test` can run programs: see
//! the module `test`.
//!
//! # What programs share
//! Keys and values of maps, events and settings are plain data, without padding, or checked when
//! they are read: see [`Pod`], [`Shareable`] and the contract in [`hachi_common`].
//!
//! # Coming from Aya
//! Programs written for Aya use the crates `hachi-aya-ebpf` and `hachi-aya-log-ebpf`, which have
//! Aya's API on top of this one.

#![no_std]

// On the development machine the standard library provides the panic handler.
#[cfg(all(any(feature = "panic-handler", feature = "test"), not(hachi_bpf)))]
extern crate std;

pub mod atomic;
pub mod bindings;
mod callback;
pub mod conntrack;
mod control;
pub mod cpumask;
pub mod crypto;
pub mod cty;
mod dynptr;
mod errno;
mod global;
pub mod helpers;
mod host;
pub mod iterate;
pub mod kernel;
mod kptr;
mod license;
pub mod log;
pub mod macros;
pub mod maps;
pub mod objects;
#[macro_use]
mod packet;
#[cfg(all(feature = "panic-handler", hachi_bpf))]
mod panic;
pub mod path;
pub mod programs;
mod rcu;
mod stream;
pub mod sync;
#[cfg(all(feature = "test", not(hachi_bpf)))]
pub mod test;
pub mod text;
mod user;
mod workqueue;

pub use control::{bpf_loop, may_goto, repeat, throw};
pub use dynptr::{AnyDynptr, Dynptr, DynptrSlot, PacketDynptr};
pub use global::{Global, GlobalMut};
pub use hachi_common::{MapValue, Pod, Record, Shareable, Shared, Stored, field};
#[cfg(all(feature = "panic-handler", not(hachi_bpf)))]
#[doc(hidden)]
pub use host::__host_main;
pub use kptr::{Counted, KPtr, Owned};
#[doc(hidden)]
pub use license::__c_string;
/// The levels of [`log!`](crate::log!).
pub use log::Level;
pub use programs::EbpfContext;
#[doc(hidden)]
pub use stream::__stream_print;
pub use user::UserPtr;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
