//! Packets on their way through the network stack, at netfilter's hooks.

use std::{fmt, path::Path};

use super::{AttachOptions, Attached, ProgramData, ProgramError, program_methods};
use crate::links::{LinkId, netfilter};

/// A program at a hook of netfilter, where iptables and nftables have their rules
/// (`BPF_PROG_TYPE_NETFILTER`): it returns `NF_ACCEPT` (1) or `NF_DROP` (0). Linux ≥ 6.4.
///
/// Section `netfilter`.
#[derive(Debug)]
pub struct Netfilter {
    pub(crate) data: ProgramData,
}

/// Of which protocol a hook of netfilter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum NetfilterFamily {
    /// `NFPROTO_IPV4`
    Ipv4 = 2,
    /// `NFPROTO_IPV6`
    Ipv6 = 10,
}

/// Where on a packet's way (`enum nf_inet_hooks`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum NetfilterPoint {
    /// Of those that come in, before it is known where they go.
    PreRouting = 0,
    /// Of those for this host.
    LocalIn = 1,
    /// Of those that are passed on.
    Forward = 2,
    /// Of those that this host sends.
    LocalOut = 3,
    /// Of those that go out.
    PostRouting = 4,
}

/// A hook of netfilter, and where among its users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NetfilterHook {
    /// Of which protocol.
    pub family: NetfilterFamily,
    /// Where.
    pub point: NetfilterPoint,
    /// Lower ones run first: filter rules have 0, connection tracking -200. No two programs of a
    /// hook have the same.
    pub priority: i32,
    /// Have fragments put together before the program sees them; the priority must be above -400.
    /// Linux ≥ 6.6.
    pub defragment: bool,
}

impl NetfilterHook {
    /// A hook without defragmentation.
    pub fn new(family: NetfilterFamily, point: NetfilterPoint, priority: i32) -> Self {
        NetfilterHook {
            family,
            point,
            priority,
            defragment: false,
        }
    }
}

impl fmt::Display for NetfilterHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NetfilterHook {
            family,
            point,
            priority,
            ..
        } = self;
        write!(f, "netfilter {family:?} {point:?}, priority {priority}")
    }
}

program_methods!(Netfilter);

impl Netfilter {
    /// Opens the program pinned at `path`. It is loaded already and can be attached.
    pub fn from_pin<P: AsRef<Path>>(path: P) -> Result<Self, ProgramError> {
        ProgramData::from_pin(path.as_ref(), "netfilter").map(|data| Netfilter { data })
    }

    /// Loads the program into the kernel, which verifies it.
    pub fn load(&mut self) -> Result<(), ProgramError> {
        self.data.load()
    }

    /// Attaches the loaded program to a hook of the calling thread's network namespace, by a
    /// `bpf_link`. Such a link cannot change its program. Needs CAP_NET_ADMIN.
    pub fn attach(&mut self, hook: NetfilterHook) -> Result<LinkId, ProgramError> {
        let link = netfilter::attach(self.data.fd()?, &hook);
        self.data.own(link)
    }

    pub(crate) fn attach_by_section(
        &mut self,
        _: &AttachOptions,
    ) -> Result<Vec<Attached>, ProgramError> {
        self.data
            .not_by_section("it needs a hook and a priority, which its section cannot name")
    }
}
