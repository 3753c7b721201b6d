//! The arguments of log messages.

use core::net::{Ipv4Addr, Ipv6Addr};

/// The longest text or slice a log argument carries, in bytes, if it is not wrapped in [`up_to`];
/// what is longer is cut, and the message shows that.
pub const TEXT_CAPACITY: usize = 64;

/// The longest text, slice or array that a log argument can carry at all, in bytes.
pub const MOST_TEXT: usize = 8192;

/// The type of an argument, as a record names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Tag {
    /// `u8`
    U8 = 1,
    /// `u16`
    U16 = 2,
    /// `u32`
    U32 = 3,
    /// `u64`, `usize`
    U64 = 4,
    /// `i8`
    I8 = 5,
    /// `i16`
    I16 = 6,
    /// `i32`
    I32 = 7,
    /// `i64`, `isize`
    I64 = 8,
    /// `bool`
    Bool = 9,
    /// `char`
    Char = 10,
    /// `Ipv4Addr`: 4 bytes, network order
    Ipv4 = 11,
    /// `Ipv6Addr`, `[u16; 8]`: 16 bytes, network order
    Ipv6 = 12,
    /// A hardware address: 6 bytes
    Mac = 13,
    /// A pointer, as 8 bytes
    Pointer = 14,
    /// `[u8; N]`, `&[u8]`: a length and a capacity of 2 bytes each, 4 bytes with the length before
    /// it was cut, then `capacity` bytes
    Bytes = 15,
    /// `&str`: as `Bytes`
    Str = 16,
}

impl Tag {
    /// The tag with this number.
    pub const fn from_u8(number: u8) -> Option<Self> {
        Some(match number {
            1 => Tag::U8,
            2 => Tag::U16,
            3 => Tag::U32,
            4 => Tag::U64,
            5 => Tag::I8,
            6 => Tag::I16,
            7 => Tag::I32,
            8 => Tag::I64,
            9 => Tag::Bool,
            10 => Tag::Char,
            11 => Tag::Ipv4,
            12 => Tag::Ipv6,
            13 => Tag::Mac,
            14 => Tag::Pointer,
            15 => Tag::Bytes,
            16 => Tag::Str,
            _ => return None,
        })
    }

    /// Whether the value is an integer.
    pub const fn is_integer(self) -> bool {
        matches!(
            self,
            Tag::U8 | Tag::U16 | Tag::U32 | Tag::U64 | Tag::I8 | Tag::I16 | Tag::I32 | Tag::I64
        )
    }
}

/// A value that a log message can carry.
///
/// # Safety
/// [`write`](Self::write) must stay within the [`SLOT`](Self::SLOT) bytes it is given.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be part of a log message",
    note = "what can: integers, `bool`, `char`, pointers, IP addresses, byte arrays and slices; of \
            a struct, log the fields"
)]
pub unsafe trait LogArg {
    /// The type, as the record names it.
    const TAG: Tag;
    /// Bytes in the record: a multiple of 8.
    const SLOT: usize = 8;
    /// The length of a byte array; 0 for all other types.
    const LEN: usize = 0;

    /// Writes the value.
    ///
    /// # Safety
    /// `to` must be aligned to 8 and valid for writes of [`SLOT`](Self::SLOT) bytes.
    unsafe fn write(&self, to: *mut u64);
}

macro_rules! number {
    ($($t:ty as $wide:ty: $tag:ident),* $(,)?) => { $(
        // SAFETY: writes one word of the slot of 8 bytes.
        unsafe impl LogArg for $t {
            const TAG: Tag = Tag::$tag;
            #[inline(always)]
            unsafe fn write(&self, to: *mut u64) {
                // SAFETY: the caller gives an aligned slot of 8 bytes.
                unsafe { to.write((*self as $wide as u64).to_le()) }
            }
        }
    )* };
}

number! {
    u8 as u64: U8, u16 as u64: U16, u32 as u64: U32, u64 as u64: U64, usize as u64: U64,
    i8 as i64: I8, i16 as i64: I16, i32 as i64: I32, i64 as i64: I64, isize as i64: I64,
    bool as u64: Bool, char as u64: Char,
}

// SAFETY: writes one word of the slot of 8 bytes.
unsafe impl<T> LogArg for *const T {
    const TAG: Tag = Tag::Pointer;
    #[inline(always)]
    unsafe fn write(&self, to: *mut u64) {
        // SAFETY: the caller gives an aligned slot of 8 bytes.
        unsafe { to.write((*self as usize as u64).to_le()) }
    }
}

// SAFETY: writes one word of the slot of 8 bytes.
unsafe impl<T> LogArg for *mut T {
    const TAG: Tag = Tag::Pointer;
    #[inline(always)]
    unsafe fn write(&self, to: *mut u64) {
        // SAFETY: the caller gives an aligned slot of 8 bytes.
        unsafe { to.write((*self as usize as u64).to_le()) }
    }
}

