//! Types and values as text: for people, and for the C compiler.

mod layout;

pub use layout::{Field, Layout};
