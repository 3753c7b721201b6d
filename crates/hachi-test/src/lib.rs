//! Test support: network namespaces, real traffic, and the places eBPF tests need.
//!
//! A test of a packet program needs two hosts, a wire between them and somebody who talks. This
//! crate makes them out of the running kernel, privately and without leaving anything behind:
//!
//! ```no_run
//! use hachi_test::{EchoServer, VethPair};
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let wire = VethPair::new()?;
//! // … attach a program to `wire.right.interface()` inside `wire.right.netns()` …
//! let server = EchoServer::udp(wire.right.netns(), (wire.right.ipv4(), 7000).into())?;
//! let answer = hachi_test::udp_request(
//!     wire.left.netns(),
//!     server.address(),
//!     b"hello",
//!     Duration::from_secs(1),
//! )?;
//! assert_eq!(answer, b"hello");
//! assert!(wire.left.ping(wire.right.ipv4(), 3)?.all_answered());
//! # Ok(())
//! # }
//! ```
//!
//! * [`Netns`]: a network namespace without a name. It lives as long as its descriptor: the kernel
//!   removes it, with the interfaces in it, when the process ends, however it ends.
//! * [`VethPair`]: two namespaces joined by a virtual cable, with IPv4 and IPv6 addresses.
//! * [`Bpffs`], [`Cgroup`], [`TempDir`]: a private BPF filesystem to pin in, a cgroup, a directory;
//!   each is removed on drop, and what a killed run left is removed by the next one.
//! * [`EchoServer`], [`tcp_request`], [`udp_request`], [`Host::ping`], [`Host::send_frame`]:
//!   traffic.
//! * [`each_call_fails`], [`inject`], [`fail_on_leaks`]: what is left behind, when calls fail, when
//!   a program is killed, and at the end.
//! * [`run_delegated`]: a process like one in a container, with rights over bpf(2).
//! * [`skip!`], [`supported!`], [`require_bpf!`], [`require_host!`]: say that a test could not run,
//!   in a way the runner counts.
//! * [`exercises`]: what a test shows to work, for a table of what is supported.
//! * [`usdt_probe!`]: a USDT probe in the test itself.
//!
//! Needs Linux ≥ 4.11, `CAP_NET_ADMIN` and `CAP_SYS_ADMIN` (in practice: root), and the `ip`
//! program of iproute2; [`Host::ping`] also needs `ping` of iputils.

mod bpffs;
mod cgroup;
mod error;
mod faults;
mod maker;
mod netns;
mod process;
mod skip;
mod support;
mod sys;
mod tempdir;
mod traffic;
mod usdt;
mod userns;
mod veth;

pub use bpffs::Bpffs;
pub use cgroup::Cgroup;
pub use error::{Error, Result};
pub use faults::{Fault, Injected, InjectedRun, each_call_fails, inject};
pub use netns::Netns;
pub use process::{
    Guarded, allow_open_descriptors, fail_on_leaks, find_clang, find_program, interrupted,
    on_interrupt, open_descriptors, private_mounts,
};
pub use skip::{
    bpf_available, cpu_lacks_cmpxchg16b, in_guest, is_root, kernel_is_older_than,
    kernel_lacks_fprobe, report_skip, report_unsupported,
};
pub use support::{Exercise, exercises};
pub use tempdir::TempDir;
pub use traffic::{
    EchoServer, Ping, tcp_request, tcp_request_from, udp_request, udp_request_from, udp_send,
};
pub use userns::run_delegated;
pub use veth::{Host, VethPair};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
