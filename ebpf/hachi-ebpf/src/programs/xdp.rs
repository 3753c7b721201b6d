//! XDP: packets as the network driver receives them.

use super::{EbpfContext, address};
use crate::bindings::xdp_md;
use crate::cty::{c_long, c_void};
use crate::{DynptrSlot, PacketDynptr, Pod, helpers, packet};

/// The packet an XDP program is called for (4.8).
///
/// The methods that look into the packet check its bounds; offsets count from the packet's first
/// byte (the Ethernet header's). References into the packet borrow the context, and what moves the
/// packet's ends borrows it mutably, so that no reference outlives such a move; the verifier has
/// the same rule.
///
/// In a packet of several buffers (`#[xdp(frags)]`) these methods see the first one;
/// [`load_bytes`](Self::load_bytes) and [`store_bytes`](Self::store_bytes) see all.
///
/// ```
/// use hachi_ebpf::macros::xdp;
/// use hachi_ebpf::programs::XdpContext;
/// use hachi_ebpf::bindings::xdp_action;
///
/// #[xdp]
/// fn only_ipv4(ctx: XdpContext) -> u32 {
///     match ctx.read::<[u8; 2]>(12) {
///         Some([0x08, 0x00]) => xdp_action::XDP_PASS,
///         _ => xdp_action::XDP_DROP,
///     }
/// }
/// ```
#[derive(Debug)]
#[repr(transparent)]
#[non_exhaustive]
pub struct XdpContext {
    pub(crate) ctx: *mut xdp_md,
}

// SAFETY: `new` was given the kernel's context.
unsafe impl EbpfContext for XdpContext {
    #[inline(always)]
    fn as_ptr(&self) -> *mut c_void {
        self.ctx.cast()
    }
}

packet_ends!(XdpContext);
packet_reads!(XdpContext);
packet_writes!(XdpContext);

impl XdpContext {
    /// Wraps the context that the kernel called an XDP program with. `#[xdp]` does so.
    ///
    /// # Safety
    /// `ctx` must be that pointer, and there must be no other `XdpContext` made from it.
    #[inline(always)]
    pub unsafe fn new(ctx: *mut xdp_md) -> Self {
        XdpContext { ctx }
    }

    /// Address of the metadata in front of the packet; the same as [`data`](Self::data) when there
    /// is none (4.15).
    #[inline(always)]
    pub fn metadata(&self) -> usize {
        address(self.ctx, ctx_field!(volatile self.data_meta))
    }

    /// Address after the last byte of the metadata.
    #[inline(always)]
    pub fn metadata_end(&self) -> usize {
        self.data()
    }

    /// Index of the interface the packet came from (4.16).
    #[inline(always)]
    pub fn ingress_ifindex(&self) -> u32 {
        ctx_field!(volatile self.ingress_ifindex)
    }

    /// Index of the receive queue the packet came from (4.16).
    #[inline(always)]
    pub fn rx_queue_index(&self) -> u32 {
        ctx_field!(self.rx_queue_index)
    }

    /// Index of the interface the packet goes to, in a program in a devmap (5.8); the verifier
    /// refuses it elsewhere.
    #[inline(always)]
    pub fn egress_ifindex(&self) -> u32 {
        ctx_field!(self.egress_ifindex)
    }

    /// Length of the packet (of its first buffer) in bytes.
    #[inline(always)]
    #[allow(clippy::len_without_is_empty, reason = "a packet is never empty")]
    pub fn len(&self) -> usize {
        packet::opaque(self.data_end().wrapping_sub(self.data()))
    }

    /// Length of the packet in bytes, all buffers together (5.18).
    #[inline(always)]
    pub fn total_len(&self) -> u64 {
        // SAFETY: the context is the kernel's.
        unsafe { helpers::bpf_xdp_get_buff_len(self.ctx) }
    }

    /// Copies bytes from any buffer of the packet into `to` (5.18); an empty `to` stays so.
    ///
    /// # Errors
    /// `-EINVAL` when the packet ends before `offset + to.len()`.
    #[inline(always)]
    pub fn load_bytes(&self, offset: u32, to: &mut [u8]) -> Result<(), c_long> {
        // The helper takes no empty buffer.
        if to.is_empty() {
            return Ok(());
        }
        // SAFETY: the context is the kernel's, the buffer is writable for its length.
        let result = unsafe {
            helpers::bpf_xdp_load_bytes(self.ctx, offset, to.as_mut_ptr().cast(), to.len() as u32)
        };
        helpers::check(result)
    }

