//! The tracing file system: which events there are, and probes made by writing to it.

use std::{
    fs, io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use super::generated::system::{FSCONFIG_CMD_CREATE, FSMOUNT_CLOEXEC, FSOPEN_CLOEXEC};

/// Where it usually is; the second before Linux 4.1, and as a mount within a mount ever since.
const USUAL: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// Where the events are: at a usual place, or, where it is mounted at none, a mount that only this
/// process can see, through a descriptor that it keeps (Linux ≥ 5.2; needs CAP_SYS_ADMIN).
pub(crate) fn root() -> io::Result<&'static Path> {
    static ROOT: OnceLock<(PathBuf, Option<OwnedFd>)> = OnceLock::new();
    if let Some((path, _)) = ROOT.get() {
        return Ok(path);
    }
    let usual = USUAL
        .iter()
        .find(|path| Path::new(path).join("events").exists());
    let found = match usual {
        Some(path) => (PathBuf::from(path), None),
        None => {
            let mount = mount().map_err(|error| {
                io::Error::new(
                    error.kind(),
                    format!(
                        "tracefs is not mounted ({error}); try `mount -t tracefs tracefs {}`",
                        USUAL[0]
                    ),
                )
            })?;
            let path = format!("/proc/self/fd/{}", mount.as_raw_fd());
            (PathBuf::from(path), Some(mount))
        }
    };
    Ok(&ROOT.get_or_init(|| found).0)
}

/// fsopen(2), fsconfig(2), fsmount(2): a mount that is attached nowhere.
fn mount() -> io::Result<OwnedFd> {
    fn checked(result: libc::c_long) -> io::Result<libc::c_long> {
        if result < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(result)
        }
    }
    // SAFETY: the name is NUL-terminated and outlives the call.
    let context =
        checked(unsafe { libc::syscall(libc::SYS_fsopen, c"tracefs".as_ptr(), FSOPEN_CLOEXEC) })?;
    // SAFETY: the kernel just made this descriptor for us.
    let context = unsafe { OwnedFd::from_raw_fd(context as libc::c_int) };
    // SAFETY: this command takes neither key nor value.
    checked(unsafe {
        libc::syscall(
            libc::SYS_fsconfig,
            context.as_raw_fd(),
            FSCONFIG_CMD_CREATE,
            std::ptr::null::<u8>(),
            std::ptr::null::<u8>(),
            0,
        )
    })?;
    // SAFETY: numbers only.
    let mount = checked(unsafe {
        libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), FSMOUNT_CLOEXEC, 0)
    })?;
    // SAFETY: the kernel just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(mount as libc::c_int) })
}

/// The number of an event, for perf_event_open(2); `None` if there is no such event.
pub(crate) fn event_id(category: &str, name: &str) -> io::Result<Option<u64>> {
    let path = root()?.join("events").join(category).join(name).join("id");
    match fs::read_to_string(&path) {
        Ok(text) => text.trim().parse().map(Some).map_err(|_| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{}: {text:?}", path.display()),
            )
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io::Error::new(
            error.kind(),
            format!("{}: {error}", path.display()),
        )),
    }
}

/// The names in a directory below `events`: the categories for "", else a category's events.
/// None for a category that does not exist.
pub(crate) fn names(category: &str) -> io::Result<Vec<String>> {
    let directory = root()?.join("events").join(category);
    let mut names = Vec::new();
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(names),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        // No event of the kernel's has a name that is not text.
        if entry.file_type()?.is_dir()
            && let Ok(name) = entry.file_name().into_string()
        {
            names.push(name);
        }
    }
    Ok(names)
}

/// Appends a line to `kprobe_events` or `uprobe_events`.
pub(crate) fn write_probe(file: &str, line: &str) -> io::Result<()> {
    use io::Write as _;
    let path = root()?.join(file);
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let mut file = fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .map_err(named)?;
    file.write_all(line.as_bytes())
        .map_err(|error| match error.raw_os_error() {
            // Its number tells more than the path.
            Some(_) => error,
            None => named(error),
        })
}
