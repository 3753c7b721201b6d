//! Flow dissectors: programs that tell the kernel which flow a packet belongs to.

use super::context;
use crate::bindings::{__sk_buff, bpf_flow_keys};
use crate::cty::c_long;
use crate::helpers;

context! {
    /// The packet a `#[flow_dissector]` is called for (4.20).
    FlowDissectorContext(__sk_buff), "#[flow_dissector]"
}

packet_ends!(FlowDissectorContext);
packet_reads!(FlowDissectorContext);

impl FlowDissectorContext {
    /// What the program finds out, to be filled in. Its `nhoff` says where the network header is.
    #[inline(always)]
    pub fn flow_keys(&mut self) -> &mut bpf_flow_keys {
        let keys = ctx_field!(volatile self.flow_keys);
        // SAFETY: the keys are there while the program runs, and borrowed with the context.
        unsafe { &mut *keys }
    }

    /// Copies bytes of the packet, wherever they lie, into `to`.
    ///
    /// # Errors
    /// `-EFAULT` when the packet ends before `offset + to.len()`.
    #[inline(always)]
    pub fn load_bytes(&self, offset: usize, to: &mut [u8]) -> Result<(), c_long> {
        // The helper takes no empty buffer.
        if to.is_empty() {
            return Ok(());
        }
        // SAFETY: the context is the kernel's, the buffer is writable for its length.
        helpers::check(unsafe {
            helpers::bpf_skb_load_bytes(
                self.ctx.cast(),
                offset as u32,
                to.as_mut_ptr().cast(),
                to.len() as u32,
            )
        })
    }
}
