//! How to load.

use std::path::PathBuf;

use bitflags::bitflags;

use crate::{maps::MapData, rights::Rights};

bitflags! {
    /// What the verifier writes down.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct VerifierLogLevel: u32 {
        /// Each instruction it looks at, with what it knows, on the path to an error.
        const DEBUG = 1;
        /// As `DEBUG`, on all paths.
        const VERBOSE = 2 | Self::DEBUG.bits();
        /// How much work it was, and the depth of the stack.
        const STATS = 4;
    }
}

impl VerifierLogLevel {
    /// Nothing, unless the program is refused. The default.
    pub const DISABLE: VerifierLogLevel = VerifierLogLevel::empty();
}

/// How to load, from [`EbpfLoader`](crate::EbpfLoader).
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// Directory of maps pinned by name; `/sys/fs/bpf` if not given.
    pub(crate) pin_directory: Option<PathBuf>,
    pub(crate) allow_unsupported_maps: bool,
    /// Maps to use in place of those declared, by the names of the latter.
    pub(crate) replacements: Vec<(String, MapData)>,
    pub(crate) log_level: VerifierLogLevel,
    pub(crate) rights: Rights,
    /// Text of a kernel configuration that goes before the kernel's own.
    pub(crate) kernel_config: Option<String>,
}
