//! Sockets by index.

use hachi_ebpf::{helpers, maps as hachi};

use super::{c_long, c_void, check, wrapper};
use crate::{
    bindings::bpf_sock_ops,
    programs::{SkBuffContext, SkLookupContext, SkMsgContext},
};

wrapper! {
    /// Sockets by index.
    SockMap<> = hachi::SockMap
}

impl SockMap {
    /// Puts the socket of an event at `index`.
    ///
    /// # Safety
    /// `sk_ops` is the kernel's context.
    ///
    /// # Errors
    /// What the kernel returns, negative.
    #[inline(always)]
    pub unsafe fn update(
        &self,
        mut index: u32,
        sk_ops: *mut bpf_sock_ops,
        flags: u64,
    ) -> Result<(), i32> {
        let key = (&raw mut index).cast();
        // SAFETY: the caller's promise; the map is one of the object's, with keys of four bytes.
        check(unsafe { helpers::bpf_sock_map_update(sk_ops, self.as_ptr(), key, flags) })
    }

    /// Sends the message through the socket at `index`: what an sk_msg program returns.
    ///
    /// # Safety
    /// None is needed.
    #[inline(always)]
    pub unsafe fn redirect_msg(&self, ctx: &SkMsgContext, index: u32, flags: u64) -> c_long {
        // SAFETY: the context is the kernel's, the map one of the object's.
        unsafe { helpers::bpf_msg_redirect_map(ctx.msg, self.as_ptr(), index, flags) }
    }

    /// Sends the packet through the socket at `index`: what an sk_skb program returns.
    ///
    /// # Safety
    /// None is needed.
    #[inline(always)]
    pub unsafe fn redirect_skb(&self, ctx: &SkBuffContext, index: u32, flags: u64) -> c_long {
        // SAFETY: the context is the kernel's, the map one of the object's.
        unsafe { helpers::bpf_sk_redirect_map(ctx.skb.skb, self.as_ptr(), index, flags) }
    }

    /// Gives the packet to the socket at `index`.
    ///
    /// # Errors
    /// What the kernel returns, negative: `-ENOENT` when there is none.
    #[inline(always)]
    pub fn redirect_sk_lookup(
        &self,
        ctx: &SkLookupContext,
        index: u32,
        flags: u64,
    ) -> Result<(), i32> {
        // The kernel changes the socket, not the context's fields that others see.
        let mut ctx = SkLookupContext::new(ctx.lookup);
        super::narrow(self.0.redirect_sk_lookup(&mut ctx, index, flags))
    }
}
