//! sk_msg: what a process sends through a socket in a sockmap.

use super::{context, context_fields};
use crate::bindings::sk_msg_md;
use crate::cty::c_long;
use crate::helpers;

context! {
    /// The message an `#[sk_msg]` program is called for (4.17).
    ///
    /// ```
    /// use hachi_ebpf::macros::sk_msg;
    /// use hachi_ebpf::programs::SkMsgContext;
    ///
    /// #[sk_msg]
    /// fn short_ones(ctx: SkMsgContext) -> u32 {
    ///     (ctx.size() < 1000).into() // SK_PASS is 1
    /// }
    /// ```
    SkMsgContext(sk_msg_md), "#[sk_msg]"
}

context_fields! { SkMsgContext {
    /// Length of the message in bytes (5.0).
    size: size -> u32;
    /// `AF_INET` (2) or `AF_INET6` (10).
    family: family -> u32;
    /// The other side's IPv4 address, in network byte order.
    remote_ip4: remote_ip4 -> u32;
    /// This side's IPv4 address, in network byte order.
    local_ip4: local_ip4 -> u32;
    /// The other side's port, in network byte order.
    remote_port: remote_port -> u32;
    /// This side's port, in host byte order.
    local_port: local_port -> u32;
} }

packet_ends!(SkMsgContext);
packet_reads!(SkMsgContext);
packet_writes!(SkMsgContext);

impl SkMsgContext {
    /// Makes the bytes from `start` to `end` directly readable and writable (4.17). `flags` is 0.
    ///
    /// # Errors
    /// `-EINVAL` when the message has no such bytes, `-ENOMEM`.
    #[inline(always)]
    pub fn pull_data(&mut self, start: u32, end: u32, flags: u64) -> Result<(), c_long> {
        // SAFETY: the context is the kernel's, and no reference into the message exists.
        helpers::check(unsafe { helpers::bpf_msg_pull_data(self.ctx, start, end, flags) })
    }

    /// Makes room for `len` bytes at `start` (4.20). `flags` is 0.
    ///
    /// # Errors
    /// `-EINVAL` when the message has no such place, `-ENOMEM`.
    #[inline(always)]
    pub fn push_data(&mut self, start: u32, len: u32, flags: u64) -> Result<(), c_long> {
        // SAFETY: the context is the kernel's, and no reference into the message exists.
        helpers::check(unsafe { helpers::bpf_msg_push_data(self.ctx, start, len, flags) })
    }

    /// Takes `len` bytes at `start` out (5.0). `flags` is 0.
    ///
    /// # Errors
    /// `-EINVAL` when the message has no such bytes, `-ENOMEM`.
    #[inline(always)]
    pub fn pop_data(&mut self, start: u32, len: u32, flags: u64) -> Result<(), c_long> {
        // SAFETY: the context is the kernel's, and no reference into the message exists.
        helpers::check(unsafe { helpers::bpf_msg_pop_data(self.ctx, start, len, flags) })
    }

    /// Makes the verdict valid for the next `bytes` bytes, whatever messages they come in.
    #[inline(always)]
    pub fn apply_bytes(&mut self, bytes: u32) {
        // SAFETY: the context is the kernel's. It cannot fail.
        unsafe { helpers::bpf_msg_apply_bytes(self.ctx, bytes) };
    }

    /// Collects `bytes` bytes before the program is called again.
    #[inline(always)]
    pub fn cork_bytes(&mut self, bytes: u32) {
        // SAFETY: the context is the kernel's. It cannot fail.
        unsafe { helpers::bpf_msg_cork_bytes(self.ctx, bytes) };
    }
}
