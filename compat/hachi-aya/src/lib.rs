//! Aya's user-space API on top of Hachi.
//!
//! A program written for Aya ports by renaming the dependency:
//!
//! ```toml
//! aya = { package = "hachi-aya", version = "0.1" }
//! ```
//!
//! Names, shapes and errors are those of Aya 0.14. [`Bpf`] and [`BpfLoader`] have the shape of
//! 2021; the feature `v0_13` makes them other names of [`Ebpf`] and [`EbpfLoader`], as they were in
//! 0.13. What is different is in `docs/aya.md` of Hachi's repository. New programs are better off
//! with [`hachi`] itself, which has one name for each thing and errors that say what there is.

#![cfg(target_os = "linux")]

mod attendants;
mod bpf;
mod btf;
pub mod maps;
pub mod pin;
pub mod programs;
pub mod sys;
pub mod util;

pub use hachi::{Pod, include_bytes_aligned};
pub use hachi_aya_obj::maps::{PinningType, bpf_map_def};

#[doc(hidden)]
pub use crate::{
    attendants::Attendants,
    bpf::{as_hachi, attendants},
};
pub use crate::{
    bpf::{
        Bpf, BpfError, BpfLoader, Ebpf, EbpfError, EbpfLoader, GlobalData, ParseError,
        VerifierLogLevel,
    },
    btf::{Btf, BtfError},
    programs::{
        RawTracePointRunOptions, RawTracePointTestRunResult, TestRun, TestRunAttrs, TestRunOptions,
        TestRunResult,
    },
};

/// The order of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Endianness {
    /// The least first.
    #[default]
    Little,
    /// The greatest first.
    Big,
}

/// What a logger can be made from: [`Ebpf`], and [`Bpf`] in either shape.
#[doc(hidden)]
pub trait AsEbpf {
    /// The loaded object.
    fn as_ebpf(&mut self) -> &mut Ebpf;
}

impl AsEbpf for Ebpf {
    fn as_ebpf(&mut self) -> &mut Ebpf {
        self
    }
}
