//! What contexts for packets in the network stack (`__sk_buff`) have in common.
//!
//! Which fields and methods a kind of program may use is the verifier's to say; the groups here are
//! those that all kinds with such a method may use in a current kernel.

/// What every program for such packets can ask.
macro_rules! skb_fields {
    ($name:ident) => {
        impl $name {
            /// The whole packet, of which the kernel checks each access, in a slot of the caller's
            /// (`bpf_dynptr_from_skb`, 6.4).
            ///
            /// # Errors
            /// None that are known.
            #[inline(always)]
            pub fn dynptr<'a>(
                &'a mut self,
                slot: &'a mut $crate::DynptrSlot,
            ) -> Result<&'a mut $crate::PacketDynptr, $crate::cty::c_long> {
                // SAFETY: the context is the kernel's, and borrowed as long as the dynptr is used.
                unsafe { $crate::PacketDynptr::of_skb(self.ctx, slot) }
            }
        }

        context_fields! { $name {
            /// Length of the packet in bytes.
            len: len -> u32;
            /// For whom the packet is: `PACKET_HOST` (0) and so on.
            pkt_type: pkt_type -> u32;
            /// The mark that netfilter and routing look at.
            mark: mark -> u32;
            /// The queue of the device.
            queue_mapping: queue_mapping -> u32;
            /// The protocol (`ETH_P_IP`), in network byte order.
            protocol: protocol -> u32;
            /// Whether there is a VLAN tag: 1 or 0.
            vlan_present: vlan_present -> u32;
            /// The VLAN tag's control information.
            vlan_tci: vlan_tci -> u32;
            /// The VLAN tag's protocol, in network byte order.
            vlan_proto: vlan_proto -> u32;
            /// Priority for queueing.
            priority: priority -> u32;
            /// Index of the interface the packet came from; 0 when it was made here.
            ingress_ifindex: ingress_ifindex -> u32;
            /// Index of the interface the packet is at.
            ifindex: ifindex -> u32;
            /// The packet's hash, if it was computed.
            hash: hash -> u32;
            /// Five words that programs on the packet's way may use to tell each other something.
            cb: cb -> [u32; 5];
        } }

        impl $name {
            /// Whether the packet has no bytes.
            #[inline(always)]
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Copies the `T` at `offset` out of the packet, wherever it lies (4.5).
            ///
            /// # Errors
            /// `-EFAULT` when the packet ends before it does.
            #[inline(always)]
            pub fn load<T: $crate::Pod>(&self, offset: usize) -> Result<T, $crate::cty::c_long> {
                let mut value = ::core::mem::MaybeUninit::<T>::uninit();
                // SAFETY: the context is the kernel's, the value writable for its size.
                let result = unsafe {
                    $crate::helpers::bpf_skb_load_bytes(
                        self.ctx.cast(),
                        offset as u32,
                        value.as_mut_ptr().cast(),
                        size_of::<T>() as u32,
                    )
                };
                $crate::helpers::check(result)?;
                // SAFETY: all bytes were written, and any make a `T`.
                Ok(unsafe { value.assume_init() })
            }

            /// Fills `to` with the packet's bytes from `offset` on, or with all there are; gives
            /// how many (4.5).
            ///
            /// # Errors
            /// `-EFAULT` when the packet has none there.
            #[inline(always)]
            pub fn load_bytes(
                &self,
                offset: usize,
                to: &mut [u8],
            ) -> Result<usize, $crate::cty::c_long> {
                let have = (self.len() as usize).saturating_sub(offset);
                // The verifier wants to see limits compared with the very number that the helper
                // gets, and before 6.8 learns nothing of a number that is not 0: so one less.
                let last = $crate::packet::opaque(have.min(to.len()).wrapping_sub(1));
                if last >= to.len() {
                    return Err(-$crate::errno::EFAULT);
                }
                let len = last + 1;
                // SAFETY: the context is the kernel's, the buffer is writable for the length.
                $crate::helpers::check(unsafe {
                    $crate::helpers::bpf_skb_load_bytes(
                        self.ctx.cast(),
                        offset as u32,
                        to.as_mut_ptr().cast(),
                        len as u32,
                    )
                })?;
                Ok(len)
            }
        }
    };
}

