//! The kernel's enumerations, generated from `codegen/*.tsv`.

#[path = "generated/attach_types.rs"]
mod attach_types;
#[path = "generated/map_types.rs"]
mod map_types;
#[path = "generated/program_types.rs"]
mod program_types;

pub use attach_types::AttachType;
pub use map_types::MapType;
pub use program_types::ProgramType;
