//! sock_ops: what happens to the TCP sockets of a cgroup.

use super::{context, context_fields};
use crate::bindings::bpf_sock_ops;
use crate::cty::c_long;
use crate::helpers;

context! {
    /// The event a `#[sock_ops]` program is called for (4.13). [`op`](Self::op) says which.
    ///
    /// ```
    /// use hachi_ebpf::macros::sock_ops;
    /// use hachi_ebpf::programs::SockOpsContext;
    /// use hachi_ebpf::info;
    ///
    /// #[sock_ops]
    /// fn connections(ctx: SockOpsContext) -> u32 {
    ///     info!(&ctx, "event {} at port {}", ctx.op(), ctx.local_port());
    ///     1
    /// }
    /// ```
    SockOpsContext(bpf_sock_ops), "#[sock_ops]"
}

context_fields! { SockOpsContext {
    /// What happened: `BPF_SOCK_OPS_…`.
    op: op -> u32;
    /// `AF_INET` (2) or `AF_INET6` (10).
    family: family -> u32;
    /// The other side's IPv4 address, in network byte order.
    remote_ip4: remote_ip4 -> u32;
    /// This side's IPv4 address, in network byte order.
    local_ip4: local_ip4 -> u32;
    /// The other side's IPv6 address, in network byte order.
    remote_ip6: remote_ip6 -> [u32; 4];
    /// This side's IPv6 address, in network byte order.
    local_ip6: local_ip6 -> [u32; 4];
    /// The other side's port, in network byte order.
    remote_port: remote_port -> u32;
    /// This side's port, in host byte order.
    local_port: local_port -> u32;
    /// Whether the socket is a full one: 1 or 0; the fields below are 0 otherwise (4.16).
    is_fullsock: is_fullsock -> u32;
    /// The congestion window, in packets (4.16).
    snd_cwnd: snd_cwnd -> u32;
    /// Smoothed round-trip time, in eighths of microseconds (4.16).
    srtt_us: srtt_us -> u32;
    /// The events the program is called for: `BPF_SOCK_OPS_…_CB_FLAG` (4.16).
    cb_flags: bpf_sock_ops_cb_flags -> u32;
    /// State of the socket: `BPF_TCP_…` (4.16).
    state: state -> u32;
    /// Bytes received (4.16).
    bytes_received: bytes_received -> u64;
    /// Bytes sent and acknowledged (4.16).
    bytes_acked: bytes_acked -> u64;
} }

impl SockOpsContext {
    /// Argument number `index`, 0 to 3, of the event.
    #[inline(always)]
    pub fn arg(&self, index: usize) -> u32 {
        // SAFETY: the context is the kernel's; any bits are numbers.
        let word = |i: usize| unsafe {
            (&raw const (*self.ctx).__bindgen_anon_1.args)
                .cast::<u32>()
                .add(i)
                .read_volatile()
        };
        // Each at a constant offset: the verifier takes no other in a context.
        match index {
            0 => word(0),
            1 => word(1),
            2 => word(2),
            3 => word(3),
            _ => 0,
        }
    }

    /// Sets the answer to an event that asks for one.
    #[inline(always)]
    pub fn set_reply(&mut self, reply: i32) {
        // SAFETY: the context is the kernel's; writing to a union is.
        unsafe { (&raw mut (*self.ctx).__bindgen_anon_1.reply).write_volatile(reply as u32) };
    }

    /// Says for which further events of this socket the program is called:
    /// `BPF_SOCK_OPS_…_CB_FLAG` (4.16).
    ///
    /// # Errors
    /// `-EINVAL` when the socket is no full one; a positive number are flags that the kernel does
    /// not know.
    #[inline(always)]
    pub fn set_cb_flags(&mut self, flags: i32) -> Result<(), c_long> {
        // SAFETY: the context is the kernel's.
        match unsafe { helpers::bpf_sock_ops_cb_flags_set(self.ctx, flags) } {
            0 => Ok(()),
            other => Err(other),
        }
    }
}
