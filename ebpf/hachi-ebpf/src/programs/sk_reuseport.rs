//! sk_reuseport: which of the sockets that share a port gets a packet or connection.

use super::{context, context_fields};
use crate::bindings::sk_reuseport_md;

context! {
    /// What an `#[sk_reuseport]` program is asked about (4.19).
    ///
    /// The packet begins with its transport-layer header.
    ///
    /// ```
    /// use hachi_ebpf::macros::sk_reuseport;
    /// use hachi_ebpf::programs::SkReuseportContext;
    ///
    /// #[sk_reuseport]
    /// fn any(_ctx: SkReuseportContext) -> u32 {
    ///     1 // SK_PASS, and the kernel chooses
    /// }
    /// ```
    SkReuseportContext(sk_reuseport_md), "#[sk_reuseport]"
}

context_fields! { SkReuseportContext {
    /// Length of the packet in bytes, from the transport-layer header on.
    len: len -> u32;
    /// The protocol (`ETH_P_IP`), in network byte order.
    eth_protocol: eth_protocol -> u32;
    /// `IPPROTO_TCP` (6) or `IPPROTO_UDP` (17).
    ip_protocol: ip_protocol -> u32;
    /// Whether the sockets are bound to all addresses: 1 or 0.
    bind_inany: bind_inany -> u32;
    /// A hash of addresses and ports.
    hash: hash -> u32;
} }

packet_ends!(SkReuseportContext);
packet_reads!(SkReuseportContext);

impl SkReuseportContext {
    /// Whether the packet has no bytes.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
