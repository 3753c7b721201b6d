//! Whole sets of types, edited: joined, freed of duplicates, sorted, moved onto another base.

mod append;
mod dedup;
mod distil;
mod permute;
mod relocate;

pub use distil::{Distilled, distil};
pub use relocate::relocate;
