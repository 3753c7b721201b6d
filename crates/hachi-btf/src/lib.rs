//! BTF and BTF.ext: parse, build and repair the type information of eBPF.
//!
//! * [`Btf`] reads a `.BTF` section, a raw `/sys/kernel/btf/*` file or the answer of the kernel
//!   without copying it. Opening looks at the header only; the index of types is made at the
//!   first access.
//! * [`OwnedBtf`] keeps the bytes with what was found out about them; [`BtfPatch`] changes single
//!   words of them and leaves ids and strings where they are.
//! * [`BtfBuilder`] is the owned, editable form: a vector of [`Type`]s with `String` names.
//! * [`ext`] reads and writes `.BTF.ext`: function info, line info and CO-RE records.
//! * [`Types`] has what both forms share: sizes, resolution of typedefs and qualifiers, lookup
//!   by name, and type names as C would write them ([`Types::type_name`]).
//! * [`mod@core`] finds out what CO-RE records become on a kernel.
//! * [`sanitize`](mod@sanitize) rewrites what an older kernel would refuse.
//! * `edit` (a feature) works on whole sets: [`BtfBuilder`] can then `append`, `merge`, `dedup` and
//!   `permute`, and split BTF can be distilled and moved onto another base.
//! * `print` (a feature) writes types and values as text.
//!
//! The format is that of the kernel's `Documentation/bpf/btf.rst` and `linux/btf.h`.

mod builder;
pub mod core;
#[cfg(test)]
mod damage_tests;
#[cfg(feature = "edit")]
pub mod edit;
mod encode;
mod error;
pub mod ext;
mod names;
mod owned;
mod patch;
#[cfg(feature = "print")]
pub mod print;
mod reader;
#[cfg(feature = "rust")]
pub mod rust;
pub mod sanitize;
#[cfg(test)]
mod sanitize_tests;
mod strings;
#[cfg(test)]
mod tests;
mod types;
mod view;

pub use builder::BtfBuilder;
pub use error::{EncodeFault, Error, Malformed, Part, RecordsFault, StringFault, Unsuited};
pub use ext::BtfExt;
pub use hachi_asm::Endian;
pub use names::essential_name;
pub use owned::OwnedBtf;
pub use patch::BtfPatch;
pub use reader::Btf;
pub use sanitize::{Features, sanitize};
pub use strings::StringTable;
pub use types::*;
pub use view::{Shape, Types};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
