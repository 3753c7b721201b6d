//! sk_lookup: which socket gets a connection or packet.

use super::{context, context_fields};
use crate::bindings::{bpf_sk_lookup, bpf_sock};
use crate::cty::c_long;
use crate::helpers;

context! {
    /// What an `#[sk_lookup]` program is asked about (5.9).
    ///
    /// ```
    /// use hachi_ebpf::macros::sk_lookup;
    /// use hachi_ebpf::programs::SkLookupContext;
    ///
    /// #[sk_lookup]
    /// fn no_udp(ctx: SkLookupContext) -> u32 {
    ///     const UDP: u32 = 17;
    ///     (ctx.protocol() != UDP).into() // SK_PASS is 1
    /// }
    /// ```
    SkLookupContext(bpf_sk_lookup), "#[sk_lookup]"
}

context_fields! { SkLookupContext {
    /// `AF_INET` (2) or `AF_INET6` (10).
    family: family -> u32;
    /// `IPPROTO_TCP` (6) or `IPPROTO_UDP` (17).
    protocol: protocol -> u32;
    /// The sender's IPv4 address, in network byte order.
    remote_ip4: remote_ip4 -> u32;
    /// The sender's IPv6 address, in network byte order.
    remote_ip6: remote_ip6 -> [u32; 4];
    /// The sender's port, in network byte order.
    remote_port: remote_port -> u16;
    /// The IPv4 address it was sent to, in network byte order.
    local_ip4: local_ip4 -> u32;
    /// The IPv6 address it was sent to, in network byte order.
    local_ip6: local_ip6 -> [u32; 4];
    /// The port it was sent to, in host byte order.
    local_port: local_port -> u32;
    /// Index of the interface it came from (5.17).
    ingress_ifindex: ingress_ifindex -> u32;
} }

impl SkLookupContext {
    /// Chooses the socket, or with null takes the choice back; `flags`: `BPF_SK_LOOKUP_F_REPLACE`,
    /// `BPF_SK_LOOKUP_F_NO_REUSEPORT`.
    ///
    /// # Errors
    /// `-EEXIST` when another program has chosen, `-EAFNOSUPPORT`, `-EPROTOTYPE`,
    /// `-ESOCKTNOSUPPORT` for sockets that do not fit.
    #[inline(always)]
    #[expect(
        clippy::not_unsafe_ptr_arg_deref,
        reason = "the verifier lets nothing pass but sockets"
    )]
    pub fn assign(&mut self, socket: *mut bpf_sock, flags: u64) -> Result<(), c_long> {
        // SAFETY: the context is the kernel's; the verifier makes sure that the pointer is one to a
        // socket.
        helpers::check(unsafe { helpers::bpf_sk_assign(self.ctx, socket, flags) })
    }
}
