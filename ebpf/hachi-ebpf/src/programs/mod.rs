//! The contexts that programs are called with: one file for each program type.

mod btf_args;
mod fentry;
mod fexit;
mod iter;
mod kprobe;
mod kretprobe;
mod lsm;
mod raw_tracepoint;
mod registers;
mod tp_btf;
mod tracepoint;
mod xdp;

pub use fentry::FEntryContext;
pub use fexit::FExitContext;
pub use iter::IterContext;
pub use kprobe::ProbeContext;
pub use kretprobe::RetProbeContext;
pub use lsm::LsmContext;
pub use raw_tracepoint::RawTracePointContext;
pub use registers::pt_regs;
pub use tp_btf::BtfTracePointContext;
pub use tracepoint::TracePointContext;
pub use xdp::XdpContext;

use crate::cty::c_void;

/// What the contexts of all program types have in common.
pub trait EbpfContext {
    /// The pointer that the kernel called the program with, for helpers that want it.
    fn as_ptr(&self) -> *mut c_void;
}