// SAFETY: writes 4 of 8 bytes.
unsafe impl LogArg for Ipv4Addr {
    const TAG: Tag = Tag::Ipv4;
    #[inline(always)]
    unsafe fn write(&self, to: *mut u64) {
        // SAFETY: the caller gives an aligned slot of 8 bytes.
        unsafe { to.cast::<u32>().write(u32::from_ne_bytes(self.octets())) }
    }
}

// SAFETY: writes the 16 bytes of the slot.
unsafe impl LogArg for Ipv6Addr {
    const TAG: Tag = Tag::Ipv6;
    const SLOT: usize = 16;
    #[inline(always)]
    unsafe fn write(&self, to: *mut u64) {
        // SAFETY: the caller gives a slot of 16 bytes.
        unsafe { to.cast::<[u8; 16]>().write(self.octets()) }
    }
}

// SAFETY: writes the 16 bytes of the slot.
unsafe impl LogArg for [u16; 8] {
    const TAG: Tag = Tag::Ipv6;
    const SLOT: usize = 16;
    #[inline(always)]
    unsafe fn write(&self, to: *mut u64) {
        // SAFETY: the caller gives a slot of 16 bytes.
        unsafe { to.cast::<[u16; 8]>().write(self.map(u16::to_be)) }
    }
}

/// The word in front of text and bytes: how many are there, for how many there is room, and how
/// many there were.
#[inline(always)]
const fn text_header(len: usize, capacity: usize, all: usize) -> u64 {
    (len as u64 | (capacity as u64) << 16 | (all as u64) << 32).to_le()
}

// SAFETY: writes one word and N bytes; the slot is that rounded up.
unsafe impl<const N: usize> LogArg for [u8; N] {
    const TAG: Tag = Tag::Bytes;
    const SLOT: usize = 8 + N.div_ceil(8) * 8;
    const LEN: usize = N;
    #[inline(always)]
    unsafe fn write(&self, to: *mut u64) {
        const {
            assert!(
                N <= MOST_TEXT,
                "a log message carries arrays of at most 8192 bytes"
            )
        };
        // SAFETY: the caller gives a slot of 8 + N bytes.
        unsafe {
            to.write(text_header(N, N.div_ceil(8) * 8, N));
            to.add(1).cast::<[u8; N]>().write(*self);
        }
    }
}

/// Writes a slice whose length the compiler does not know, of which at most `N` bytes are sent.
///
/// # Safety
/// `to` must be aligned to 8 and valid for `8 + N` bytes; `N` is a multiple of 8.
#[inline(always)]
unsafe fn write_slice<const N: usize>(bytes: &[u8], to: *mut u64) {
    let len = if bytes.len() < N { bytes.len() } else { N };
    // SAFETY: as promised by the caller.
    unsafe { to.write(text_header(len, N, bytes.len())) };
    // SAFETY: as promised by the caller.
    let to = unsafe { to.add(1).cast::<u8>() };
    let mut i = 0;
    // What is long goes eight bytes at a time: the verifier follows each round.
    if N > TEXT_CAPACITY {
        while i < N {
            if i + 8 > len {
                break;
            }
            // SAFETY: there are eight more bytes in the slice, and in the slot.
            unsafe {
                let word = bytes.as_ptr().add(i).cast::<[u8; 8]>().read();
                to.add(i).cast::<[u8; 8]>().write_volatile(word);
            }
            i += 8;
        }
    }
    // Byte by byte, with a bound known to the verifier. The store is volatile so that LLVM keeps
    // the loop: it would make a call of memcpy with a variable length from it.
    while i < N {
        if i >= len {
            break;
        }
        // SAFETY: i is less than the length of the slice and than the capacity of the slot.
        unsafe { to.add(i).write_volatile(*bytes.as_ptr().add(i)) };
        i += 1;
    }
}

mod sealed {
    pub trait Slice {
        const TAG: super::Tag;
        fn bytes(&self) -> &[u8];
    }

    impl Slice for [u8] {
        const TAG: super::Tag = super::Tag::Bytes;
        #[inline(always)]
        fn bytes(&self) -> &[u8] {
            self
        }
    }

    impl Slice for str {
        const TAG: super::Tag = super::Tag::Str;
        #[inline(always)]
        fn bytes(&self) -> &[u8] {
            self.as_bytes()
        }
    }
}

/// Text or bytes of which at most `N` are sent: see [`up_to`].
struct UpTo<'a, const N: usize, S: sealed::Slice + ?Sized>(&'a S);

