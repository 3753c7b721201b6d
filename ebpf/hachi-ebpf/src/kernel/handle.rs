//! What all handles can do.

use super::{Mode, Probed};
use crate::cty::c_void;

/// A pointer to one of the kernel's structures. [`kernel_types!`](crate::kernel_types) makes the
/// types; this is what they have in common, as a trait so that it is in no field's way.
pub trait Handle: Copy {
    /// How it reads.
    type Mode: Mode;
    /// A handle to the same type that reads in another way.
    type In<M: Mode>: Handle<Mode = M>;

    #[doc(hidden)]
    fn from_place(place: <Self::Mode as Mode>::Place) -> Self;
    #[doc(hidden)]
    fn place(self) -> <Self::Mode as Mode>::Place;

    /// The handle for a pointer.
    ///
    /// No memory depends on the pointer being right: the verifier refuses to load through a
    /// [`Direct`](super::Direct) one that it knows nothing about, and reading a [`Probed`] one
    /// fails where it leads nowhere.
    #[inline(always)]
    fn from_ptr<T: ?Sized>(pointer: *const T) -> Self
    where
        Self::Mode: Mode<Place = *const c_void>,
    {
        Self::from_place(pointer.cast())
    }

    /// The pointer.
    #[inline(always)]
    fn as_ptr(self) -> *const c_void
    where
        Self::Mode: Mode<Place = *const c_void>,
    {
        self.place()
    }

    /// Whether the pointer is null.
    #[inline(always)]
    fn is_null(self) -> bool
    where
        Self::Mode: Mode<Place = *const c_void>,
    {
        self.place().is_null()
    }

    /// The same, to be read by `bpf_probe_read_kernel`: where an index is not known to the
    /// verifier, say.
    #[inline(always)]
    fn probed(self) -> Self::In<Probed>
    where
        Self::Mode: Mode<Place = *const c_void>,
    {
        Handle::from_place(self.place())
    }

    /// The same pointer as one to another type: another flavour of it
    /// (`task.cast::<task_struct___old>()`), or what is known to lie there (a `sock` that is a
    /// `tcp_sock`).
    ///
    /// The verifier goes by the type that it knows; a [`Direct`](super::Direct) handle reads no
    /// further than that type reaches. (Read such fields [`probed`](Self::probed).)
    #[inline(always)]
    fn cast<H: Handle<Mode = Self::Mode>>(self) -> H {
        H::from_place(self.place())
    }
}
