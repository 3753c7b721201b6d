//! Processes in a user namespace, with rights over bpf(2) delegated to them.

use crate::error::{Error, Result, describe};
use crate::sys;
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;

/// Runs `command` as root of user, mount and network namespaces of its own, which have no rights
/// over the machine, but a BPF file system at `target` (an existing directory) mounted with
/// `options`: what it delegates, such as `("delegate_progs", "xdp")` or `("delegate_cmds", "any")`.
///
/// It is what the manager of a container does. Linux ≥ 6.9, as root.
///
/// # Errors
/// If one of the steps fails; how the command ends is in the [`Output`].
pub fn run_delegated(
    command: &mut Command,
    target: &Path,
    options: &[(&str, &str)],
) -> Result<Output> {
    let line = describe(command);
    let during = |action: &str| Error::during(format!("{action} for `{line}`"));
    let text = |text: &[u8]| CString::new(text).map_err(|error| during("names")(error.into()));
    let target = text(target.as_os_str().as_bytes())?;
    let options = options
        .iter()
        .map(|(key, value)| Ok((text(key.as_bytes())?, text(value.as_bytes())?)))
        .collect::<Result<Vec<_>>>()?;
    let (ours, theirs) = UnixStream::pair().map_err(during("making a socket"))?;
    let socket = theirs.as_raw_fd();
    // SAFETY: between fork and exec only system calls run, which are async-signal-safe, on
    // descriptors and strings made before.
    unsafe {
        command.pre_exec(move || {
            sys::unshare_user()?;
            // The file system belongs to the namespace of who opens it; what it delegates is said
            // by somebody with rights outside.
            sys::send_descriptor(socket, sys::open_bpffs()?.as_fd())?;
            let (_, mount) = sys::receive_descriptor(socket)?;
            sys::move_mount(&mount, &target)
        });
    }
    thread::scope(|scope| {
        let manager = scope.spawn(|| manage(ours, &options));
        let output = command.output();
        // Without this a manager whose process never began would wait for it.
        drop(theirs);
        let managed = manager
            .join()
            .unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
        managed.map_err(during("delegating BPF"))?;
        output.map_err(during("starting a user namespace"))
    })
}

/// The part of the manager: gives the other side a user and a mount.
fn manage(socket: UnixStream, options: &[(CString, CString)]) -> io::Result<()> {
    let (process, filesystem) = sys::receive_descriptor(socket.as_raw_fd())?;
    for kind in ["uid_map", "gid_map"] {
        fs::write(format!("/proc/{process}/{kind}"), "0 0 1\n")?;
    }
    for (key, value) in options {
        sys::set_option(filesystem.as_fd(), key, value)?;
    }
    let mount = sys::create_mount(filesystem.as_fd())?;
    sys::send_descriptor(socket.as_raw_fd(), mount.as_fd())
}
