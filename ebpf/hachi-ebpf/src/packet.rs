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
        "a reference into a packet is possible only to a type of alignment 1, such as a byte \
         array; take a copy with `read`"
    );
}

/// A field that says where a packet begins or ends.
pub(crate) trait Place {
    /// The address, in the context `ctx`.
    fn place<C>(self, ctx: *const C) -> *mut u8;
}

/// What C declares as 32 bits wide.
impl Place for u32 {
    #[inline(always)]
    fn place<C>(self, ctx: *const C) -> *mut u8 {
        crate::programs::address(ctx, self) as *mut u8
    }
}

impl<T> Place for *mut T {
    #[inline(always)]
    fn place<C>(self, _ctx: *const C) -> *mut u8 {
        self.cast()
    }
}

/// The ends of a packet, for contexts with the fields `data` and `data_end`.
macro_rules! packet_ends {
    ($name:ident) => {
        impl $name {
            /// Address of the packet's first byte.
            #[inline(always)]
            pub fn data(&self) -> usize {
                $crate::packet::Place::place(ctx_field!(self.data), self.ctx) as usize
            }

            /// Address after the last byte that can be looked into directly: the end of the first
            /// piece, where a packet lies in several.
            #[inline(always)]
            pub fn data_end(&self) -> usize {
                $crate::packet::Place::place(ctx_field!(self.data_end), self.ctx) as usize
            }

            /// The same two as pointers.
            #[inline(always)]
            fn packet(&self) -> (*mut u8, *mut u8) {
                (
                    $crate::packet::Place::place(ctx_field!(volatile self.data), self.ctx),
                    $crate::packet::Place::place(ctx_field!(self.data_end), self.ctx),
                )
            }
        }
    };
}

/// Looking into a packet: methods for contexts that have `packet`, which gives its ends.
macro_rules! packet_reads {
    ($name:ident) => {
        impl $name {
            /// A copy of the `T` at `offset`; `None` when the packet ends before it does.
            ///
            /// Only the fields that are used are loaded. Integers come as they stand in the packet,
            /// that is in network byte order: read `[u8; 2]` and take `u16::from_be_bytes`, or
            /// convert with `u16::from_be`.
            #[inline(always)]
            pub fn read<T: $crate::Pod>(&self, offset: usize) -> Option<T> {
                let at = $crate::packet::checked::<T>(offset, || self.packet())?;
                // SAFETY: all of `T` is in the packet; the read is unaligned, and any bytes make a
                // `T`.
                Some(unsafe { at.read_unaligned() })
            }

            /// The `T` at `offset`, in place; `None` when the packet ends before it does.
            ///
            /// `T` must have alignment 1, as byte arrays and the headers made of them have; another
            /// one is an error when the program is built. Use [`read`](Self::read) for it.
            #[inline(always)]
            pub fn get<T: $crate::Pod>(&self, offset: usize) -> Option<&T> {
                const { $crate::packet::assert_unaligned::<T>() };
                let at = $crate::packet::checked::<T>(offset, || self.packet())?;
                // SAFETY: all of `T` is in the packet, any bytes make a `T`, and alignment 1 is
                // every address's.
                Some(unsafe { &*at })
            }

            /// The `len` bytes at `offset`, in place; `None` when the packet ends before they do.
            ///
            /// `len` must be a constant, and so must the positions used in the slice: the verifier
            /// relates no two variables to each other. For the rest there are [`read`](Self::read)
            /// byte by byte, which checks each, and `load_bytes`.
            #[inline(always)]
            pub fn bytes(&self, offset: usize, len: usize) -> Option<&[u8]> {
                let at = $crate::packet::checked_bytes(offset, len, || self.packet())?;
                // SAFETY: the bytes are in the packet.
                Some(unsafe { core::slice::from_raw_parts(at, len) })
            }
        }
    };
}

/// Changing a packet: as [`packet_reads`].
macro_rules! packet_writes {
    ($name:ident) => {
        impl $name {
            /// Overwrites what stands at `offset` with `value`; `None`, with nothing written, when
            /// the packet ends too early.
            #[inline(always)]
            pub fn write<T: $crate::Pod>(&mut self, offset: usize, value: T) -> Option<()> {
                let at = $crate::packet::checked::<T>(offset, || self.packet())?;
                // SAFETY: all of `T` is in the packet, which `self` borrows alone; the write is
                // unaligned.
                unsafe { at.write_unaligned(value) };
                Some(())
            }

            /// As [`get`](Self::get), to be changed.
            #[inline(always)]
            pub fn get_mut<T: $crate::Pod>(&mut self, offset: usize) -> Option<&mut T> {
                const { $crate::packet::assert_unaligned::<T>() };
                let at = $crate::packet::checked::<T>(offset, || self.packet())?;
                // SAFETY: as in `get`; `self` borrows the packet alone.
                Some(unsafe { &mut *at })
            }
        }
    };
}
