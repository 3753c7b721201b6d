//! Memory whose size is known when the program runs.

use core::mem::MaybeUninit;
use core::ops::Range;

use crate::bindings::bpf_dynptr;
use crate::cty::{c_long, c_void};
use crate::{Pod, Shared, helpers};

/// Memory that the kernel knows start and length of, and checks each access to (5.19).
///
/// There is no way to make one but to be given it: by a [`RingBuf`](crate::maps::RingBuf), a
/// [`UserRingBuf`](crate::maps::UserRingBuf), or by [`of_value`](Self::of_value), of memory in a
/// map.
#[repr(transparent)]
pub struct Dynptr(pub(crate) bpf_dynptr);

/// A packet, of which the kernel checks each access: all of it, also where it lies in several
/// pieces (6.4).
///
/// Contexts of programs for packets give one (`ctx.dynptr(&mut slot)`), in a [`DynptrSlot`].
/// Offsets and lengths may be any numbers, with no limits that the verifier would have to see.
/// ```
/// use hachi_ebpf::{DynptrSlot, programs::TcContext};
///
/// /// The first byte behind an IPv4 header and its options.
/// fn first_of_payload(ctx: &mut TcContext) -> Result<u8, i64> {
///     let mut slot = DynptrSlot::new();
///     let packet = ctx.dynptr(&mut slot)?;
///     let words = packet.read::<u8>(14)? & 0xf;
///     packet.read(14 + u32::from(words) * 4)
/// }
/// ```
#[repr(transparent)]
pub struct PacketDynptr(bpf_dynptr);

/// A place for a dynptr in a function's variables, where the verifier wants it to stay.
pub struct DynptrSlot(MaybeUninit<bpf_dynptr>);

impl DynptrSlot {
    /// A place with nothing in it.
    #[inline(always)]
    pub const fn new() -> Self {
        DynptrSlot(MaybeUninit::uninit())
    }

    /// What `make` puts there, if it succeeds.
    ///
    /// # Safety
    /// `make` must make a dynptr if it returns 0, and where there is no kernel in any case.
    #[inline(always)]
    unsafe fn fill<T>(
        &mut self,
        make: impl FnOnce(*mut bpf_dynptr) -> c_long,
    ) -> Result<&mut T, c_long> {
        const { assert!(size_of::<T>() == size_of::<bpf_dynptr>()) };
        let place = self.0.as_mut_ptr();
        helpers::check(make(place))?;
        // SAFETY: the caller's promise; both types are transparent around a dynptr.
        Ok(unsafe { &mut *place.cast() })
    }
}

impl Default for DynptrSlot {
    #[inline(always)]
    fn default() -> Self {
        DynptrSlot::new()
    }
}

/// What a kernel function takes that works on any dynptr.
pub trait AnyDynptr: sealed::Sealed {
    /// The dynptr as the kernel's functions take it.
    #[doc(hidden)]
    fn as_dynptr(&self) -> *mut bpf_dynptr;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Dynptr {}
    impl Sealed for super::PacketDynptr {}
}

