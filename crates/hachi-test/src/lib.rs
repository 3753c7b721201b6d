//! Tests of eBPF programs: one body for the virtual machine, the kernel and the host
#![cfg_attr(feature = "programs", doc = "([`Bpf`], [`test`](macro@test)),")]
//! and what tests on a real kernel need: network namespaces, real traffic.
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
//! Tests of the first kind run anywhere. The rest needs Linux ≥ 4.11, `CAP_NET_ADMIN` and
//! `CAP_SYS_ADMIN` (in practice: root), and the `ip`
//! program of iproute2; [`Host::ping`] also needs `ping` of iputils.

#[cfg(feature = "programs")]
mod bpf;
#[cfg(target_os = "linux")]
mod bpffs;
#[cfg(target_os = "linux")]
mod cgroup;
#[cfg(target_os = "linux")]
mod error;
#[cfg(target_os = "linux")]
mod faults;
#[cfg(target_os = "linux")]
mod maker;
#[cfg(target_os = "linux")]
mod netns;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod skip;
#[cfg(target_os = "linux")]
mod support;
#[cfg(target_os = "linux")]
mod sys;
#[cfg(target_os = "linux")]
mod tempdir;
#[cfg(target_os = "linux")]
mod traffic;
#[cfg(target_os = "linux")]
mod usdt;
#[cfg(target_os = "linux")]
mod userns;
#[cfg(target_os = "linux")]
mod veth;

#[cfg(feature = "programs")]
pub use bpf::{Backend, Bpf, Map, Native, NativeMap, Object, Place, Ran, Refused, Run, run_in};
#[cfg(target_os = "linux")]
pub use bpffs::Bpffs;
#[cfg(target_os = "linux")]
pub use cgroup::Cgroup;
#[cfg(target_os = "linux")]
pub use error::{Error, Result};
#[cfg(target_os = "linux")]
pub use faults::{Fault, Injected, InjectedRun, each_call_fails, inject};
#[cfg(feature = "programs")]
pub use hachi_test_macros::test;
#[cfg(feature = "programs")]
pub use hachi_vm::{Input, machine};
#[cfg(target_os = "linux")]
pub use netns::Netns;
#[cfg(target_os = "linux")]
pub use process::{
    Guarded, allow_open_descriptors, fail_on_leaks, find_clang, find_program, interrupted,
    on_interrupt, open_descriptors, private_mounts,
};
#[cfg(target_os = "linux")]
pub use skip::{
    bpf_available, cpu_lacks_cmpxchg16b, in_guest, is_root, kernel_is_older_than,
    kernel_lacks_fprobe, report_skip, report_unsupported,
};
#[cfg(target_os = "linux")]
pub use support::{Exercise, exercises};
#[cfg(target_os = "linux")]
pub use tempdir::TempDir;
#[cfg(target_os = "linux")]
pub use traffic::{
    EchoServer, Ping, tcp_request, tcp_request_from, udp_request, udp_request_from, udp_send,
};
#[cfg(target_os = "linux")]
pub use userns::run_delegated;
#[cfg(target_os = "linux")]
pub use veth::{Host, VethPair};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
