//! Writing to the kernel's structures, where the verifier lets a program.

use super::ask::{Answer, Answered, Offset};
use super::{Direct, Handle, Scalar};

/// Writes a field of one of the kernel's structures: `core_write!(tp, snd_cwnd = 2)`.
///
/// ```
/// use hachi_ebpf::{core_write, kernel_types};
///
/// kernel_types! {
///     struct tcp_sock { snd_cwnd: u32 }
/// }
///
/// /// In a congestion control.
/// fn grow(tp: tcp_sock, by: u32) {
///     core_write!(tp, snd_cwnd = tp.snd_cwnd() + by);
/// }
/// ```
/// The field lies where this kernel has it, as for reading. The path may go through embedded
/// structures; its start is a [`Direct`](crate::kernel::Direct) handle. Few fields may be written,
/// in few kinds of programs, such as `snd_cwnd` in congestion controls (5.6): the verifier refuses
/// all others. The kernel's field must be as large as the declared one.
#[macro_export]
macro_rules! core_write {
    ($handle:expr, $($field:ident).+ = $value:expr) => {{
        let value = $value;
        let place = $crate::kernel::place_of($handle, |at| at$(.$field())+);
        $crate::__store!(place, value)
    }};
}

#[cfg(hachi_bpf)]
#[doc(hidden)]
#[macro_export]
macro_rules! __store {
    ($place:ident, $value:ident) => {
        // SAFETY: the verifier refuses a store to anything but memory it knows to be writable, of
        // the size that the kernel's field has. Volatile because others read there.
        unsafe { $place.write_volatile($value) }
    };
}

#[cfg(not(hachi_bpf))]
#[doc(hidden)]
#[macro_export]
macro_rules! __store {
    ($place:ident, $value:ident) => {{
        let _ = $place == &raw const $value as *mut _;
    }};
}

/// Where a field lies.
#[doc(hidden)]
#[inline(always)]
pub fn place_of<H: Handle<Mode = Direct>, T: Scalar>(
    handle: H,
    path: impl FnOnce(H::In<Offset>) -> Answered<T>,
) -> *mut T {
    let offset = path(Offset::about()).answer();
    handle
        .as_ptr()
        .wrapping_byte_add(offset as usize)
        .cast_mut()
        .cast()
}
