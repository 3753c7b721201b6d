//! A kernel to test programs with, in the test's own process: `cargo test`, without root, without
//! bytecode. With the feature `test`, on the development machine only.
//!
//! ```toml
//! [dev-dependencies]
//! hachi-ebpf = { version = "…", features = ["test"] }
//! ```
//! A program is then an ordinary function. Its maps hold values, its helpers answer, and
//! [`Input`] makes the context that it is called with:
//! ```
//! use hachi_ebpf::{bindings::xdp_action, macros::{map, xdp}, maps::HashMap, programs::XdpContext};
//!
//! #[map]
//! static BLOCKED: HashMap<u8, u8> = HashMap::with_max_entries(16, 0);
//!
//! #[xdp]
//! fn firewall(ctx: XdpContext) -> u32 {
//!     match ctx.read::<u8>(0) {
//!         Some(first) if BLOCKED.get(first).is_some() => xdp_action::XDP_DROP,
//!         _ => xdp_action::XDP_PASS,
//!     }
//! }
//!
//! # fn main() {
//! // #[test] fn drops_blocked() {
//! use hachi_ebpf::test::Input;
//!
//! BLOCKED.insert(7, 1, 0).unwrap();
//! assert_eq!(Input::new([7; 64]).run(firewall), xdp_action::XDP_DROP);
//! assert_eq!(Input::new([8; 64]).run(firewall), xdp_action::XDP_PASS);
//! # }
//! ```
//! A binary's crate starts with `#![cfg_attr(not(test), no_std, no_main)]` instead of `#![no_std]`
//! and `#![no_main]`: a test has a `main`.
//!
//! # What is real
//! - **Maps**: their sizes, flags and errors are those of the kernel's. A machine has one CPU. What
//!   the kernel does roughly is exact here (an LRU map removes the entry used longest ago, a Bloom
//!   filter is never wrong), and memory of removed entries is never used again.
//! - **Ring buffers and perf buffers** keep what was sent for [`Kernel::records`].
//! - **Helpers**: time, random numbers, who runs, reading memory, printing and logging, loops,
//!   text, timers, storage, dynptrs, bytes of packets. What a helper without a fake returns is
//!   `-ENOSYS`, null or 0; [`Kernel::replace_helper`] gives it, or any other, one.
//! - **The kernel's structures** read as zeros, and kfuncs return zero.
//!
//! The verifier is not there: that a program works here does not mean that it loads.
//!
//! # Each test has a kernel of its own
//! What is here belongs to a thread, and the test harness gives each test its thread. A test that
//! wants to set something, or may run with `--test-threads=1`, starts with [`Kernel::new`], which
//! forgets all that was before. The memory of maps' values is never freed, as references to it may
//! be anywhere.

mod arena;
pub(crate) mod dynptr;
mod helpers;
mod input;
mod kernel;
mod map;
mod memory;
pub(crate) mod objects;
mod packet;
mod printf;
mod state;
mod task;
pub(crate) mod text;
mod timer;

pub use input::{Context, Input};
pub use kernel::{Kernel, Outer, Records};
pub use task::Task;

pub(crate) use arena::{arena_pages, in_arena};
pub(crate) use helpers::call;
pub(crate) use packet::in_frame;
pub(crate) use state::{global, set_global};
pub(crate) use timer::is_of as timer_is_of;

/// The kernel's numbers for errors, as it returns them.
mod errno {
    pub const ENOENT: i64 = -2;
    pub const E2BIG: i64 = -7;
    pub const EAGAIN: i64 = -11;
    pub const EACCES: i64 = -13;
    pub const EFAULT: i64 = -14;
    pub const EBUSY: i64 = -16;
    pub const EEXIST: i64 = -17;
    pub const EINVAL: i64 = -22;
    pub const ENOSPC: i64 = -28;
    pub const ERANGE: i64 = -34;
}

/// What an operation of the kernel returns: an error as the negative number it is.
type Done<T = ()> = Result<T, i64>;
