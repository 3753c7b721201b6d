//! Dynptrs: where they point and how far is in their own two words.

use super::Done;
use super::errno::*;
use crate::bindings::bpf_dynptr;

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