/// What dynptrs of all kinds do.
macro_rules! dynptr {
    ($name:ident, $memory:literal) => {
        impl AnyDynptr for $name {
            #[inline(always)]
            fn as_dynptr(&self) -> *mut bpf_dynptr {
                (&raw const self.0).cast_mut()
            }
        }

        impl $name {
            #[inline(always)]
            fn as_ptr(&self) -> *mut bpf_dynptr {
                self.as_dynptr()
            }

            /// A copy of the `T` at `offset`.
            ///
            /// # Errors
            #[doc = concat!("`-E2BIG` or `-EINVAL` when ", $memory, " ends before it does.")]
            #[inline(always)]
            pub fn read<T: Pod>(&self, offset: u32) -> Result<T, c_long> {
                let mut value = MaybeUninit::<T>::uninit();
                // SAFETY: the kernel made the dynptr; the value is writable for its size.
                helpers::check(unsafe {
                    helpers::bpf_dynptr_read(
                        value.as_mut_ptr().cast(),
                        size_of::<T>() as u32,
                        self.as_ptr(),
                        offset,
                        0,
                    )
                })?;
                // SAFETY: all bytes were written, and any make a `T`.
                Ok(unsafe { value.assume_init() })
            }

            /// Fills `to` with the bytes from `offset` on.
            ///
            /// # Errors
            #[doc = concat!(
                        "`-E2BIG` or `-EINVAL` when ", $memory, " ends before `offset + to.len()`."
                    )]
            #[inline(always)]
            pub fn read_bytes(&self, offset: u32, to: &mut [u8]) -> Result<(), c_long> {
                // SAFETY: the kernel made the dynptr; the buffer is writable for its length.
                helpers::check(unsafe {
                    helpers::bpf_dynptr_read(
                        to.as_mut_ptr().cast(),
                        to.len() as u32,
                        self.as_ptr(),
                        offset,
                        0,
                    )
                })
            }

            /// Overwrites what stands at `offset` with `value`.
            ///
            /// # Errors
            #[doc = concat!(
                        "`-E2BIG` or `-EINVAL` when ", $memory,
                        " ends too early, `-EINVAL` when it may not be written."
                    )]
            #[inline(always)]
            pub fn write<T: Pod>(&mut self, offset: u32, value: &T) -> Result<(), c_long> {
                // SAFETY: the kernel made the dynptr; the value is readable for its size.
                helpers::check(unsafe {
                    helpers::bpf_dynptr_write(
                        self.as_ptr(),
                        offset,
                        (&raw const *value).cast(),
                        size_of::<T>() as u32,
                        0,
                    )
                })
            }

            /// Overwrites the bytes from `offset` on with `from`.
            ///
            /// # Errors
            /// As [`write`](Self::write).
            #[inline(always)]
            pub fn write_bytes(&mut self, offset: u32, from: &[u8]) -> Result<(), c_long> {
                // SAFETY: the kernel made the dynptr; the buffer is readable for its length.
                helpers::check(unsafe {
                    helpers::bpf_dynptr_write(
                        self.as_ptr(),
                        offset,
                        from.as_ptr().cast(),
                        from.len() as u32,
                        0,
                    )
                })
            }

            #[doc = concat!("How many bytes ", $memory, " has (`bpf_dynptr_size`, 6.5).")]
            #[inline(always)]
            pub fn size(&self) -> u32 {
                kfuncs::size(self.as_ptr())
            }

            #[doc = concat!("Whether ", $memory, " may only be read")]
            /// (`bpf_dynptr_is_rdonly`, 6.5).
            #[inline(always)]
            pub fn is_read_only(&self) -> bool {
                kfuncs::is_rdonly(self.as_ptr())
            }

            /// Leaves only the bytes in `range`, counted from what is the start so far
            /// (`bpf_dynptr_adjust`, 6.5).
            ///
            /// # Errors
            #[doc = concat!("`-ERANGE` when ", $memory, " ends before the range does,")]
            /// `-EINVAL` when the range ends before it starts.
            #[inline(always)]
            pub fn adjust(&mut self, range: Range<u32>) -> Result<(), c_long> {
                helpers::check(kfuncs::adjust(self.as_ptr(), range.start, range.end).into())
            }

            /// Another dynptr of the same memory (`bpf_dynptr_clone`, 6.5). While it is in use,
            /// this one can only be read.
            ///
            /// # Errors
            /// `-EINVAL` when this one is of no memory.
            #[inline(always)]
            pub fn clone_into<'a>(&'a self, slot: &'a mut DynptrSlot) -> Result<&'a Self, c_long> {
                let clone = |to| kfuncs::clone(self.as_ptr(), to).into();
                // SAFETY: the function makes a dynptr; of one of no memory, another such one.
                unsafe { slot.fill(clone) }.map(|made| &*made)
            }

            /// A dynptr of the bytes in `range` alone: [`clone_into`](Self::clone_into), then
            /// [`adjust`](Self::adjust) (6.5).
            ///
            /// # Errors
            /// As of these.
            #[inline(always)]
            pub fn part<'a>(
                &'a self,
                range: Range<u32>,
                slot: &'a mut DynptrSlot,
            ) -> Result<&'a Self, c_long> {
                let clone = |to| kfuncs::clone(self.as_ptr(), to).into();
                // SAFETY: as in `clone_into`.
                let part: &mut Self = unsafe { slot.fill(clone) }?;
                part.adjust(range)?;
                Ok(part)
            }

            /// As [`part`](Self::part), to be written.
            ///
            /// # Errors
            /// As of [`part`](Self::part).
            #[inline(always)]
            pub fn part_mut<'a>(
                &'a mut self,
                range: Range<u32>,
                slot: &'a mut DynptrSlot,
            ) -> Result<&'a mut Self, c_long> {
                let clone = |to| kfuncs::clone(self.as_ptr(), to).into();
                // SAFETY: as in `clone_into`.
                let part: &mut Self = unsafe { slot.fill(clone) }?;
                part.adjust(range)?;
                Ok(part)
            }

            /// Copies `length` bytes from `offset` on to `to_offset` in another dynptr
            /// (`bpf_dynptr_copy`, 6.16).
            ///
            /// # Errors
            /// `-E2BIG` or `-EINVAL` when one of the two ends too early, `-EINVAL` when the other
            /// may not be written.
            #[inline(always)]
            pub fn copy_to(
                &self,
                offset: u32,
                to: &mut impl AnyDynptr,
                to_offset: u32,
                length: u32,
            ) -> Result<(), c_long> {
                let (from, to) = (self.as_ptr(), to.as_dynptr());
                helpers::check(kfuncs::copy(to, to_offset, from, offset, length).into())
            }
        }
    };
}

