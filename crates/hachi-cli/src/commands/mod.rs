//! One file per command.

pub mod bindgen;
pub mod btf;
pub mod build;
pub mod check;
pub mod dis;
pub mod doctor;
pub mod explain;
pub mod inspect;
pub mod ld;
pub mod link;
pub mod map;
pub mod new;
pub mod pin;
pub mod prog;
pub mod run;
pub mod test;
pub mod vm;
