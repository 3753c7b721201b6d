//! What a packet's headers say.

use std::{os::fd::AsFd, path::Path};

use super::{AttachOptions, AttachType, Attached, ProgramData, ProgramError, program_methods};
use crate::links::{LinkId, OwnedLink};

/// A program that reads the headers of packets in the place of the kernel's flow dissector
/// (`BPF_PROG_TYPE_FLOW_DISSECTOR`), whose results spread packets over queues and processors. Linux
/// ≥ 4.20.
///
/// Section `flow_dissector`.
#[derive(Debug)]
pub struct FlowDissector {
    pub(crate) data: ProgramData,
}

program_methods!(FlowDissector);

impl FlowDissector {
    /// Opens the program pinned at `path`. It is loaded already and can be attached.
    pub fn from_pin<P: AsRef<Path>>(path: P) -> Result<Self, ProgramError> {
        ProgramData::from_pin(path.as_ref(), "flow_dissector").map(|data| FlowDissector { data })
    }

    /// Loads the program into the kernel, which verifies it.
    pub fn load(&mut self) -> Result<(), ProgramError> {
        self.data.load()
    }

    /// Attaches the loaded program to the network namespace that is open here:
    /// `File::open("/run/netns/NAME")`, `File::open("/proc/self/ns/net")`. By a `bpf_link`, Linux ≥
    /// 5.7. Needs CAP_NET_ADMIN there.
    pub fn attach<T: AsFd>(&mut self, netns: T) -> Result<LinkId, ProgramError> {
        self.data
            .attach_to_netns(AttachType::FlowDissector, netns.as_fd())
    }

    /// Makes an existing attachment run this program, without a gap in between, and takes it over;
    /// see [`Xdp::attach_to_link`](super::Xdp::attach_to_link).
    pub fn attach_to_link(&mut self, link: impl Into<OwnedLink>) -> Result<LinkId, ProgramError> {
        self.data.attach_to_link(link.into())
    }

    /// To the network namespace of the calling thread.
    pub(crate) fn attach_by_section(
        &mut self,
        _: &AttachOptions,
    ) -> Result<Vec<Attached>, ProgramError> {
        self.data.attach_to_own_netns(AttachType::FlowDissector)
    }
}
