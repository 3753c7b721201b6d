//! What programs are attached to.

use std::fmt;
use std::path::PathBuf;

/// What a program is attached to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Target {
    /// What its section says.
    Section,
    /// An interface.
    Interface {
        /// Its index.
        index: u32,
        /// Its name.
        name: String,
    },
    /// A cgroup.
    Cgroup {
        /// Its id.
        id: u64,
        /// Its directory.
        path: PathBuf,
    },
}

impl Target {
    /// What the pin of a link ends with. Neither indices nor ids are given twice while the kernel
    /// runs, and they have no dots, which names in a BPF file system must not have.
    pub(super) fn key(&self) -> String {
        match self {
            Target::Section => "section".to_owned(),
            Target::Interface { index, .. } => format!("if{index}"),
            Target::Cgroup { id, .. } => format!("cg{id}"),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Section => f.write_str("what its section says"),
            Target::Interface { name, .. } => write!(f, "interface {name}"),
            Target::Cgroup { path, .. } => write!(f, "cgroup {}", path.display()),
        }
    }
}
