//! `BPF_MAP_TYPE_XSKMAP`

use super::def::non_null;
use super::redirect::redirect;
use crate::bindings::bpf_xdp_sock;
use crate::helpers;

map_kind! {
    /// Sockets of the family `AF_XDP`, to which XDP programs redirect packets (4.18).
    ///
    /// ```
    /// use hachi_ebpf::{macros::{map, xdp}, maps::XskMap, programs::XdpContext};
    ///
    /// #[map]
    /// static SOCKETS: XskMap = XskMap::with_max_entries(8, 0);
    ///
    /// /// To the socket of the queue; where there is none, on to the kernel.
    /// #[xdp]
    /// fn to_user_space(ctx: XdpContext) -> u32 {
    ///     let pass = 2;
    ///     SOCKETS.redirect(ctx.rx_queue_index(), pass).unwrap_or_else(|action| action)
    /// }
    /// ```
    XskMap = BPF_MAP_TYPE_XSKMAP(u32 => u32),
    entries: "up to `max_entries` sockets"
}

impl XskMap {
    /// The receive queue of the socket at `index` (5.3).
    #[inline(always)]
    pub fn get(&self, index: u32) -> Option<u32> {
        // SAFETY: the map is one of the object's, with keys of four bytes. What a lookup in a map
        // of this kind finds is a socket.
        let socket =
            unsafe { helpers::bpf_map_lookup_elem(self.as_ptr(), (&raw const index).cast()) };
        let socket = non_null::<bpf_xdp_sock>(socket)?;
        // SAFETY: the socket is there while the program runs.
        Some(unsafe { (*socket).queue_id })
    }

    /// Redirects the packet to the socket at `index`, which must be bound to the queue that the
    /// packet came from: return `XDP_REDIRECT`, which is the result, from the program. The lowest
    /// two bits of `flags` are the action that is the result when there is no such socket.
    ///
    /// # Errors
    /// That action (`XDP_ABORTED`, if `flags` is 0).
    #[inline(always)]
    pub fn redirect(&self, index: u32, flags: u64) -> Result<u32, u32> {
        redirect(self.as_ptr(), index, flags)
    }
}
