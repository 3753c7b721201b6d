//! The commands, a file for each.

pub mod agent;
pub mod image;
