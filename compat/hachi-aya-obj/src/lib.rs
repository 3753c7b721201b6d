//! The numbers and definitions of aya-obj on top of Hachi.
//!
//! ```toml
//! aya-obj = { package = "hachi-aya-obj", version = "0.1" }
//! ```
//!
//! What programs for Aya come across: the kernel's numbers by the kernel's names, and the
//! definitions of maps. Reading, editing and relocating objects is the job of [`hachi_obj`] and
//! `hachi_btf`, which have an API of their own.

pub mod generated;
pub mod maps;

/// A number that has no name here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidTypeBinding<T> {
    /// The number.
    pub value: T,
}
