//! The contexts that programs are called with: one file for each program type.

mod xdp;

pub use xdp::XdpContext;

use crate::cty::c_void;

/// What the contexts of all program types have in common.
pub trait EbpfContext {
    /// The pointer that the kernel called the program with, for helpers that want it.
    fn as_ptr(&self) -> *mut c_void;
}
