//! What plain data is made of, as constants: for user space, to compare a Rust type with the types
//! that a map was declared with. Programs in the kernel do not use it, and have nothing of it.

/// What the bytes of a [`Pod`](crate::Pod) type mean ([`Pod::LAYOUT`](crate::Pod::LAYOUT)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Bytes of a value.
    pub size: usize,
    /// Its parts.
    pub parts: Parts,
}

/// The parts of a [`Layout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts {
    /// Nothing is known of them.
    Unknown,
    /// None: it is one number.
    Number,
    /// Several values of one type: the type, and how many.
    Elements(&'static Layout, usize),
    /// Fields, in the order of their offsets.
    Fields(&'static [Field]),
}

/// A field of a struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name; its number in a tuple struct.
    pub name: &'static str,
    /// Bytes from the start of the struct.
    pub offset: usize,
    /// What it is itself.
    pub layout: &'static Layout,
}

impl Layout {
    /// A number of `size` bytes.
    pub const fn number(size: usize) -> Self {
        Layout {
            size,
            parts: Parts::Number,
        }
    }

    /// A struct of `size` bytes; without fields, it is not known what those are.
    pub const fn of_fields(size: usize, fields: &'static [Field]) -> Self {
        Layout {
            size,
            parts: match fields {
                [] => Parts::Unknown,
                fields => Parts::Fields(fields),
            },
        }
    }
}

/// Lets the derive macro name [`Field`] wherever the trait `Pod`, of which alone it knows, comes
/// from: as `Self::Field`.
#[doc(hidden)]
pub trait Names {
    type Field;
}

impl<T> Names for T {
    type Field = Field;
}
