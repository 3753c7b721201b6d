//! Tracepoints with their arguments as numbers.

use super::EbpfContext;
use super::btf_args::context_of_arguments;
use crate::Pod;
use crate::cty::c_void;
use crate::kernel::{Argument, Probed, Source};

context_of_arguments! {
    /// The arguments of a tracepoint, of which the verifier knows nothing (4.17).
    ///
    /// ```
    /// use hachi_ebpf::macros::raw_tracepoint;
    /// use hachi_ebpf::programs::RawTracePointContext;
    /// use hachi_ebpf::info;
    ///
    /// #[raw_tracepoint(tracepoint = "sys_enter")]
    /// fn calls(ctx: RawTracePointContext) -> i32 {
    ///     let number: u64 = ctx.arg(1);
    ///     info!(&ctx, "system call {}", number);
    ///     0
    /// }
    /// ```
    RawTracePointContext, Probed
}

impl RawTracePointContext {
    /// The tracepoint's buffer: what the kernel looks at when the program has run. For programs
    /// that are `writable`, at tracepoints that have one, such as `nbd_send_request` (5.2); the
    /// verifier refuses others.
    #[inline(always)]
    pub fn buffer<T: Pod>(&self) -> T {
        // SAFETY: the verifier knows the buffer and checks that all of `T` lies in it; any bytes
        // make a `T`. Volatile because the kernel looks at it, too.
        unsafe { self.place::<T>().read_volatile() }
    }

    /// Replaces the buffer, or its first bytes.
    #[inline(always)]
    pub fn set_buffer<T: Pod>(&mut self, value: T) {
        // SAFETY: as for reading.
        unsafe { self.place::<T>().write_volatile(value) }
    }

    #[inline(always)]
    fn place<T>(&self) -> *mut T {
        let at = self.register(0) as usize as *mut T;
        // Where no verifier looks.
        #[cfg(all(feature = "test", not(hachi_bpf)))]
        assert!(
            at.is_aligned() && crate::test::in_frame(at.cast(), size_of::<T>()),
            "the tracepoint has no buffer of {} bytes",
            size_of::<T>()
        );
        at
    }
}
