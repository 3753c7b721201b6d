//! Sockets by key.

use core::borrow::{Borrow, BorrowMut};

use hachi_ebpf::{helpers, maps as hachi};

use super::{Plain, c_long, c_void, check, wrapper};
use crate::{
    bindings::bpf_sock_ops,
    programs::{SkBuffContext, SkLookupContext, SkMsgContext},
};

wrapper! {
    /// Sockets by key.
    SockHash<K: Copy> = hachi::SockHash<Plain<K>>
}

impl<K: Copy + 'static> SockHash<K> {
    /// Gives `key` the socket of an event.
    ///
    /// # Errors
    /// What the kernel returns, negative.
    #[inline(always)]
    pub fn update(
        &self,
        mut key: impl BorrowMut<K>,
        mut sk_ops: impl BorrowMut<bpf_sock_ops>,
        flags: u64,
    ) -> Result<(), i32> {
        let key = core::ptr::from_mut(key.borrow_mut()).cast();
        let sk_ops = core::ptr::from_mut(sk_ops.borrow_mut());
        // SAFETY: the context is the kernel's, the map one of the object's with this type of key.
        check(unsafe { helpers::bpf_sock_hash_update(sk_ops, self.as_ptr(), key, flags) })
    }

    /// Sends the message through the socket of `key`: what an sk_msg program returns.
    #[inline(always)]
    pub fn redirect_msg(
        &self,
        ctx: impl Borrow<SkMsgContext>,
        mut key: impl BorrowMut<K>,
        flags: u64,
    ) -> c_long {
        let key = core::ptr::from_mut(key.borrow_mut()).cast();
        // SAFETY: as above.
        unsafe { helpers::bpf_msg_redirect_hash(ctx.borrow().msg, self.as_ptr(), key, flags) }
    }

    /// Sends the packet through the socket of `key`: what an sk_skb program returns.
    #[inline(always)]
    pub fn redirect_skb(
        &self,
        ctx: impl Borrow<SkBuffContext>,
        mut key: impl BorrowMut<K>,
        flags: u64,
    ) -> c_long {
        let key = core::ptr::from_mut(key.borrow_mut()).cast();
        // SAFETY: as above.
        unsafe { helpers::bpf_sk_redirect_hash(ctx.borrow().skb.skb, self.as_ptr(), key, flags) }
    }

    /// Gives the packet to the socket of `key`.
    ///
    /// # Errors
    /// What the kernel returns, negative: `-ENOENT` when there is none.
    #[inline(always)]
    pub fn redirect_sk_lookup(
        &self,
        ctx: impl Borrow<SkLookupContext>,
        key: impl Borrow<K>,
        flags: u64,
    ) -> Result<(), i32> {
        // The kernel changes the socket, not the context's fields that others see.
        let mut ctx = SkLookupContext::new(ctx.borrow().lookup);
        super::narrow(
            self.0
                .redirect_sk_lookup(&mut ctx, Plain::of(key.borrow()), flags),
        )
    }
}
