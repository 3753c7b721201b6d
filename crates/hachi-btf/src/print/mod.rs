//! Types and values as text: for people, for tools, and for the C compiler.

mod c;

mod diff;
mod layout;
mod quote;
mod raw;
mod value;

pub use c::{C, header};
pub use diff::{Change, diff};
pub use layout::{Field, Layout};
pub use raw::{json, raw};
pub use value::Value;

fn is_composite(kind: crate::Kind) -> bool {
    matches!(kind, crate::Kind::Struct | crate::Kind::Union)
}
