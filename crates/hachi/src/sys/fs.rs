//! What kind of file system a path is on, and what a descriptor refers to.

use std::{
    ffi::CString,
    fmt, io,
    mem::MaybeUninit,
    os::{
        fd::{AsRawFd as _, BorrowedFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
};

use super::generated::system::BPF_FS_MAGIC;

/// Where the BPF file system is mounted by convention.
pub const BPFFS: &str = "/sys/fs/bpf";

/// A path for the kernel.
pub(crate) fn c_path(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

/// Whether an existing path is on a BPF file system.
pub(crate) fn is_bpffs(path: &Path) -> io::Result<bool> {
    let path = c_path(path)?;
    let mut stat = MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: the path is NUL-terminated, and the buffer is one statfs long.
    if unsafe { libc::statfs(path.as_ptr(), stat.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so it filled the buffer.
    let stat = unsafe { stat.assume_init() };
    Ok(stat.f_type as u32 == BPF_FS_MAGIC)
}

/// Opens an absolute path as a process sees it whose root is `root`, only to look at the file (for
/// `O_PATH`). Links lead on from there, whatever they name. Linux ≥ 5.6 (before: `ENOSYS`).
#[cfg(feature = "uprobe")]
pub(crate) fn open_in_root(root: &std::fs::File, path: &Path) -> io::Result<std::fs::File> {
    use std::os::fd::{FromRawFd as _, OwnedFd};
    /// `struct open_how`, `include/uapi/linux/openat2.h`.
    #[repr(C)]
    struct OpenHow {
        flags: u64,
        mode: u64,
        resolve: u64,
    }
    let how = OpenHow {
        flags: (libc::O_PATH | libc::O_CLOEXEC) as u64,
        mode: 0,
        resolve: libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_MAGICLINKS,
    };
    let path = c_path(path)?;
    // SAFETY: the path is NUL-terminated, and the struct is live and of the size given.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_openat2,
            root.as_raw_fd(),
            path.as_ptr(),
            &raw const how,
            size_of::<OpenHow>(),
        )
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as libc::c_int) }.into())
}

/// A kind of kernel object that can be pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ObjectKind {
    /// A map.
    Map,
    /// A program.
    Program,
    /// A link. Linux ≥ 5.7.
    Link,
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ObjectKind::Map => "map",
            ObjectKind::Program => "program",
            ObjectKind::Link => "link",
        })
    }
}

/// What a descriptor from `BPF_OBJ_GET` is. The kernel answers with the file's name
/// (`anon_inode:bpf-map`), since asking an object for the wrong kind's info would misread rather
/// than fail.
pub(crate) fn object_kind(fd: BorrowedFd<'_>) -> io::Result<Option<ObjectKind>> {
    let target = std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()))?;
    let target = target.as_os_str().as_bytes();
    Ok(match target {
        b"anon_inode:bpf-map" => Some(ObjectKind::Map),
        b"anon_inode:bpf-prog" => Some(ObjectKind::Program),
        // The first from `bpf_link_prime`, the second from `bpf_link_new_fd`; brackets since Linux
        // 6.9.
        b"anon_inode:bpf_link"
        | b"anon_inode:bpf-link"
        | b"anon_inode:[bpf_link]"
        | b"anon_inode:[bpf-link]" => Some(ObjectKind::Link),
        _ => None,
    })
}

/// What a file in `fdinfo` shows under a name.
pub(crate) fn fdinfo_field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let value = (text.lines()).find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(value.trim())
}
