//! Bounds checks that the verifier understands.
//!
//! The verifier follows pointers into a packet one by one. It lets a program load through a pointer
//! after the program has compared *that* pointer, plus a constant, with the end of the packet; it
//! forgets this when a variable is added. So the order is: add the (bounded) offset, compare
//! pointer plus size with the end, load at constant distances. Pointers are added to and compared
//! as pointers, never as integers, which LLVM would regroup.

/// The verifier follows a packet pointer only while all that was added to it is at most this
/// (`MAX_PACKET_OFF` in `kernel/bpf/verifier.c`).
const MAX_OFFSET: usize = 0xffff;

/// Where the `T` at `offset` is, if all of it lies between the two ends that `ends` gives.
#[inline(always)]
pub(crate) fn checked<T>(
    offset: usize,
    ends: impl FnOnce() -> (*mut u8, *mut u8),
) -> Option<*mut T> {
    Some(checked_bytes(offset, size_of::<T>(), ends)?.cast())
}

/// Where the `len` bytes at `offset` are, if all lie between the two ends that `ends` gives.
#[inline(always)]
pub(crate) fn checked_bytes(
    offset: usize,
    len: usize,
    ends: impl FnOnce() -> (*mut u8, *mut u8),
) -> Option<*mut u8> {
    if len > MAX_OFFSET || offset > MAX_OFFSET - len {
        return None;
    }
    // Only now, and volatile: a load that must not be made too early keeps LLVM from doing both
    // comparisons after the addition.
    let (start, end) = ends();
    let at = start.wrapping_add(offset);
    if at.wrapping_add(len) > end {
        return None;
    }
    Some(at)
}

/// `value`, without LLVM knowing where it comes from.
///
/// For differences of packet pointers: LLVM would turn `sum + (end - start)` into `(sum + end) -
/// start`, and the verifier lets nothing be added to the packet's end.
#[inline(always)]
pub(crate) fn opaque(value: usize) -> usize {
    let place = value;
    // SAFETY: reads a variable.
    unsafe { (&raw const place).read_volatile() }
}

/// # Panics
/// When `T` must be aligned; meant for compile time.
pub(crate) const fn assert_unaligned<T>() {
    assert!(
        align_of::<T>() == 1,
        "a reference into a packet is possible only to a type of alignment 1, such as a byte array; take a copy with `read`"
    );
}
