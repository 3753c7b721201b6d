//! A machine kept as a description says.
//!
//! Data walks one way: a [`Description`] (files), what it [wants](Wanted) of this machine (objects,
//! interfaces, cgroups), what is pinned already, the [`Plan`] that leads from the one to
//! the other, and its steps, carried out. What is known about the machine is in its BPF file
//! system: an agent that starts, or starts again, reads it there, and programs run on while there
//! is none.

mod description;
mod error;
mod metrics;
mod pinned;
mod plan;
mod target;
mod wanted;
mod watch;

pub use description::{Application, Description, Direction, Health, Mode, Value};
pub use error::{Error, HealthFailure, Operation, Position};
pub use metrics::exposition;
pub use plan::{Outcome, Plan, Step};
pub use target::Target;
pub use wanted::Wanted;
pub use watch::Watch;

/// What these functions return.
pub type Result<T> = std::result::Result<T, Error>;