dynptr!(Dynptr, "the memory");
dynptr!(PacketDynptr, "the packet");

impl Dynptr {
    /// The memory of a value in a map that is used in place (`bpf_dynptr_from_mem`, 5.19).
    ///
    /// ```
    /// use hachi_ebpf::{Dynptr, DynptrSlot, macros::map, maps::Array};
    ///
    /// #[map]
    /// static TEXTS: Array<[u8; 256]> = Array::with_max_entries(1, 0);
    ///
    /// /// Any place and length will do.
    /// fn put(at: u32, text: &[u8]) -> Result<(), i64> {
    ///     let mut slot = DynptrSlot::new();
    ///     let value = TEXTS.cell(0).ok_or(-1)?;
    ///     Dynptr::of_value(value, &mut slot)?.write_bytes(at, text)
    /// }
    /// ```
    ///
    /// # Errors
    /// `-E2BIG` when the value is larger than 16 MiB.
    #[inline(always)]
    pub fn of_value<'a, V: Pod>(
        value: &'a Shared<V>,
        slot: &'a mut DynptrSlot,
    ) -> Result<&'a mut Dynptr, c_long> {
        let data: *mut c_void = value.as_ptr().cast();
        // SAFETY: the verifier makes sure that the value is memory of a map; any bytes make one.
        let make = |to| unsafe { kfuncs::from_mem(data, size_of::<V>() as u32, to) };
        // SAFETY: the helper makes a dynptr.
        unsafe { slot.fill(make) }
    }
}

