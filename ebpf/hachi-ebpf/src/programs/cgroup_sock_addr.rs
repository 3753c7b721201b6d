//! Addresses that the processes of a cgroup bind, connect and send to.

use super::{context, context_fields, context_setters};
use crate::bindings::bpf_sock_addr;

context! {
    /// The address a `#[cgroup_sock_addr]` program is called for, which it may change (4.17). The
    /// program returns 1 to allow, 0 to forbid.
    ///
    /// ```
    /// use hachi_ebpf::macros::cgroup_sock_addr;
    /// use hachi_ebpf::programs::SockAddrContext;
    ///
    /// #[cgroup_sock_addr(connect4)]
    /// fn to_this_machine_only(ctx: SockAddrContext) -> i32 {
    ///     (ctx.user_ip4().to_ne_bytes()[0] == 127).into()
    /// }
    /// ```
    SockAddrContext(bpf_sock_addr), "#[cgroup_sock_addr]"
}

context_fields! { SockAddrContext {
    /// Family of the address: `AF_INET` (2) or `AF_INET6` (10).
    user_family: user_family -> u32;
    /// The IPv4 address, in network byte order.
    user_ip4: user_ip4 -> u32;
    /// The IPv6 address, in network byte order.
    user_ip6: user_ip6 -> [u32; 4];
    /// The port, in network byte order.
    user_port: user_port -> u32;
    /// Family of the socket.
    family: family -> u32;
    /// `SOCK_STREAM` (1), `SOCK_DGRAM` (2), …
    sock_type: r#type -> u32;
    /// `IPPROTO_TCP` (6), `IPPROTO_UDP` (17), …
    protocol: protocol -> u32;
    /// The IPv4 address to send from, in network byte order (sendmsg4; 4.18).
    msg_src_ip4: msg_src_ip4 -> u32;
} }

context_setters! { SockAddrContext {
    /// Replaces the IPv4 address, in network byte order.
    set_user_ip4: user_ip4 = u32;
    /// Replaces the port, in network byte order.
    set_user_port: user_port = u32;
    /// Replaces the IPv4 address to send from, in network byte order (sendmsg4; 4.18).
    set_msg_src_ip4: msg_src_ip4 = u32;
} }

impl SockAddrContext {
    /// Replaces the IPv6 address, in network byte order.
    #[inline(always)]
    pub fn set_user_ip6(&mut self, address: [u32; 4]) {
        // SAFETY: the context is the kernel's.
        let at = unsafe { &raw mut (*self.ctx).user_ip6 }.cast::<u32>();
        for (i, word) in address.into_iter().enumerate() {
            // SAFETY: the context is the kernel's, the index below 4.
            unsafe { at.add(i).write_volatile(word) };
        }
    }
}
