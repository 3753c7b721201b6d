//! Tracepoints with the record that tracefs describes.

use super::EbpfContext;
use crate::Pod;
use crate::cty::{c_long, c_void};
use crate::helpers;
use crate::kernel::{Handle, Probed};

/// The record of a tracepoint (4.7).
///
/// ```
/// use hachi_ebpf::info;
/// use hachi_ebpf::macros::tracepoint;
/// use hachi_ebpf::programs::TracePointContext;
///
/// #[tracepoint(category = "syscalls", name = "sys_enter_openat")]
/// fn opens(ctx: TracePointContext) {
///     // Where the format of the record in tracefs has it.
///     let flags: u64 = ctx.field(32);
///     info!(&ctx, "flags {:#x}", flags);
/// }
/// ```
#[derive(Debug)]
#[repr(transparent)]
pub struct TracePointContext {
    ctx: *mut c_void,
}

impl TracePointContext {
    /// Wraps the context that the kernel called the program with. The attribute does so.
    ///
    /// # Safety
    /// `ctx` must be that pointer, and there must be no other context made from it.
    #[inline(always)]
    pub unsafe fn new(ctx: *mut c_void) -> Self {
        Self { ctx }
    }

    /// The record as the kernel's structure, whose fields this kernel has where it has them:
    /// offsets need not be looked up.
    ///
    /// ```
    /// use hachi_ebpf::{kernel_types, macros::tracepoint, programs::TracePointContext};
    ///
    /// kernel_types! {
    ///     // As `hachi bindgen trace_event_raw_sched_process_exec` writes it.
    ///     struct trace_event_raw_sched_process_exec { __data_loc_filename: u32, pid: i32 }
    /// }
    ///
    /// #[tracepoint(category = "sched", name = "sched_process_exec")]
    /// fn executed(ctx: TracePointContext) -> Result<(), i64> {
    ///     let record: trace_event_raw_sched_process_exec<_> = ctx.record();
    ///     let mut name = [0; 64];
    ///     let name = ctx.text(record.__data_loc_filename()?, &mut name)?;
    ///     # let _ = name;
    ///     Ok(())
    /// }
    /// ```
    /// It is `trace_event_raw_NAME`, or where several tracepoints have the same fields
    /// `trace_event_raw_CLASS` (`sched_process_template`); of system calls `syscall_trace_enter`
    /// and `syscall_trace_exit`. Linux 5.5.
    #[inline(always)]
    pub fn record<H: Handle<Mode = Probed>>(&self) -> H {
        H::from_ptr(self.ctx)
    }

    /// The text that a field `__data_loc_…` of the record stands for, up to its end or that of `to`
    /// (5.5).
    ///
    /// # Errors
    /// `-EFAULT` where the field stands for nothing.
    #[inline(always)]
    pub fn text<'t>(&self, data_loc: u32, to: &'t mut [u8]) -> Result<&'t [u8], c_long> {
        // The lower half is where it begins, the upper one how long it is.
        let start = self
            .ctx
            .cast::<u8>()
            .wrapping_add((data_loc & 0xffff) as usize);
        // SAFETY: the kernel checks the address.
        unsafe { helpers::bpf_probe_read_kernel_str_bytes(start, to) }
    }

    /// The field at `offset`, by one load: an integer of 1 to 8 bytes at a constant offset. (The
    /// verifier refuses others, and attaching fails where the record ends before.)
    ///
    /// Offsets and sizes are those of [`read_at`](Self::read_at).
    ///
    /// # Panics
    /// In a test, if the record has no such field.
    #[inline(always)]
    pub fn field<T: Pod>(&self, offset: usize) -> T {
        let at = self.ctx.wrapping_byte_add(offset).cast::<T>();
        // Where no verifier looks.
        #[cfg(all(feature = "test", not(hachi_bpf)))]
        assert!(
            at.is_aligned() && crate::test::in_frame(at.cast(), size_of::<T>()),
            "the record has no such field at {offset}"
        );
        // SAFETY: the verifier checks that the field is in the record; any bytes make a `T`.
        // Volatile because several loads with variable numbers must not become one.
        unsafe { at.read_volatile() }
    }

    /// The field at `offset` bytes, as
    /// `/sys/kernel/tracing/events/CATEGORY/NAME/format` says (`offset:`, `size:`).
    ///
    /// # Errors
    /// What `bpf_probe_read_kernel` says (5.5).
    ///
    /// # Safety
    /// None is needed: the kernel checks the address. It is `unsafe` for Aya's sake, where it is.
    #[inline(always)]
    pub unsafe fn read_at<T: Pod>(&self, offset: usize) -> Result<T, c_long> {
        // SAFETY: the kernel checks the address.
        unsafe { helpers::bpf_probe_read_kernel(self.ctx.cast::<u8>().wrapping_add(offset).cast()) }
    }
}

// SAFETY: `new` was given the kernel's context.
unsafe impl EbpfContext for TracePointContext {
    #[inline(always)]
    fn as_ptr(&self) -> *mut c_void {
        self.ctx
    }
}
