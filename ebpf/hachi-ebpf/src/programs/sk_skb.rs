//! Packets at a socket or a cgroup: socket filters, cgroup_skb, sk_skb.

use super::{context, context_fields};
use crate::bindings::__sk_buff;
use crate::helpers;

context! {
    /// The packet a program for a socket or cgroup is called for.
    ///
    /// One type for three kinds of programs, as in Aya; what a kind lacks the verifier refuses:
    /// - socket filters (3.19) have [`load`](Self::load) and [`load_bytes`](Self::load_bytes) only;
    /// - cgroup_skb programs (4.10) also look into the packet directly, from the IP header on;
    /// - sk_skb programs (4.14) change it as well.
    ///
    /// ```
    /// use hachi_ebpf::macros::cgroup_skb;
    /// use hachi_ebpf::programs::SkBuffContext;
    ///
    /// #[cgroup_skb(egress)]
    /// fn short_ones(ctx: SkBuffContext) -> i32 {
    ///     (ctx.len() < 1000).into()
    /// }
    /// ```
    SkBuffContext(__sk_buff), "#[cgroup_skb]"
}

skb_fields!(SkBuffContext);
packet_ends!(SkBuffContext);
packet_reads!(SkBuffContext);
packet_writes!(SkBuffContext);
skb_changes!(SkBuffContext);

context_fields! { SkBuffContext {
    /// `AF_INET` (2) or `AF_INET6` (10) (sk_skb, cgroup_skb; 4.14).
    family: family -> u32;
    /// The other side's IPv4 address, in network byte order (4.14).
    remote_ip4: remote_ip4 -> u32;
    /// This side's IPv4 address, in network byte order (4.14).
    local_ip4: local_ip4 -> u32;
    /// The other side's port, in network byte order (4.14).
    remote_port: remote_port -> u32;
    /// This side's port, in host byte order (4.14).
    local_port: local_port -> u32;
} }

impl SkBuffContext {
    /// The user who owns the packet's socket (4.12).
    #[inline(always)]
    pub fn get_socket_uid(&self) -> u32 {
        // SAFETY: the context is the kernel's.
        unsafe { helpers::bpf_get_socket_uid(self.ctx) }
    }

    /// A number that stands for the packet's socket as long as the machine runs (4.12).
    #[inline(always)]
    pub fn get_socket_cookie(&self) -> u64 {
        // SAFETY: the context is the kernel's.
        unsafe { helpers::bpf_get_socket_cookie(self.ctx.cast()) }
    }

    /// The id of the cgroup (v2) of the packet's socket (4.18; cgroup_skb 5.8).
    #[inline(always)]
    pub fn cgroup_id(&self) -> u64 {
        // SAFETY: the context is the kernel's.
        unsafe { helpers::bpf_skb_cgroup_id(self.ctx) }
    }
}
