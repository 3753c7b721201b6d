use hachi_ebpf::helpers::bpf_probe_read_kernel;

use crate::cty::c_void;

super::context! {
    /// A tracepoint that was hit.
    TracePointContext { ctx: c_void }
}

impl TracePointContext {
    /// The field at `offset` bytes of the record.
    ///
    /// # Safety
    /// The bytes there must make a `T`.
    ///
    /// # Errors
    /// What `bpf_probe_read_kernel` returns (5.5).
    #[inline(always)]
    pub unsafe fn read_at<T>(&self, offset: usize) -> Result<T, i32> {
        let field = self.ctx.cast::<u8>().wrapping_add(offset).cast();
        // SAFETY: the kernel checks the address; the caller knows the type.
        unsafe { bpf_probe_read_kernel(field) }.map_err(|error| error as i32)
    }
}
