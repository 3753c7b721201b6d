//! Second names for what has another name here: names of Aya's, and our own of earlier versions.
//!
//! They are all in this directory, in a file for each room, and hidden from the documentation;
//! where their users look, they are re-exported. Each thing has one documented name. Aya's own API,
//! exactly, is what the façade crates in `compat/` are for.

pub mod links;
mod loader;
pub mod maps;
pub mod programs;
pub mod root;
