//! Types and values as text: for people, and for the C compiler.

mod c;
mod layout;

pub use c::{C, header};
pub use layout::{Field, Layout};

fn is_composite(kind: crate::Kind) -> bool {
    matches!(kind, crate::Kind::Struct | crate::Kind::Union)
}
