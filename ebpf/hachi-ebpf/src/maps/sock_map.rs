//! `BPF_MAP_TYPE_SOCKMAP` and `BPF_MAP_TYPE_SOCKHASH`

use core::borrow::Borrow;

use super::def::non_null;
use crate::bindings::{bpf_sock, bpf_sock_ops};
use crate::cty::{c_long, c_void};
use crate::errno::ENOENT;
use crate::programs::{
    SkBuffContext, SkLookupContext, SkMsgContext, SkReuseportContext, SockOpsContext,
};
use crate::{EbpfContext, helpers};

map_kind! {
    /// Sockets, by index: to redirect to, and those whose data sk_msg and sk_skb programs see
    /// (4.14).
    ///
    /// ```
    /// use hachi_ebpf::{macros::{map, sk_msg}, maps::SockMap, programs::SkMsgContext};
    ///
    /// #[map]
    /// static SOCKETS: SockMap = SockMap::with_max_entries(2, 0);
    ///
    /// /// What one socket sends arrives at the other.
    /// #[sk_msg]
    /// fn to_the_other(ctx: SkMsgContext) -> u32 {
    ///     SOCKETS.redirect_msg(&ctx, 1, 0)
    /// }
    /// ```
    SockMap = BPF_MAP_TYPE_SOCKMAP(u32 => u32),
    entries: "up to `max_entries` sockets"
}

map_kind! {
    /// Sockets, by key: to redirect to, and those whose data sk_msg and sk_skb programs see (4.18).
    ///
    /// All bytes of a key count, so a key type has no padding: see
    /// [`Shareable`](crate::Shareable).
    ///
    /// ```
    /// use hachi_ebpf::{macros::{map, sk_msg}, maps::SockHash, programs::SkMsgContext};
    ///
    /// #[map]
    /// static SOCKETS: SockHash<u32> = SockHash::with_max_entries(1024, 0);
    ///
    /// /// What a socket sends arrives at the one that user space has put under its port.
    /// #[sk_msg]
    /// fn by_port(ctx: SkMsgContext) -> u32 {
    ///     SOCKETS.redirect_msg(&ctx, ctx.local_port(), 0)
    /// }
    /// ```
    SockHash<K: Shareable> = BPF_MAP_TYPE_SOCKHASH(K => u32),
    entries: "up to `max_entries` sockets"
}

/// `helper(context, map, &key, flags)`
type ByKey<C> = unsafe fn(*mut C, *mut c_void, *mut c_void, u64) -> c_long;

macro_rules! sockets {
    (
        [$($param:ident: $bound:ident)?] $name:ty: ($key:ident: $key_ty:ty => $key_ref:expr),
        $update:expr, $redirect_msg:expr, $redirect_skb:expr
    ) => {
        impl$(<$param: $crate::$bound>)? $name {
            /// Puts the socket that the event is about into the map; `flags` is `BPF_ANY` (0),
            /// `BPF_NOEXIST` or `BPF_EXIST`.
            ///
            /// # Errors
            /// `-EEXIST` or `-ENOENT` as the flags say; `-E2BIG` when there is no room.
            #[inline(always)]
            pub fn update(
                &self,
                $key: $key_ty,
                ctx: &mut SockOpsContext,
                flags: u64,
            ) -> Result<(), c_long> {
                let update: ByKey<bpf_sock_ops> = $update;
                let key = (&raw const *$key_ref).cast_mut().cast();
                // SAFETY: the context is the kernel's, the map one of the object's with this type
                // of key.
                helpers::check(unsafe { update(ctx.ctx, self.as_ptr(), key, flags) })
            }

            /// Sends the message to this socket instead; with `BPF_F_INGRESS`, as if it had come in
            /// there. Return what it returns: `SK_PASS`, or `SK_DROP` when there is no such socket.
            #[inline(always)]
            pub fn redirect_msg(&self, ctx: &SkMsgContext, $key: $key_ty, flags: u64) -> u32 {
                // SAFETY: the context is the kernel's, the map one of the object's with this type
                // of key.
                unsafe { $redirect_msg(ctx.ctx, self.as_ptr(), $key_ref, flags) as u32 }
            }

            /// Sends the packet to this socket instead; with `BPF_F_INGRESS`, as if it had come in
            /// there. Return what it returns: `SK_PASS`, or `SK_DROP` when there is no such socket.
            #[inline(always)]
            pub fn redirect_skb(&self, ctx: &SkBuffContext, $key: $key_ty, flags: u64) -> u32 {
                // SAFETY: the context is the kernel's, the map one of the object's with this type
                // of key.
                unsafe { $redirect_skb(ctx.ctx, self.as_ptr(), $key_ref, flags) as u32 }
            }

            /// Lets this socket have the connection or packet (5.9). `flags` as of
            /// [`SkLookupContext::assign`].
            ///
            /// # Errors
            /// `-ENOENT` when there is no such socket; else as there.
            #[inline(always)]
            pub fn redirect_sk_lookup(
                &self,
                ctx: &mut SkLookupContext,
                $key: $key_ty,
                flags: u64,
            ) -> Result<(), c_long> {
                let key = (&raw const *$key_ref).cast();
                // SAFETY: the map is one of the object's with this type of key. What a lookup in a
                // map of this kind finds is a socket, held until it is released.
                unsafe {
                    let socket = helpers::bpf_map_lookup_elem(self.as_ptr(), key);
                    let Some(socket) = non_null::<bpf_sock>(socket) else {
                        return Err(-ENOENT);
                    };
                    let result = helpers::bpf_sk_assign(ctx.ctx, socket, flags);
                    helpers::bpf_sk_release(socket.cast());
                    helpers::check(result)
                }
            }

            /// Chooses this socket of the group that shares the port (5.8).
            ///
            /// # Errors
            /// `-ENOENT` when there is no such socket, `-EBADFD` when it is not of the group.
            #[inline(always)]
            pub fn select_reuseport(
                &self,
                ctx: &SkReuseportContext,
                $key: $key_ty,
                flags: u64,
            ) -> Result<(), c_long> {
                let key = (&raw const *$key_ref).cast_mut().cast();
                // SAFETY: the context is the kernel's, the map one of the object's with this type
                // of key.
                helpers::check(unsafe {
                    helpers::bpf_sk_select_reuseport(ctx.as_ptr().cast(), self.as_ptr(), key, flags)
                })
            }
        }
    };
}

sockets! {
    [] SockMap: (index: u32 => &index),
    helpers::bpf_sock_map_update,
    |ctx, map, key: &u32, flags| helpers::bpf_msg_redirect_map(ctx, map, *key, flags),
    |ctx, map, key: &u32, flags| helpers::bpf_sk_redirect_map(ctx, map, *key, flags)
}

sockets! {
    [K: Shareable] SockHash<K>: (key: impl Borrow<K> => key.borrow()),
    helpers::bpf_sock_hash_update,
    |ctx, map, key: &K, flags| {
        helpers::bpf_msg_redirect_hash(ctx, map, (&raw const *key).cast_mut().cast(), flags)
    },
    |ctx, map, key: &K, flags| {
        helpers::bpf_sk_redirect_hash(ctx, map, (&raw const *key).cast_mut().cast(), flags)
    }
}