/// Text or a slice of bytes in a log message, of which more than the usual 64 bytes are sent: up to
/// `N`, which is 128, 256 and so on to 8192.
///
/// The record takes that much of the ring buffer, however long the text is, and the verifier
/// follows the copying, some 60 instructions for each 8 bytes of `N`.
/// ```
/// use hachi_common::log::{LogArg, up_to};
///
/// fn path(text: &[u8]) -> impl LogArg {
///     up_to::<256>(text)
/// }
/// ```
#[inline(always)]
pub fn up_to<const N: usize>(text: &(impl sealed::Slice + ?Sized)) -> impl LogArg {
    const {
        assert!(
            N.is_power_of_two() && N > TEXT_CAPACITY && N <= MOST_TEXT,
            "the size of text in a log message is 128, 256, 512, 1024, 2048, 4096 or 8192"
        );
    }
    UpTo::<N, _>(text)
}

// SAFETY: `write_slice` writes within 8 + N bytes.
unsafe impl<const N: usize, S: sealed::Slice + ?Sized> LogArg for UpTo<'_, N, S> {
    const TAG: Tag = S::TAG;
    const SLOT: usize = 8 + N;
    #[inline(always)]
    unsafe fn write(&self, to: *mut u64) {
        // SAFETY: the slot is as large as `write_slice` wants it.
        unsafe { write_slice::<N>(self.0.bytes(), to) }
    }
}

// SAFETY: `write_slice` writes within 8 + TEXT_CAPACITY bytes.
unsafe impl LogArg for [u8] {
    const TAG: Tag = Tag::Bytes;
    const SLOT: usize = 8 + TEXT_CAPACITY;
    #[inline(always)]
    unsafe fn write(&self, to: *mut u64) {
        // SAFETY: the slot is as large as `write_slice` wants it.
        unsafe { write_slice::<TEXT_CAPACITY>(self, to) }
    }
}

// SAFETY: `write_slice` writes within 8 + TEXT_CAPACITY bytes.
unsafe impl LogArg for str {
    const TAG: Tag = Tag::Str;
    const SLOT: usize = 8 + TEXT_CAPACITY;
    #[inline(always)]
    unsafe fn write(&self, to: *mut u64) {
        // SAFETY: the slot is as large as `write_slice` wants it.
        unsafe { write_slice::<TEXT_CAPACITY>(self.as_bytes(), to) }
    }
}

// SAFETY: the implementation for `T` stays within the slot of `T`.
unsafe impl<T: LogArg + ?Sized> LogArg for &T {
    const TAG: Tag = T::TAG;
    const SLOT: usize = T::SLOT;
    const LEN: usize = T::LEN;
    #[inline(always)]
    unsafe fn write(&self, to: *mut u64) {
        // SAFETY: passed on from the caller.
        unsafe { (**self).write(to) }
    }
}

/// The arguments of one message: a tuple of up to 12.
///
/// # Safety
/// [`write`](Self::write) must stay within [`LEN`](Self::LEN) bytes.
pub unsafe trait LogArgs {
    /// One tag for each argument.
    const TAGS: &'static [Tag];
    /// For each argument its [`LogArg::LEN`].
    const LENS: &'static [usize];
    /// Bytes of the record after its header: tags and slots.
    const LEN: usize;

    /// Writes the tags and the arguments.
    ///
    /// # Safety
    /// `to` must be aligned to 8 and valid for writes of [`LEN`](Self::LEN) bytes.
    unsafe fn write(&self, to: *mut u64);
}

/// Eight tags in one word, as they stand in memory.
const fn tag_word(tags: &[Tag], first: usize) -> u64 {
    let mut bytes = [0; 8];
    let mut i = 0;
    while i < 8 && first + i < tags.len() {
        bytes[i] = tags[first + i] as u8;
        i += 1;
    }
    u64::from_ne_bytes(bytes)
}

macro_rules! tuple {
    ($($t:ident $n:tt),*) => {
        // SAFETY: LEN is the sum of what is written.
        unsafe impl<$($t: LogArg),*> LogArgs for ($($t,)*) {
            const TAGS: &'static [Tag] = &[$($t::TAG),*];
            const LENS: &'static [usize] = &[$($t::LEN),*];
            const LEN: usize = Self::TAGS.len().div_ceil(8) * 8 $(+ $t::SLOT)*;

            #[inline(always)]
            #[allow(
                unused_assignments,
                unused_variables,
                unused_mut,
                reason = "the empty tuple uses less"
            )]
            unsafe fn write(&self, to: *mut u64) {
                let mut at = 0;
                if !Self::TAGS.is_empty() {
                    // SAFETY: LEN counts a word for each eight tags.
                    unsafe { to.write(const { tag_word(Self::TAGS, 0) }) };
                    at = 1;
                }
                if Self::TAGS.len() > 8 {
                    // SAFETY: as above.
                    unsafe { to.add(1).write(const { tag_word(Self::TAGS, 8) }) };
                    at = 2;
                }
                $(
                    // SAFETY: LEN counts this argument's slot.
                    unsafe { self.$n.write(to.add(at)) };
                    at += $t::SLOT / 8;
                )*
            }
        }
    };
}

tuple!();
tuple!(A 0);
tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);
tuple!(A 0, B 1, C 2, D 3, E 4);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11);