impl PacketDynptr {
    /// The `N` bytes at `offset`: where they lie in one piece, in place, else a copy in `buffer`
    /// (`bpf_dynptr_slice`, 6.4). `None` when the packet ends before they do.
    #[inline(always)]
    pub fn slice<'a, const N: usize>(
        &'a self,
        offset: u32,
        buffer: &'a mut [u8; N],
    ) -> Option<&'a [u8; N]> {
        let bytes = kfuncs::slice(self.as_ptr(), offset, buffer.as_mut_ptr().cast(), N as u32);
        // SAFETY: the kernel gives a place of `N` bytes in the packet, which nobody changes while
        // the dynptr is borrowed, or the buffer.
        (!bytes.is_null()).then(|| unsafe { &*bytes.cast() })
    }

    /// Has `change` change the `N` bytes at `offset`: where they lie in one piece, in place, else a
    /// copy, which is then written back (`bpf_dynptr_slice_rdwr`, 6.4).
    ///
    /// # Errors
    /// `-E2BIG` when the packet ends before they do, or when it may not be written. The verifier
    /// refuses it in programs that may not write to packets at all.
    #[inline(always)]
    pub fn modify<R, const N: usize>(
        &mut self,
        offset: u32,
        change: impl FnOnce(&mut [u8; N]) -> R,
    ) -> Result<R, c_long> {
        let mut buffer = [0; N];
        let place = (&raw mut buffer).cast::<c_void>();
        let bytes = kfuncs::slice_rdwr(self.as_ptr(), offset, place, N as u32);
        if bytes.is_null() {
            return Err(-E2BIG);
        }
        // SAFETY: the kernel gives a place of `N` bytes in the packet, which is borrowed alone, or
        // the buffer.
        let result = change(unsafe { &mut *bytes.cast() });
        if bytes == place {
            self.write_bytes(offset, &buffer)?;
        }
        Ok(result)
    }

    /// The packet that a program for `__sk_buff` runs on.
    ///
    /// # Safety
    /// `ctx` must be the program's context.
    #[inline(always)]
    pub(crate) unsafe fn of_skb(
        ctx: *mut crate::bindings::__sk_buff,
        slot: &mut DynptrSlot,
    ) -> Result<&mut Self, c_long> {
        // SAFETY: the function makes a dynptr; if it fails, of no memory.
        unsafe { slot.fill(|to| kfuncs::from_skb(ctx, to).into()) }
    }

    /// The packet that an XDP program runs on.
    ///
    /// # Safety
    /// `ctx` must be the program's context.
    #[inline(always)]
    pub(crate) unsafe fn of_xdp(
        ctx: *mut crate::bindings::xdp_md,
        slot: &mut DynptrSlot,
    ) -> Result<&mut Self, c_long> {
        // SAFETY: the function makes a dynptr; if it fails, of no memory.
        unsafe { slot.fill(|to| kfuncs::from_xdp(ctx, to).into()) }
    }
}

/// "Argument list too long": what dynptrs say of an offset beyond their end.
const E2BIG: c_long = 7;

/// The kernel's functions; the verifier follows what dynptrs go through.
#[cfg(hachi_bpf)]
mod kfuncs {
    use crate::bindings::{__sk_buff, bpf_dynptr, xdp_md};
    use crate::cty::{c_long, c_void};
    use crate::helpers;

    macro_rules! kfuncs {
        ($($name:ident = $symbol:literal ($($param:ident: $type:ty),*) -> $result:ty;)*) => { $(
            #[inline(always)]
            pub fn $name($($param: $type),*) -> $result {
                // SAFETY: only dynptrs and what belongs to them come here.
                crate::__call_kfunc!([unsafe] $symbol, ($($param: $type),*) $result)
            }
        )* };
    }

    kfuncs! {
        size = "kfunc:bpf_dynptr_size:fn(*bpf_dynptr) -> u32" (of: *mut bpf_dynptr) -> u32;
        is_rdonly = "kfunc:bpf_dynptr_is_rdonly:fn(*bpf_dynptr) -> bool"
            (of: *mut bpf_dynptr) -> bool;
        adjust = "kfunc:bpf_dynptr_adjust:fn(*bpf_dynptr, u32, u32) -> i32"
            (of: *mut bpf_dynptr, start: u32, end: u32) -> i32;
        clone = "kfunc:bpf_dynptr_clone:fn(*bpf_dynptr, *bpf_dynptr) -> i32"
            (of: *mut bpf_dynptr, to: *mut bpf_dynptr) -> i32;
        copy = "kfunc:bpf_dynptr_copy:fn(*bpf_dynptr, u32, *bpf_dynptr, u32, u32) -> i32"
            (to: *mut bpf_dynptr, at: u32, from: *mut bpf_dynptr, offset: u32, len: u32) -> i32;
        slice = "kfunc:bpf_dynptr_slice:fn(*bpf_dynptr, u32, *void, u32) -> *void"
            (of: *mut bpf_dynptr, offset: u32, buffer: *mut c_void, len: u32) -> *mut c_void;
        slice_rdwr = "kfunc:bpf_dynptr_slice_rdwr:fn(*bpf_dynptr, u32, *void, u32) -> *void"
            (of: *mut bpf_dynptr, offset: u32, buffer: *mut c_void, len: u32) -> *mut c_void;
    }

