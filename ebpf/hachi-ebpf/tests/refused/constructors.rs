//! No pointer becomes a context by safe code.
use hachi_ebpf::{EbpfContext, programs::*};

struct Mine;
impl EbpfContext for Mine { //~ `EbpfContext` requires an `unsafe impl` declaration
    fn as_ptr(&self) -> *mut core::ffi::c_void {
        16 as *mut _
    }
}

fn main() {}
