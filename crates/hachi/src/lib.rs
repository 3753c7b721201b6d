//! Loads, attaches, pins and inspects eBPF programs.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use hachi::{Ebpf, maps::HashMap, programs::{Xdp, XdpFlags}};
//!
//! let mut ebpf = Ebpf::load_file("firewall.o")?;
//!
//! let mut blocked: HashMap<_, u16, u8> = HashMap::try_from(ebpf.map_mut("BLOCKED")?)?;
//! blocked.insert(23, 1, 0)?;
//!
//! let program: &mut Xdp = ebpf.program_mut("firewall")?.try_into()?;
//! program.load()?;
//! program.attach("eth0", XdpFlags::default())?;
//!
//! std::thread::park(); // filters until `ebpf` is dropped
//! # Ok(()) }
//! ```
//!
//! * [`Ebpf`] and [`EbpfLoader`] bring an object file into the kernel.
//! * [`programs`] has a type for each type of program, [`maps`] one for each type of map, and
//!   [`links`] explains how long an attachment lasts.
//! * [`pin`] keeps things without a process, [`EbpfLogger`] brings programs' log messages,
//!   [`features`] says what the running kernel can do.
//!
//! What an object file contains is a [`Spec`](hachi_obj::Spec): plain data, without a kernel. What
//! this crate makes of it are objects that own descriptors. The way from one to the other is in the
//! module `load`, in the order in which it happens. All system calls are made in the module `sys`.
//!
//! Programs written for Aya use the crate `hachi-aya`, which has Aya's API on top of this one.
//!
//! # Features
//! The projects of `hachi new` leave out those that are on by default: they build sooner without.
//!
//! * `config-gz` (on by default): kernel configuration options (`.kconfig`) from `/proc/config.gz`,
//!   where there is no `/boot/config-RELEASE`.
//! * `uprobe` (on by default): [`UProbe`](programs::UProbe), [`UProbeMulti`](programs::UProbeMulti)
//!   and [`Usdt`](programs::Usdt). Without it an object may still contain such programs; they can
//!   be loaded, but not attached.
//! * `tokio`: `into_async` of [`RingBuf`](maps::RingBuf), [`Events`](maps::Events),
//!   [`PerfEvents`](maps::PerfEvents) and [`UserRingBuf`](maps::UserRingBuf).

#![cfg(target_os = "linux")]

mod btf;
mod error;
mod fd;
pub mod features;
mod holders;
mod ids;
mod kallsyms;
mod kernel_btf;
mod kernel_config;
mod latest;
pub mod links;
mod load;
mod loader;
mod log;
pub mod maps;
mod near;
mod pattern;
pub mod pin;
mod program_info;
pub mod programs;
mod rights;
mod struct_ops;
mod sys;
mod target;
mod tracefs;
#[cfg(feature = "uprobe")]
mod user;
pub mod util;
mod version;

pub use hachi_common::{Pod, Shareable, Stored, bytes_of, log as log_format, read_bytes};
pub use hachi_obj as obj;

pub use crate::{
    btf::{Btf, BtfInfo, loaded_btf},
    features::Unsupported,
    holders::{Held, Holder, Probe, ProbeAt, holders, holders_in},
    load::{BtfProblem, EbpfError, VerifierLogLevel},
    loader::{Ebpf, EbpfLoader, GlobalData, IfMissing},
    log::{EbpfLogger, EbpfLoggerError, LogPart, LogRecord},
    rights::{BpfToken, BpfTokenError, Delegation},
    struct_ops::StructOps,
    sys::capability::Capability,
    sys::errno::SyscallError,
    version::KernelVersion,
};

/// For the fuzz targets, which see only what is public.
#[cfg(all(fuzzing, feature = "uprobe"))]
#[doc(hidden)]
pub mod fuzzing {
    pub use crate::sys::netlink::fuzz::replies as netlink;
    pub use crate::sys::perf_buffer::fuzz as perf_records;
    pub use crate::user::fuzz as user;
}

/// The bytes of a file as a `&'static [u8]`, as `include_bytes!`, aligned to 32 bytes: an object
/// file can be read in place.
///
/// ```
/// static OBJECT: &[u8] =
///     hachi::include_bytes_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
/// assert_eq!(OBJECT.as_ptr() as usize % 32, 0);
/// ```
#[macro_export]
macro_rules! include_bytes_aligned {
    ($path:expr) => {{
        #[repr(align(32))]
        struct Aligned<T: ?Sized>(T);
        const ALIGNED: &Aligned<[u8]> = &Aligned(*include_bytes!($path));
        &ALIGNED.0
    }};
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
