//! No pointer becomes a context by safe code.
use hachi_ebpf::programs::*;

fn main() {
    let at = 16 as *mut core::ffi::c_void;
    XdpContext::new(at.cast()); //~ is unsafe
    TcContext::new(at.cast()); //~ is unsafe
    SyscallContext::<u64>::new(at); //~ is unsafe
    ProbeContext::new(at); //~ is unsafe
    RetProbeContext::new(at); //~ is unsafe
    UsdtContext::new(at); //~ is unsafe
    TracePointContext::new(at); //~ is unsafe
    RawTracePointContext::new(at); //~ is unsafe
    BtfTracePointContext::new(at); //~ is unsafe
    FEntryContext::new(at); //~ is unsafe
    IterContext::new(at); //~ is unsafe
    LircMode2Context::new(at.cast()); //~ is unsafe
}
