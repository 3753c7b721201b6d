//! Programs at the hooks of netfilter.

use std::os::fd::AsFd as _;

use super::{FdLink, LinkError, OwnedLink};
use crate::{
    features,
    programs::{AttachType, NetfilterHook, ProgramFd},
    sys::attach,
};

/// Attaches to a hook of the calling thread's network namespace.
pub(crate) fn attach(program: &ProgramFd, hook: &NetfilterHook) -> Result<OwnedLink, LinkError> {
    /// `BPF_F_NETFILTER_IP_DEFRAG`.
    const IP_DEFRAG: u32 = 1;
    let made = attach::netfilter_link(
        program.as_fd(),
        AttachType::Netfilter as u32,
        hook.family as u32,
        hook.point as u32,
        hook.priority,
        if hook.defragment { IP_DEFRAG } else { 0 },
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
                    "a program is attached there with this priority already; choose another priority"
                }
                libc::EAFNOSUPPORT => "this kernel has no netfilter hooks for the protocol family",
                libc::ENOENT | libc::EOPNOTSUPP => {
                    "this kernel cannot put fragments together here (CONFIG_NF_DEFRAG_IPV4, …_IPV6)"
                }
                libc::ERANGE => {
                    "defragmenting needs a priority above -400, at which it happens, and below 2147483647"
                }
                _ => return Err(LinkError::attach(&hook.to_string(), error)),
            };
            let error = error.noted(note);
            Err(LinkError::attach(&hook.to_string(), error))
        }
    }
}
