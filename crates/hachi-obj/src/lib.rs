//! eBPF object files: an ELF file in, a plain-data [`Spec`] out.
//!
//! A `Spec` is made from the bytes alone: nothing here asks the kernel anything. Programs arrive
//! complete (the subprograms they call are appended and the calls fixed up, as libbpf does); what
//! only the running system can supply (map descriptors, kernel functions, CO-RE offsets) is
//! listed as [`Relocation`]s, [`Extern`]s and CO-RE records for the loader to resolve.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let bytes = std::fs::read("firewall.o")?;
//! let mut spec = hachi_obj::Spec::parse(&bytes)?;
//! for program in &spec.programs {
//!     println!("{} in {}: {} instructions", program.name, program.section, program.insns.len());
//! }
//! spec.set_global("DEBUG", &1u32.to_ne_bytes())?;
//! # Ok(())
//! # }
//! ```

pub mod core;
mod elf;
mod error;
mod externs;
pub mod inspect;
pub mod kconfig;
mod kinds;
mod map;
mod parse;
mod program;
pub mod sections;
mod spec;
mod struct_ops;

pub use error::Error;
pub use externs::{Extern, ExternKind};
pub use hachi_asm::{Endian, Insn};
pub use hachi_btf::ext::{CoreRelo, CoreReloKind, FuncInfo, LineInfo};
pub use kinds::{AttachType, MapType, ProgramType};
pub use map::{DataKind, InitialEntry, MapSpec, Pinning};
pub use program::{Function, ProgramSpec, Relocation, RelocationKind};
pub use sections::SectionDef;
pub use spec::{GlobalVar, Spec};
pub use struct_ops::{StructOpsMember, StructOpsSpec, StructOpsValue};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
