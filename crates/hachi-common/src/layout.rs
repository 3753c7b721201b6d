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

#[doc(hidden)]
impl Field {
    /// The derive macro's question whether a field is followed by padding. What is wrong is an
    /// error when the program is built, which says what to write instead.
    ///
    /// # Panics
    /// If there is padding between a field that ends at `end` and what begins at `next`: another
    /// field, or (`None`) nothing. `what` is not so then.
    #[track_caller]
    pub const fn no_padding(
        what: &str,
        field: &str,
        end: usize,
        next: usize,
        next_field: Option<&str>,
        filling: [&str; 2],
    ) {
        if end == next {
            return;
        }
        let padding = next - end;
        let mut text = Text::new();
        text.push(what).push(": ").number(padding);
        text.push(if padding == 1 { " byte" } else { " bytes" });
        text.push(" of padding after its field `");
        text.push(field).push("`");
        if let Some(next) = next_field {
            text.push(", before `").push(next);
            text.push("`; put wider fields first, or fill it: after `");
            text.push(field).push("`, add `padding: ");
        } else {
            text.push(", at the end; fill it: add `padding: ");
        }
        text.push(filling[0]).number(padding);
        text.push(filling[1]).push("`");
        panic!("{}", text.as_str());
    }
}

/// A text made at compile time, cut where it is too long.
struct Text {
    bytes: [u8; 512],
    len: usize,
}

impl Text {
    const fn new() -> Self {
        Text {
            bytes: [0; 512],
            len: 0,
        }
    }

    const fn push(&mut self, text: &str) -> &mut Self {
        let (text, mut at) = (text.as_bytes(), 0);
        while at < text.len() && self.len < self.bytes.len() {
            self.bytes[self.len] = text[at];
            self.len += 1;
            at += 1;
        }
        self
    }

    const fn number(&mut self, number: usize) -> &mut Self {
        if number > 9 {
            self.number(number / 10);
        }
        let digit = [b'0' + (number % 10) as u8];
        match core::str::from_utf8(&digit) {
            Ok(digit) => self.push(digit),
            Err(_) => self,
        }
    }

    const fn as_str(&self) -> &str {
        match core::str::from_utf8(self.bytes.split_at(self.len).0) {
            Ok(text) => text,
            Err(_) => "there is padding",
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
