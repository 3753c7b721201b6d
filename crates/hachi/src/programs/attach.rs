//! Attaching by what the sections say.

use std::path::PathBuf;

use super::{CgroupAttachMode, ProgramData, ProgramError, TcAttachType, XdpFlags};
use crate::links::{LinkId, Needed, NoTarget};

/// Where to attach, as far as section names cannot say it; see
/// [`Program::attach_by_section`](super::Program::attach_by_section).
#[derive(Clone, Debug, Default)]
pub struct AttachOptions {
    pub(crate) interfaces: Vec<String>,
    pub(crate) xdp_flags: XdpFlags,
    pub(crate) tc_direction: TcAttachType,
    pub(crate) cgroup: Option<PathBuf>,
    pub(crate) cgroup_mode: CgroupAttachMode,
    pub(crate) pid: Option<u32>,
    pub(crate) binary: Option<PathBuf>,
}

impl AttachOptions {
    /// Nothing but what the sections say.
    pub fn new() -> Self {
        Self::default()
    }

    /// An interface for programs of the network; may be given several times.
    pub fn interface(mut self, name: &str) -> Self {
        self.interfaces.push(name.to_owned());
        self
    }

    /// How XDP programs are attached.
    pub fn xdp_flags(mut self, flags: XdpFlags) -> Self {
        self.xdp_flags = flags;
        self
    }

    /// Which packets classifiers get whose sections do not say it (`classifier`, `tc`). Received
    /// ones, if not given.
    pub fn tc_direction(mut self, direction: TcAttachType) -> Self {
        self.tc_direction = direction;
        self
    }

    /// How programs of cgroups are attached.
    pub fn cgroup_mode(mut self, mode: CgroupAttachMode) -> Self {
        self.cgroup_mode = mode;
        self
    }

    /// The directory of the cgroup for programs of cgroups.
    pub fn cgroup(mut self, directory: impl Into<PathBuf>) -> Self {
        self.cgroup = Some(directory.into());
        self
    }

    /// Only this process, for probes in user space and for perf events. Each, if not given.
    pub fn pid(mut self, pid: u32) -> Self {
        self.pid = Some(pid);
        self
    }

    /// The program or library for probes in user space whose sections name none.
    pub fn binary(mut self, path: impl Into<PathBuf>) -> Self {
        self.binary = Some(path.into());
        self
    }

    /// The interfaces for a program that needs one.
    pub(crate) fn interfaces_for(&self, program: &ProgramData) -> Result<&[String], ProgramError> {
        if self.interfaces.is_empty() {
            return program.no_target(NoTarget::Needs(Needed::Interface));
        }
        Ok(&self.interfaces)
    }
}

/// An attachment that [`Program::attach_by_section`](super::Program::attach_by_section) made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attached {
    /// It belongs to the program, until it is taken.
    pub link: LinkId,
    /// To what, in words: `kernel function do_unlinkat`.
    pub target: String,
}

impl Attached {
    pub(crate) fn one(link: LinkId, target: String) -> Vec<Self> {
        vec![Attached { link, target }]
    }
}

/// What [`Ebpf::attach_all`](crate::Ebpf::attach_all) did.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct AttachedAll {
    /// The name of the program with each attachment.
    pub attached: Vec<(String, Attached)>,
    /// The structs of functions that were registered. The object keeps them so until it is dropped.
    pub registered: Vec<String>,
    /// The programs that are loaded but were not attached, with the reason: their sections name no
    /// target, or something else runs them.
    pub left_out: Vec<(String, NoTarget)>,
}