    #[inline(always)]
    pub fn from_skb(ctx: *mut __sk_buff, to: *mut bpf_dynptr) -> i32 {
        let flags = 0;
        // SAFETY: only contexts and places for dynptrs come here.
        crate::__call_kfunc!([unsafe]
            "kfunc:bpf_dynptr_from_skb:fn(*__sk_buff, u64, *bpf_dynptr) -> i32",
            (ctx: *mut __sk_buff, flags: u64, to: *mut bpf_dynptr) i32)
    }

    #[inline(always)]
    pub fn from_xdp(ctx: *mut xdp_md, to: *mut bpf_dynptr) -> i32 {
        let flags = 0;
        // SAFETY: only contexts and places for dynptrs come here.
        crate::__call_kfunc!([unsafe]
            "kfunc:bpf_dynptr_from_xdp:fn(*xdp_md, u64, *bpf_dynptr) -> i32",
            (ctx: *mut xdp_md, flags: u64, to: *mut bpf_dynptr) i32)
    }

    /// # Safety
    /// There must be `size` bytes of data, and a place for a dynptr.
    #[inline(always)]
    pub unsafe fn from_mem(data: *mut c_void, size: u32, to: *mut bpf_dynptr) -> c_long {
        // SAFETY: the caller's promise.
        unsafe { helpers::bpf_dynptr_from_mem(data, size, 0, to) }
    }
}

/// What a test has in their place.
#[cfg(all(not(hachi_bpf), feature = "test"))]
use crate::test::dynptr as kfuncs;

/// Without a kernel there are no dynptrs to come here.
#[cfg(all(not(hachi_bpf), not(feature = "test")))]
mod kfuncs {
    use crate::bindings::{__sk_buff, bpf_dynptr, xdp_md};
    use crate::cty::{c_long, c_void};

    const ENOSYS: i32 = crate::errno::ENOSYS as i32;

    macro_rules! absent {
        ($($name:ident($($param:ty),*) -> $result:ty = $value:expr;)*) => { $(
            pub fn $name($(_: $param),*) -> $result {
                $value
            }
        )* };
    }

    absent! {
        size(*mut bpf_dynptr) -> u32 = 0;
        is_rdonly(*mut bpf_dynptr) -> bool = true;
        adjust(*mut bpf_dynptr, u32, u32) -> i32 = -ENOSYS;
        clone(*mut bpf_dynptr, *mut bpf_dynptr) -> i32 = -ENOSYS;
        copy(*mut bpf_dynptr, u32, *mut bpf_dynptr, u32, u32) -> i32 = -ENOSYS;
        slice(*mut bpf_dynptr, u32, *mut c_void, u32) -> *mut c_void = core::ptr::null_mut();
        slice_rdwr(*mut bpf_dynptr, u32, *mut c_void, u32) -> *mut c_void = core::ptr::null_mut();
        from_skb(*mut __sk_buff, *mut bpf_dynptr) -> i32 = -ENOSYS;
        from_xdp(*mut xdp_md, *mut bpf_dynptr) -> i32 = -ENOSYS;
    }

    /// # Safety
    /// None is needed.
    pub unsafe fn from_mem(_: *mut c_void, _: u32, _: *mut bpf_dynptr) -> c_long {
        (-ENOSYS).into()
    }
}