    /// Overwrites bytes in any buffer of the packet with `from` (5.18); an empty `from` with
    /// nothing.
    ///
    /// # Errors
    /// `-EINVAL` when the packet ends before `offset + from.len()`.
    #[inline(always)]
    pub fn store_bytes(&mut self, offset: u32, from: &[u8]) -> Result<(), c_long> {
        // The helper takes no empty buffer.
        if from.is_empty() {
            return Ok(());
        }
        // SAFETY: the context is the kernel's, the buffer is readable for its length.
        let result = unsafe {
            helpers::bpf_xdp_store_bytes(self.ctx, offset, from.as_ptr().cast(), from.len() as u32)
        };
        helpers::check(result)
    }

    /// The whole packet, in all its buffers, of which the kernel checks each access, in a slot of
    /// the caller's (`bpf_dynptr_from_xdp`, 6.4).
    ///
    /// # Errors
    /// None that are known.
    #[inline(always)]
    pub fn dynptr<'a>(
        &'a mut self,
        slot: &'a mut DynptrSlot,
    ) -> Result<&'a mut PacketDynptr, c_long> {
        // SAFETY: the context is the kernel's, and borrowed as long as the dynptr is used.
        unsafe { PacketDynptr::of_xdp(self.ctx, slot) }
    }

    /// Moves the start of the packet by `delta` bytes: negative makes room in front, positive cuts
    /// (4.10).
    ///
    /// # Errors
    /// `-EINVAL` when there is too little room, or too little packet would be left.
    #[inline(always)]
    pub fn adjust_head(&mut self, delta: i32) -> Result<(), c_long> {
        // SAFETY: the context is the kernel's, and no reference into the packet exists.
        helpers::check(unsafe { helpers::bpf_xdp_adjust_head(self.ctx, delta) })
    }

    /// Moves the end of the packet by `delta` bytes: negative cuts (4.18), positive adds (5.8).
    ///
    /// # Errors
    /// `-EINVAL` when there is too little room, or too little packet would be left.
    #[inline(always)]
    pub fn adjust_tail(&mut self, delta: i32) -> Result<(), c_long> {
        // SAFETY: the context is the kernel's, and no reference into the packet exists.
        helpers::check(unsafe { helpers::bpf_xdp_adjust_tail(self.ctx, delta) })
    }

    /// Moves the start of the metadata by `delta` bytes, a multiple of 4: negative makes room in
    /// front of the packet (4.15).
    ///
    /// # Errors
    /// `-ENOTSUPP` (-524) when the driver cannot, `-EINVAL` when there is too little room.
    #[inline(always)]
    pub fn adjust_meta(&mut self, delta: i32) -> Result<(), c_long> {
        // SAFETY: the context is the kernel's, and no reference into the packet exists.
        helpers::check(unsafe { helpers::bpf_xdp_adjust_meta(self.ctx, delta) })
    }

    /// A copy of the `T` at `offset` in the metadata; `None` when the metadata ends before it does.
    #[inline(always)]
    pub fn read_metadata<T: Pod>(&self, offset: usize) -> Option<T> {
        let at = packet::checked::<T>(offset, || self.metadata_ends())?;
        // SAFETY: all of `T` is in the metadata; the read is unaligned, and any bytes make a `T`.
        Some(unsafe { at.read_unaligned() })
    }

    /// Overwrites what stands at `offset` in the metadata; `None`, with nothing written, when it
    /// ends too early.
    #[inline(always)]
    pub fn write_metadata<T: Pod>(&mut self, offset: usize, value: T) -> Option<()> {
        let at = packet::checked::<T>(offset, || self.metadata_ends())?;
        // SAFETY: all of `T` is in the metadata, which `self` borrows alone; the write is
        // unaligned.
        unsafe { at.write_unaligned(value) };
        Some(())
    }

    /// The ends of the metadata.
    #[inline(always)]
    fn metadata_ends(&self) -> (*mut u8, *mut u8) {
        (self.metadata() as *mut u8, self.metadata_end() as *mut u8)
    }
}
