//! What programs are attached to, in words and numbers.

use crate::sys::capability::Capability;
use std::{
    fs,
    os::fd::{AsRawFd as _, BorrowedFd},
};

use super::LinkError;
use crate::sys::net;

/// What a descriptor is of, in words: `cgroup /sys/fs/cgroup/a`.
pub(super) fn name(what: &str, fd: BorrowedFd<'_>) -> String {
    // For a message, which goes without where that cannot be found out.
    let path = fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).unwrap_or_default();
    format!("{what} {}", path.display()).trim().to_owned()
}

/// Whether this process has the rights to attach programs of the network.
pub(super) fn may_attach() -> bool {
    Capability::NetAdmin.is_effective().unwrap_or(false)
}

/// The index of an interface, or an error that names those there are.
pub(crate) fn interface_index(name: &str) -> Result<u32, LinkError> {
    let failed = |error| LinkError::io(format!("interface {name:?}"), error);
    match net::if_index(name).map_err(failed)? {
        Some(index) => Ok(index),
        None => Err(LinkError::NoSuchInterface {
            name: name.to_owned(),
            existing: net::if_names().map_err(failed)?,
        }),
    }
}

/// The name of an interface, or an error that names those there are.
pub(super) fn interface_name(index: u32) -> Result<String, LinkError> {
    let failed = |error| LinkError::io(format!("the interface with index {index}"), error);
    match net::if_name(index).map_err(failed)? {
        Some(name) => Ok(name),
        None => Err(LinkError::NoSuchInterfaceIndex {
            index,
            existing: net::if_names().map_err(failed)?,
        }),
    }
}
