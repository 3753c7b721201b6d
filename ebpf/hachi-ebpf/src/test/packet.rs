//! Packets that programs run on.

use super::errno::*;
use super::input::Ends;
use super::state::with;
use super::{Done, map};
use crate::bindings::{__sk_buff, xdp_md};
use crate::programs::address;

/// Room in front of a packet, as drivers leave it (`XDP_PACKET_HEADROOM`).
pub const HEADROOM: usize = 256;
/// Room behind a packet.
pub const TAILROOM: usize = 320;
/// What must be left of a packet: an Ethernet header.
const LEAST: usize = 14;
/// `XDP`'s metadata has at most this.
const MOST_METADATA: usize = 252;

/// The memory around a packet.
#[derive(Clone, Copy)]
pub struct Frame {
    /// The address of the context.
    pub ctx: usize,
    /// Where headroom, packet and tailroom begin and end.
    pub start: *mut u8,
    pub end: *mut u8,
}

impl Frame {
    /// Memory for a context of `size` bytes and a packet; and where the packet is in it.
    pub fn new(size: usize, packet: &[u8]) -> (Frame, *mut u8) {
        let size = size.next_multiple_of(16);
        let len = HEADROOM + packet.len() + TAILROOM;
        let ctx = map::allocate(size + len);
        let start = ctx.wrapping_add(size);
        let data = start.wrapping_add(HEADROOM);
        // SAFETY: there is room for the packet between head and tail.
        unsafe { data.copy_from_nonoverlapping(packet.as_ptr(), packet.len()) };
        let frame = Frame {
            ctx: ctx.expose_provenance(),
            start,
            end: start.wrapping_add(len),
        };
        (frame, data)
    }

    /// `at + delta`, if that is still in the frame.
    fn moved(&self, at: usize, delta: i64) -> Done<usize> {
        let to = at.checked_add_signed(delta as isize).ok_or(EINVAL)?;
        let inside = (self.start.addr()..=self.end.addr()).contains(&to);
        inside.then_some(to).ok_or(EINVAL)
    }
}

/// Whether `len` bytes at an address lie in the memory of what a program is running on.
pub(crate) fn in_frame(at: *const u8, len: usize) -> bool {
    with(|state| {
        state.frames.iter().any(|frame| {
            let (start, end) = (frame.start.addr(), frame.end.addr());
            at.addr() >= start && at.addr().checked_add(len).is_some_and(|last| last <= end)
        })
    })
}

/// The bytes at `offset` in a packet.
pub fn part(ends: Ends, offset: u32, len: u32, error: i64) -> Done<*mut u8> {
    let (start, end) = (ends.data as usize, ends.data_end as usize);
    let at = start + offset as usize;
    if at + len as usize > end {
        return Err(error);
    }
    Ok(std::ptr::with_exposed_provenance_mut(at))
}

/// Where the packet of an XDP program is.
pub fn xdp_ends(ctx: &xdp_md) -> Ends {
    Ends {
        data: address(ctx, ctx.data) as u64,
        data_end: address(ctx, ctx.data_end) as u64,
    }
}

/// Where the packet of a program for socket buffers is.
pub fn skb_ends(ctx: &__sk_buff) -> Ends {
    Ends {
        data: address(ctx, ctx.data) as u64,
        data_end: address(ctx, ctx.data_end) as u64,
    }
}

pub fn xdp_adjust_head(frame: Frame, ctx: &mut xdp_md, delta: i32) -> Done {
    let ends = xdp_ends(ctx);
    let meta = address(ctx, ctx.data_meta);
    let metadata = ends.data as usize - meta;
    let data = frame.moved(ends.data as usize, delta.into())?;
    if data < frame.start.addr() + metadata || data + LEAST > ends.data_end as usize {
        return Err(EINVAL);
    }
    let to = data - metadata;
    // SAFETY: both are in the frame, the metadata before the packet.
    unsafe {
        std::ptr::copy(
            std::ptr::with_exposed_provenance::<u8>(meta),
            std::ptr::with_exposed_provenance_mut(to),
            metadata,
        );
    }
    ctx.data = data as u32;
    ctx.data_meta = to as u32;
    Ok(())
}

pub fn xdp_adjust_tail(frame: Frame, ctx: &mut xdp_md, delta: i32) -> Done {
    let ends = xdp_ends(ctx);
    let old = ends.data_end as usize;
    let end = frame.moved(old, delta.into())?;
    if end < ends.data as usize + LEAST {
        return Err(EINVAL);
    }
    if end > old {
        // SAFETY: these bytes are the frame's.
        unsafe { std::ptr::with_exposed_provenance_mut::<u8>(old).write_bytes(0, end - old) };
    }
    ctx.data_end = end as u32;
    Ok(())
}

pub fn xdp_adjust_meta(frame: Frame, ctx: &mut xdp_md, delta: i32) -> Done {
    let data = address(ctx, ctx.data);
    let meta = frame.moved(address(ctx, ctx.data_meta), delta.into())?;
    if meta > data {
        return Err(EINVAL);
    }
    let len = data - meta;
    if !len.is_multiple_of(4) || len > MOST_METADATA {
        return Err(EACCES);
    }
    ctx.data_meta = meta as u32;
    Ok(())
}

pub fn skb_change_tail(frame: Frame, ctx: &mut __sk_buff, len: u32) -> Done {
    let ends = skb_ends(ctx);
    let end = frame.moved(ends.data as usize, len.into())?;
    if (len as usize) < LEAST {
        return Err(EINVAL);
    }
    let old = ends.data_end as usize;
    if end > old {
        // SAFETY: these bytes are the frame's.
        unsafe { std::ptr::with_exposed_provenance_mut::<u8>(old).write_bytes(0, end - old) };
    }
    ctx.data_end = end as u32;
    ctx.len = len;
    Ok(())
}

pub fn skb_change_head(frame: Frame, ctx: &mut __sk_buff, len: u32) -> Done {
    let data = skb_ends(ctx).data as usize;
    let to = frame.moved(data, -i64::from(len))?;
    // SAFETY: these bytes are the frame's.
    unsafe { std::ptr::with_exposed_provenance_mut::<u8>(to).write_bytes(0, data - to) };
    ctx.data = to as u32;
    ctx.len += len;
    Ok(())
}
