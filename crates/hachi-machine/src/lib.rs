//! The world of eBPF programs without a kernel.
//!
//! A [`World`] is a value: the clock, the CPUs, the task that runs, the maps, what programs print.
//! Nothing in it is global, nothing depends on the machine it runs on, and nothing changes unless
//! the program or the test changes it: the same world and the same program give the same result.
//!
//! [`maps`] are maps of every kind with the kernel's semantics and error numbers; [`helpers`] the
//! kernel's helpers by number, over a [`Memory`] that checks each access. What runs programs
//! (`hachi-vm`) implements [`Host`].

pub mod context;
mod errno;
pub mod helpers;
pub mod kfuncs;
#[path = "map/mod.rs"]
pub mod maps;
pub mod memory;
mod objects;
mod packet;
mod random;
mod route;
mod socket;
mod supplied;
mod trap;
mod world;

pub use errno::Errno;
pub use memory::{Block, Fault, Gone, Kind, Memory, OutOfMemory, Protection, Reason};
pub use packet::{Packet, Redirect};
pub use random::Random;
pub use route::{Route, RouteKind};
pub use socket::Socket;
pub use trap::{Awake, Expected, Misuse, Trap, Wanted};
pub use world::{Held, Host, Image, Message, Running, Sent, Sysctl, Task, World};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
