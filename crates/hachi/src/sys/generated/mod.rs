//! Tables of the kernel's interface, written by `cargo xtask codegen`.

pub(crate) mod capabilities;
pub(crate) mod commands;
pub(crate) mod link_types;
pub(crate) mod system;
