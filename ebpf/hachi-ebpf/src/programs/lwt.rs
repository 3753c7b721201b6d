//! Lightweight tunnels: packets that take a route with a program.

use super::{context, context_fields};
use crate::bindings::__sk_buff;
use crate::cty::c_long;
use crate::errno::EINVAL;
use crate::helpers;

context! {
    /// The packet a program of a route is called for: `#[lwt_in]`, `#[lwt_out]`, `#[lwt_xmit]`
    /// (4.10), `#[lwt_seg6local]` (4.18).
    ///
    /// The packet begins with its IP header. Only lwt_xmit programs change it directly.
    ///
    /// ```
    /// use hachi_ebpf::macros::lwt_xmit;
    /// use hachi_ebpf::programs::LwtContext;
    ///
    /// #[lwt_xmit]
    /// fn no_long_ones(ctx: LwtContext) -> i32 {
    ///     match ctx.len() {
    ///         0..=1000 => 0, // BPF_OK
    ///         _ => 2,        // BPF_DROP
    ///     }
    /// }
    /// ```
    LwtContext(__sk_buff), "#[lwt_xmit]"
}

skb_fields!(LwtContext);
packet_ends!(LwtContext);
packet_reads!(LwtContext);
packet_writes!(LwtContext);
skb_changes!(LwtContext);
skb_routing!(LwtContext);

impl LwtContext {
    /// Puts `header` in front of the packet; `r#type` is a `BPF_LWT_ENCAP_…` (4.18).
    ///
    /// # Errors
    /// `-EINVAL` for a header that is none, `-ENOMEM`.
    #[inline(always)]
    pub fn push_encap(&mut self, r#type: u32, header: &mut [u8]) -> Result<(), c_long> {
        // The helper takes no empty buffer.
        if header.is_empty() {
            return Err(-EINVAL);
        }
        // SAFETY: the context is the kernel's, no reference into the packet exists, the header is
        // readable for its length.
        helpers::check(unsafe {
            helpers::bpf_lwt_push_encap(
                self.ctx,
                r#type,
                header.as_mut_ptr().cast(),
                header.len() as u32,
            )
        })
    }
}
