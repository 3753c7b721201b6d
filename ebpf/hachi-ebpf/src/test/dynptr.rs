//! Dynptrs: where they point and how far is in their own two words.

use super::Done;
use super::errno::*;
use super::packet::{skb_ends, xdp_ends};
use crate::bindings::{__sk_buff, bpf_dynptr, xdp_md};
use crate::cty::{c_long, c_void};

/// Set in the second word: it may not be written.
const READ_ONLY: u64 = 1 << 63;

/// A dynptr to `len` bytes at `data`.
pub fn new(data: *const u8, len: usize, read_only: bool) -> bpf_dynptr {
    let flag = if read_only { READ_ONLY } else { 0 };
    bpf_dynptr {
        __opaque: [data.expose_provenance() as u64, len as u64 | flag],
    }
}

/// Where it points; `None` if it is an empty one.
pub fn data(dynptr: &bpf_dynptr) -> Option<*mut u8> {
    let at = std::ptr::with_exposed_provenance_mut(dynptr.__opaque[0] as usize);
    (!<*mut u8>::is_null(at)).then_some(at)
}

/// Where the `len` bytes at `offset` are, for reading or, if `write`, writing.
pub fn part(dynptr: &bpf_dynptr, offset: u32, len: u32, write: bool) -> Done<*mut u8> {
    let at = data(dynptr).ok_or(EINVAL)?;
    if write && dynptr.__opaque[1] & READ_ONLY != 0 {
        return Err(EINVAL);
    }
    if u64::from(offset) + u64::from(len) > dynptr.__opaque[1] & !READ_ONLY {
        return Err(E2BIG);
    }
    Ok(at.wrapping_add(offset as usize))
}

/// Its second word without the flag.
fn len(dynptr: &bpf_dynptr) -> u64 {
    dynptr.__opaque[1] & !READ_ONLY
}

// What stands in the place of the kernel's functions. They are given dynptrs and places for such
// only, by `crate::dynptr`, whose types see to that.

pub fn size(of: *mut bpf_dynptr) -> u32 {
    // SAFETY: it is a dynptr.
    len(unsafe { &*of }) as u32
}

pub fn is_rdonly(of: *mut bpf_dynptr) -> bool {
    // SAFETY: it is a dynptr.
    unsafe { (*of).__opaque[1] & READ_ONLY != 0 }
}

pub fn adjust(of: *mut bpf_dynptr, start: u32, end: u32) -> i32 {
    // SAFETY: it is a dynptr, which nobody else uses.
    let dynptr = unsafe { &mut *of };
    if start > end {
        return EINVAL as i32;
    }
    if u64::from(end) > len(dynptr) {
        return ERANGE as i32;
    }
    let flag = dynptr.__opaque[1] & READ_ONLY;
    dynptr.__opaque[0] += u64::from(start);
    dynptr.__opaque[1] = u64::from(end - start) | flag;
    0
}

pub fn clone(of: *mut bpf_dynptr, to: *mut bpf_dynptr) -> i32 {
    // SAFETY: the one is a dynptr, the other a place for one.
    unsafe { to.write(of.read()) };
    0
}

pub fn copy(
    to: *mut bpf_dynptr,
    to_offset: u32,
    from: *mut bpf_dynptr,
    offset: u32,
    len: u32,
) -> i32 {
    // SAFETY: both are dynptrs, of memory that is there.
    let copied = unsafe { part(&*from, offset, len, false) }.and_then(|from| {
        // SAFETY: as above. The two may overlap.
        unsafe { part(&*to, to_offset, len, true)?.copy_from(from, len as usize) };
        Ok(())
    });
    copied.map_or_else(|error| error as i32, |()| 0)
}

pub fn slice(of: *mut bpf_dynptr, offset: u32, _buffer: *mut c_void, len: u32) -> *mut c_void {
    // SAFETY: it is a dynptr.
    let part = part(unsafe { &*of }, offset, len, false);
    part.map_or(std::ptr::null_mut(), |at| at.cast())
}

pub fn slice_rdwr(of: *mut bpf_dynptr, offset: u32, _buffer: *mut c_void, len: u32) -> *mut c_void {
    // SAFETY: it is a dynptr.
    let part = part(unsafe { &*of }, offset, len, true);
    part.map_or(std::ptr::null_mut(), |at| at.cast())
}

pub fn from_skb(ctx: *mut __sk_buff, to: *mut bpf_dynptr) -> i32 {
    // SAFETY: it is a context, and a place for a dynptr.
    unsafe {
        let ends = skb_ends(&*ctx);
        let data = std::ptr::with_exposed_provenance(ends.data as usize);
        to.write(new(data, (ends.data_end - ends.data) as usize, false));
    }
    0
}

pub fn from_xdp(ctx: *mut xdp_md, to: *mut bpf_dynptr) -> i32 {
    // SAFETY: it is a context, and a place for a dynptr.
    unsafe {
        let ends = xdp_ends(&*ctx);
        let data = std::ptr::with_exposed_provenance(ends.data as usize);
        to.write(new(data, (ends.data_end - ends.data) as usize, false));
    }
    0
}

/// # Safety
/// There must be `size` bytes of data, and a place for a dynptr.
pub unsafe fn from_mem(data: *mut c_void, size: u32, to: *mut bpf_dynptr) -> c_long {
    // SAFETY: the caller's promise.
    unsafe { to.write(new(data.cast(), size as usize, false)) };
    0
}
