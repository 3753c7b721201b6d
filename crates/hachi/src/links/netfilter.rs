//! Programs at the hooks of netfilter.

use hachi_obj::flags::BPF_F_NETFILTER_IP_DEFRAG;
use std::{fmt, os::fd::AsFd as _};

use hachi_obj::AttachType;

use super::{FdLink, LinkError, OwnedLink};
use crate::{
    fd::ProgramFd,
    features,
    sys::{attach, generated::system},
};

/// Of which protocol a hook of netfilter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
#[non_exhaustive]
pub enum NetfilterFamily {
    /// `NFPROTO_IPV4`
    Ipv4 = system::NFPROTO_IPV4,
    /// `NFPROTO_IPV6`
    Ipv6 = system::NFPROTO_IPV6,
}

/// Where on a packet's way (`enum nf_inet_hooks`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
#[non_exhaustive]
pub enum NetfilterPoint {
    /// Of those that come in, before it is known where they go.
    PreRouting = system::NF_INET_PRE_ROUTING,
    /// Of those for this host.
    LocalIn = system::NF_INET_LOCAL_IN,
    /// Of those that are passed on.
    Forward = system::NF_INET_FORWARD,
    /// Of those that this host sends.
    LocalOut = system::NF_INET_LOCAL_OUT,
    /// Of those that go out.
    PostRouting = system::NF_INET_POST_ROUTING,
}

/// A hook of netfilter, and where among its users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
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
    pub const fn new(family: NetfilterFamily, point: NetfilterPoint, priority: i32) -> Self {
        NetfilterHook {
            family,
            point,
            priority,
            defragment: false,
        }
    }

    /// Has fragments put together before the program sees them; the priority must be above -400.
    /// Linux ≥ 6.6.
    pub const fn defragmented(mut self) -> Self {
        self.defragment = true;
        self
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

/// Attaches to a hook of the calling thread's network namespace.
pub(crate) fn attach(program: &ProgramFd, hook: &NetfilterHook) -> Result<OwnedLink, LinkError> {
    let made = attach::netfilter_link(
        program.as_fd(),
        AttachType::Netfilter as u32,
        hook.family as u32,
        hook.point as u32,
        hook.priority,
        if hook.defragment {
            BPF_F_NETFILTER_IP_DEFRAG
        } else {
            0
        },
    );
    match made {
        Ok(fd) => Ok(FdLink::new(fd).into()),
        Err(error) => {
            features::NETFILTER_LINK.require_after(&error)?;
            if hook.defragment {
                features::NETFILTER_DEFRAG.require_after(&error)?;
            }
            let note = match error.errno() {
                libc::EBUSY => {
                    "a program is attached there with this priority already; choose another \
                     priority"
                }
                libc::EAFNOSUPPORT => "this kernel has no netfilter hooks for the protocol family",
                libc::ENOENT | libc::EOPNOTSUPP => {
                    "this kernel cannot put fragments together here (CONFIG_NF_DEFRAG_IPV4, …_IPV6)"
                }
                libc::ERANGE => {
                    "defragmenting needs a priority above -400, at which it happens, and below \
                     2147483647"
                }
                _ => return Err(LinkError::attach(&hook.to_string(), error)),
            };
            let error = error.noted(note);
            Err(LinkError::attach(&hook.to_string(), error))
        }
    }
}
