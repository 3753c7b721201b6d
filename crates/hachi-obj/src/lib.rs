//! eBPF object files: an ELF file in, a plain-data [`Spec`] out, instructions ready to load from
//! there.
//!
//! A `Spec` is made from the bytes alone: nothing here asks the kernel anything. It holds each
//! function once. [`ProgramSpec::code`] gives a program with the functions it calls, as libbpf puts
//! them together; [`ProgramSpec::link`] fills in what only the program's surroundings can supply:
//! map descriptors, kernel functions, CO-RE offsets. Neither changes the `Spec`.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut spec = hachi_obj::Spec::parse_vec(std::fs::read("firewall.o")?)?;
//! for program in &spec.programs {
//!     let code = program.code()?;
//!     println!("{} in {}: {} instructions", program.name, program.section, code.insns.len());
//! }
//! spec.set_global("DEBUG", &1u32.to_ne_bytes())?;
//! # Ok(())
//! # }
//! ```

pub mod arch;
mod code;
mod elf;
pub mod error;
mod externs;
#[cfg(unix)]
pub mod file;
#[path = "generated/flags.rs"]
pub mod flags;
mod image;
pub mod inline;
pub mod inspect;
pub mod kconfig;
mod kinds;
pub mod link;
mod map;
mod order;
mod parse;
mod program;
pub mod sections;
mod spec;
mod struct_ops;
pub mod uapi;
mod verdict;
mod warning;

pub use code::{Code, Function, Relocation, RelocationKind, SourceLine};
pub use error::Error;
pub use externs::{Extern, ExternKind};
pub use hachi_asm::{Endian, Insn};
pub use hachi_btf::OwnedBtf;
pub use hachi_btf::ext::{CoreRecord, CoreRelo, CoreReloKind, FuncInfo, LineInfo, LineRecord};
pub use kinds::{AttachType, MapType, ProgramType};
pub use map::{DataKind, InitialEntry, MapSpec, Pinning};
pub use program::ProgramSpec;
pub use sections::SectionDef;
pub use spec::{GlobalVar, Spec};
pub use struct_ops::{StructOpsMember, StructOpsSpec, StructOpsValue};
pub use warning::Warning;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
