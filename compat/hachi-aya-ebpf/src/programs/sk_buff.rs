use core::mem::MaybeUninit;

use hachi_ebpf::helpers;

use crate::{bindings::__sk_buff, cty::c_long};

/// A packet, whatever the program that looks at it.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct SkBuff {
    /// The kernel's context.
    pub skb: *mut __sk_buff,
}

#[inline(always)]
fn check(result: c_long) -> Result<(), c_long> {
    match c_long::from(result as i32) {
        0.. => Ok(()),
        error => Err(error),
    }
}

/// Fields of the packet.
macro_rules! fields {
    ($($(#[$doc:meta])* $method:ident: $field:ident;)*) => { $(
        $(#[$doc])*
        #[inline(always)]
        pub fn $method(&self) -> u32 {
            // SAFETY: the context is the kernel's. Volatile, so that of two fields between which a
            // program chooses none is loaded at a variable offset.
            unsafe { (&raw const (*self.skb).$field).read_volatile() }
        }
    )* };
}

#[expect(clippy::len_without_is_empty, reason = "Aya has none")]
impl SkBuff {
    /// The packet at a pointer that the kernel has given.
    #[inline(always)]
    pub const fn new(skb: *mut __sk_buff) -> Self {
        SkBuff { skb }
    }

    fields! {
        /// How many bytes it has.
        len: len;
        /// `AF_INET` (2) or `AF_INET6` (10).
        family: family;
        /// The protocol (`ETH_P_IP`), in network byte order.
        protocol: protocol;
        /// This side's IPv4 address, in network byte order.
        local_ipv4: local_ip4;
        /// This side's port, in host byte order.
        local_port: local_port;
        /// The other side's IPv4 address, in network byte order.
        remote_ipv4: remote_ip4;
        /// The other side's port, in network byte order.
        remote_port: remote_port;
    }

    /// This side's IPv6 address, in network byte order.
    #[inline(always)]
    pub fn local_ipv6(&self) -> &[u32; 4] {
        // SAFETY: the context is the kernel's.
        unsafe { &(*self.skb).local_ip6 }
    }

    /// The other side's IPv6 address, in network byte order.
    #[inline(always)]
    pub fn remote_ipv6(&self) -> &[u32; 4] {
        // SAFETY: the context is the kernel's.
        unsafe { &(*self.skb).remote_ip6 }
    }

    /// Five words that programs on the packet's way may use to tell each other something.
    #[inline(always)]
    pub fn cb(&self) -> &[u32] {
        // SAFETY: the context is the kernel's.
        unsafe { &(*self.skb).cb }
    }

    /// The same, to write them.
    #[inline(always)]
    pub fn cb_mut(&mut self) -> &mut [u32] {
        // SAFETY: the context is the kernel's.
        unsafe { &mut (*self.skb).cb }
    }

    /// Sets the mark that netfilter and routing look at.
    #[inline(always)]
    pub fn set_mark(&self, mark: u32) {
        // SAFETY: the context is the kernel's.
        unsafe { (&raw mut (*self.skb).mark).write_volatile(mark) };
    }

    /// Copies the `T` at `offset` out of the packet, wherever it lies.
    ///
    /// # Errors
    /// `-EFAULT` when the packet ends before it does.
    #[inline(always)]
    pub fn load<T>(&self, offset: usize) -> Result<T, c_long> {
        let mut value = MaybeUninit::<T>::uninit();
        // SAFETY: the context is the kernel's, the value writable for its size.
        check(unsafe {
            helpers::bpf_skb_load_bytes(
                self.skb.cast(),
                offset as u32,
                value.as_mut_ptr().cast(),
                size_of::<T>() as u32,
            )
        })?;
        // SAFETY: all bytes were written; that they make a `T` is the program's business.
        Ok(unsafe { value.assume_init() })
    }

    /// Fills `dst` with the packet's bytes from `offset` on, or with all there are; gives how
    /// many.
    ///
    /// # Errors
    /// `-EFAULT` when the packet has none there.
    #[inline(always)]
    pub fn load_bytes(&self, offset: usize, dst: &mut [u8]) -> Result<usize, c_long> {
        self.as_context().load_bytes(offset, dst)
    }

    /// Overwrites what stands at `offset`. `flags`: `BPF_F_RECOMPUTE_CSUM`,
    /// `BPF_F_INVALIDATE_HASH`.
    ///
    /// # Errors
    /// `-EFAULT` when the packet ends too early.
    #[inline(always)]
    pub fn store<T>(&self, offset: usize, value: &T, flags: u64) -> Result<(), c_long> {
        // SAFETY: the context is the kernel's, the value readable for its size.
        check(unsafe {
            helpers::bpf_skb_store_bytes(
                self.skb,
                offset as u32,
                core::ptr::from_ref(value).cast(),
                size_of::<T>() as u32,
                flags,
            )
        })
    }

    /// Corrects the checksum at `offset` in a network-layer header for a change of `size` (2 or 4)
    /// bytes from `from` to `to`; with `size` 0, by the difference `to`.
    ///
    /// # Errors
    /// `-EFAULT` when the packet ends too early, `-EINVAL` for another size.
    #[inline(always)]
    pub fn l3_csum_replace(
        &self,
        offset: usize,
        from: u64,
        to: u64,
        size: u64,
    ) -> Result<(), c_long> {
        // SAFETY: the context is the kernel's.
        check(unsafe { helpers::bpf_l3_csum_replace(self.skb, offset as u32, from, to, size) })
    }

    /// The same in a transport-layer header; `flags` has the size in its lowest four bits.
    ///
    /// # Errors
    /// As [`l3_csum_replace`](Self::l3_csum_replace).
    #[inline(always)]
    pub fn l4_csum_replace(
        &self,
        offset: usize,
        from: u64,
        to: u64,
        flags: u64,
    ) -> Result<(), c_long> {
        // SAFETY: the context is the kernel's.
        check(unsafe { helpers::bpf_l4_csum_replace(self.skb, offset as u32, from, to, flags) })
    }

    /// Adds (or with a negative `len_diff` removes) room behind a header.
    ///
    /// # Errors
    /// `-ENOTSUPP` (-524) for packets that cannot be changed so, `-ENOMEM`.
    #[inline(always)]
    pub fn adjust_room(&self, len_diff: i32, mode: u32, flags: u64) -> Result<(), c_long> {
        // SAFETY: the context is the kernel's.
        check(unsafe { helpers::bpf_skb_adjust_room(self.skb, len_diff, mode, flags) })
    }

    /// Sends a copy of the packet out of interface `if_index`, or with `BPF_F_INGRESS` into it.
    ///
    /// # Errors
    /// `-EINVAL` when there is no such interface, `-ENOMEM`.
    #[inline(always)]
    pub fn clone_redirect(&self, if_index: u32, flags: u64) -> Result<(), c_long> {
        // SAFETY: the context is the kernel's.
        check(unsafe { helpers::bpf_clone_redirect(self.skb, if_index, flags) })
    }

    /// Changes the protocol between IPv4 and IPv6. `flags` is 0.
    ///
    /// # Errors
    /// `-ENOTSUPP` (-524) for other protocols, `-ENOMEM`.
    #[inline(always)]
    pub fn change_proto(&self, proto: u16, flags: u64) -> Result<(), c_long> {
        // SAFETY: the context is the kernel's.
        check(unsafe { helpers::bpf_skb_change_proto(self.skb, proto, flags) })
    }

    /// Changes for whom the packet is: `PACKET_HOST` (0) and so on.
    ///
    /// # Errors
    /// `-EINVAL` for other types than those of arriving packets.
    #[inline(always)]
    pub fn change_type(&self, r#type: u32) -> Result<(), c_long> {
        // SAFETY: the context is the kernel's.
        check(unsafe { helpers::bpf_skb_change_type(self.skb, r#type) })
    }

    /// Makes the first `len` bytes directly readable, and writable; 0 stands for all that lie in
    /// the first piece.
    ///
    /// # Errors
    /// `-ENOMEM`; `-EINVAL` when the packet is shorter.
    #[inline(always)]
    pub fn pull_data(&self, len: u32) -> Result<(), c_long> {
        // SAFETY: the context is the kernel's.
        check(unsafe { helpers::bpf_skb_pull_data(self.skb, len) })
    }

    /// The user who owns the packet's socket.
    #[inline(always)]
    pub fn get_socket_uid(&self) -> u32 {
        // SAFETY: the context is the kernel's.
        unsafe { helpers::bpf_get_socket_uid(self.skb) }
    }

    #[inline(always)]
    fn as_context(&self) -> &hachi_ebpf::programs::SkBuffContext {
        // SAFETY: both are `repr(transparent)` around the same pointer.
        unsafe { &*core::ptr::from_ref(self).cast() }
    }
}

/// A context that is a packet.
macro_rules! packet_context {
    ($name:ident) => {
        impl $name {
            /// The context at a pointer that the kernel has given. The attribute makes it.
            #[inline(always)]
            pub const fn new(skb: *mut __sk_buff) -> Self {
                $name {
                    skb: SkBuff { skb },
                }
            }

            /// How many bytes the packet has.
            #[inline(always)]
            #[expect(clippy::len_without_is_empty, reason = "it is Hachi's, through `Deref`")]
            pub fn len(&self) -> u32 {
                self.skb.len()
            }

            /// See [`SkBuff::cb`].
            #[inline(always)]
            pub fn cb(&self) -> &[u32] {
                self.skb.cb()
            }

            /// See [`SkBuff::cb_mut`].
            #[inline(always)]
            pub fn cb_mut(&mut self) -> &mut [u32] {
                self.skb.cb_mut()
            }

            /// See [`SkBuff::set_mark`].
            #[inline(always)]
            pub fn set_mark(&self, mark: u32) {
                self.skb.set_mark(mark);
            }

            /// See [`SkBuff::get_socket_uid`].
            #[inline(always)]
            pub fn get_socket_uid(&self) -> u32 {
                self.skb.get_socket_uid()
            }

            $crate::programs::sk_buff::passed_on! {
                load<T>(offset: usize) -> T;
                load_bytes(offset: usize, dst: &mut [u8]) -> usize;
                store<T>(offset: usize, value: &T, flags: u64) -> ();
                l3_csum_replace(offset: usize, from: u64, to: u64, size: u64) -> ();
                l4_csum_replace(offset: usize, from: u64, to: u64, flags: u64) -> ();
                adjust_room(len_diff: i32, mode: u32, flags: u64) -> ();
                clone_redirect(if_index: u32, flags: u64) -> ();
                change_type(r#type: u32) -> ();
                pull_data(len: u32) -> ();
            }
        }

        // SAFETY: what the kernel has given.
        unsafe impl hachi_ebpf::EbpfContext for $name {
            #[inline(always)]
            fn as_ptr(&self) -> *mut $crate::cty::c_void {
                self.skb.skb.cast()
            }
        }
    };
}
pub(super) use packet_context;

/// Methods that the packet has.
macro_rules! passed_on {
    ($($method:ident $(<$param:ident>)? ($($arg:ident: $ty:ty),*) -> $result:ty;)*) => { $(
        #[doc = concat!("See [`SkBuff::", stringify!($method), "`].")]
        ///
        /// # Errors
        /// Those of that method.
        #[inline(always)]
        pub fn $method $(<$param>)? (
            &self,
            $($arg: $ty),*
        ) -> Result<$result, $crate::cty::c_long> {
            self.skb.$method($($arg),*)
        }
    )* };
}
pub(super) use passed_on;

/// A packet at a socket or a cgroup.
#[repr(transparent)]
pub struct SkBuffContext {
    /// The packet.
    pub skb: SkBuff,
}

packet_context!(SkBuffContext);
super::behind!(SkBuffContext: SkBuffContext);