/// Changing the packet's bytes and length.
macro_rules! skb_changes {
    ($name:ident) => {
        impl $name {
            /// Overwrites what stands at `offset` with `value`, wherever it lies. `flags`:
            /// `BPF_F_RECOMPUTE_CSUM`, `BPF_F_INVALIDATE_HASH`.
            ///
            /// # Errors
            /// `-EFAULT` when the packet ends too early.
            #[inline(always)]
            pub fn store<T: $crate::Pod>(
                &mut self,
                offset: usize,
                value: &T,
                flags: u64,
            ) -> Result<(), $crate::cty::c_long> {
                // SAFETY: the context is the kernel's, the value readable for its size.
                $crate::helpers::check(unsafe {
                    $crate::helpers::bpf_skb_store_bytes(
                        self.ctx,
                        offset as u32,
                        (&raw const *value).cast(),
                        size_of::<T>() as u32,
                        flags,
                    )
                })
            }

            /// Makes the first `len` bytes of the packet directly readable, and writable; 0 stands
            /// for all that lie in the first piece (4.9).
            ///
            /// # Errors
            /// `-ENOMEM`; `-EINVAL` when the packet is shorter.
            #[inline(always)]
            pub fn pull_data(&mut self, len: u32) -> Result<(), $crate::cty::c_long> {
                // SAFETY: the context is the kernel's, and no reference into the packet exists.
                $crate::helpers::check(unsafe { $crate::helpers::bpf_skb_pull_data(self.ctx, len) })
            }

            /// Makes the packet `len` bytes long: cuts it or adds zeros (4.9). `flags` is 0.
            ///
            /// # Errors
            /// `-EINVAL` for lengths the packet cannot have, `-ENOMEM`.
            #[inline(always)]
            pub fn change_tail(&mut self, len: u32, flags: u64) -> Result<(), $crate::cty::c_long> {
                // SAFETY: the context is the kernel's, and no reference into the packet exists.
                $crate::helpers::check(unsafe {
                    $crate::helpers::bpf_skb_change_tail(self.ctx, len, flags)
                })
            }

            /// Adds `len` zeros in front of the packet (4.10). `flags` is 0.
            ///
            /// # Errors
            /// `-EINVAL` when it would be too long, `-ENOMEM`.
            #[inline(always)]
            pub fn change_head(&mut self, len: u32, flags: u64) -> Result<(), $crate::cty::c_long> {
                // SAFETY: the context is the kernel's, and no reference into the packet exists.
                $crate::helpers::check(unsafe {
                    $crate::helpers::bpf_skb_change_head(self.ctx, len, flags)
                })
            }
        }
    };
}

/// Checksums and other interfaces.
macro_rules! skb_routing {
    ($name:ident) => {
        impl $name {
            /// Corrects the checksum at `offset` in a network-layer header for a change of `size`
            /// (2 or 4) bytes from `from` to `to`; with `size` 0, by the difference `to`.
            ///
            /// # Errors
            /// `-EFAULT` when the packet ends too early, `-EINVAL` for another size.
            #[inline(always)]
            pub fn l3_csum_replace(
                &mut self,
                offset: usize,
                from: u64,
                to: u64,
                size: u64,
            ) -> Result<(), $crate::cty::c_long> {
                // SAFETY: the context is the kernel's, and no reference into the packet exists.
                $crate::helpers::check(unsafe {
                    $crate::helpers::bpf_l3_csum_replace(self.ctx, offset as u32, from, to, size)
                })
            }

            /// The same in a transport-layer header; `flags` has the size in its lowest four bits,
            /// and `BPF_F_PSEUDO_HDR`, `BPF_F_MARK_MANGLED_0`, `BPF_F_MARK_ENFORCE`.
            ///
            /// # Errors
            /// As [`l3_csum_replace`](Self::l3_csum_replace).
            #[inline(always)]
            pub fn l4_csum_replace(
                &mut self,
                offset: usize,
                from: u64,
                to: u64,
                flags: u64,
            ) -> Result<(), $crate::cty::c_long> {
                // SAFETY: the context is the kernel's, and no reference into the packet exists.
                $crate::helpers::check(unsafe {
                    $crate::helpers::bpf_l4_csum_replace(self.ctx, offset as u32, from, to, flags)
                })
            }

            /// Sends a copy of the packet out of interface `if_index`, or with `BPF_F_INGRESS` into
            /// it (4.2).
            ///
            /// # Errors
            /// `-EINVAL` when there is no such interface, `-ENOMEM`.
            #[inline(always)]
            pub fn clone_redirect(
                &mut self,
                if_index: u32,
                flags: u64,
            ) -> Result<(), $crate::cty::c_long> {
                // SAFETY: the context is the kernel's, and no reference into the packet exists.
                $crate::helpers::check(unsafe {
                    $crate::helpers::bpf_clone_redirect(self.ctx, if_index, flags)
                })
            }
        }
    };
}
