//! What is sent as bytes.

use crate::{Pod, Shareable};

/// What a program can send to user space as a record, or user space to a program: plain data
/// (anything [`Shareable`]), a slice of plain data, text.
///
/// # Safety
/// All bytes of a value must be initialised: none of them is padding.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent as a record",
    label = "not plain data, a slice of it or text",
    note = "a struct of your own: `#[derive(Clone, Copy, Pod)] #[repr(C)]`, which names the field \
            that has padding or is not plain data",
    note = "text: `str`, not `&str`: send `text`, not `&text`; what a reference or pointer leads \
            to: the value itself"
)]
pub unsafe trait Record {
    /// The bytes of the record.
    fn as_bytes(&self) -> &[u8];
}

#[diagnostic::do_not_recommend]
// SAFETY: the bytes of a `Shareable` value are those of its bits, which are plain data.
unsafe impl<T: Shareable> Record for T {
    #[inline(always)]
    fn as_bytes(&self) -> &[u8] {
        // SAFETY: as above, as many; the borrow is the value's own.
        unsafe { core::slice::from_raw_parts((&raw const *self).cast(), size_of::<T>()) }
    }
}

// SAFETY: elements of plain data, without anything between them.
unsafe impl<T: Pod> Record for [T] {
    #[inline(always)]
    fn as_bytes(&self) -> &[u8] {
        // SAFETY: as above; the borrow is the slice's own.
        unsafe { core::slice::from_raw_parts(self.as_ptr().cast(), size_of_val(self)) }
    }
}

// SAFETY: text is bytes.
unsafe impl Record for str {
    #[inline(always)]
    fn as_bytes(&self) -> &[u8] {
        str::as_bytes(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_their_bytes() {
        fn bytes<T: Record + ?Sized>(record: &T) -> &[u8] {
            record.as_bytes()
        }
        assert_eq!(bytes(&[1u8, 2]), [1, 2]);
        assert_eq!(bytes(&[0x0101_u16, 0][..]), [1, 1, 0, 0]);
        assert_eq!(bytes("ab"), *b"ab");
        assert_eq!(bytes(&true), [1]);
    }
}
