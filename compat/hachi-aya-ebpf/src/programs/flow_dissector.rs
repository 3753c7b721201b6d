use crate::{bindings::__sk_buff, cty::c_long};

super::context! {
    /// A packet that is dissected.
    FlowDissectorContext { skb: __sk_buff }
}

impl FlowDissectorContext {
    /// Fills `dst` with the packet's bytes from `offset` on; gives how many. The packet's length is
    /// not in the context of these programs, so that it has to have as many.
    ///
    /// # Errors
    /// `-EFAULT` when the packet ends before `offset + dst.len()`.
    #[inline(always)]
    pub fn load_bytes(&self, offset: usize, dst: &mut [u8]) -> Result<usize, c_long> {
        let ctx: &hachi_ebpf::programs::FlowDissectorContext = self;
        ctx.load_bytes(offset, dst).map(|()| dst.len())
    }
}
