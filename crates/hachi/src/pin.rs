//! Pins: names in a BPF file system that keep programs, maps and links alive without a process.

use std::{
    ffi::OsStr,
    fmt, fs, io,
    os::{
        fd::{AsFd as _, BorrowedFd, OwnedFd},
        unix::fs::DirBuilderExt as _,
    },
    path::{Path, PathBuf},
};

use crate::{
    fd::{MapFd, ProgramFd},
    sys::{
        bpf::{self, Access},
        errno::SyscallError,
        fs as sys_fs,
    },
};

pub use crate::sys::fs::{BPFFS, ObjectKind};

/// An error of pinning, opening a pin or removing one. Each names the path.
#[derive(Debug)]
#[non_exhaustive]
pub enum PinError {
    /// The path is not on a BPF file system.
    NotBpffs {
        /// The path asked for.
        path: PathBuf,
        /// Its longest part that exists.
        mount: PathBuf,
    },

    /// Something is pinned there already.
    Taken {
        /// The path asked for.
        path: PathBuf,
        /// What was to be pinned.
        kind: ObjectKind,
    },

    /// There is something already where a directory for pins was to be made.
    DirectoryTaken {
        /// The path asked for.
        path: PathBuf,
    },

    /// Nothing is pinned there.
    NotFound {
        /// The path asked for.
        path: PathBuf,
    },

    /// Something else is pinned there.
    WrongKind {
        /// The path asked for.
        path: PathBuf,
        /// What was expected.
        expected: ObjectKind,
        /// What it is.
        found: ObjectKind,
    },

    /// A system call failed.
    Syscall {
        /// What was to be done.
        operation: PinOperation,
        /// The path.
        path: PathBuf,
        /// The kernel's answer.
        error: SyscallError,
    },

    /// A file operation failed.
    Io {
        /// What was to be done.
        operation: PinOperation,
        /// The path.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },

    /// The name of a map, program or link cannot be that of a pin.
    BadName {
        /// The name, as the object has it.
        name: String,
        /// What is wrong with it.
        problem: NameProblem,
    },

    /// The attachment cannot be pinned, or is not what the pin says.
    Unsuitable {
        /// The path.
        path: PathBuf,
        /// Why.
        problem: PinProblem,
    },
}

impl fmt::Display for PinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PinError::NotBpffs { path, mount } => write!(
                f,
                "{path} cannot be a pin: {mount} is not a BPF file system; \
                 mount one with `mount -t bpf bpf {suggestion}`{elsewhere}",
                path = path.display(),
                mount = mount.display(),
                suggestion = suggested_mount(mount).display(),
                elsewhere = if mount.starts_with(BPFFS) {
                    ""
                } else {
                    " and use a path below it"
                }
            ),
            PinError::Taken { path, kind } => write!(
                f,
                "cannot pin the {kind} at {path}: the path is taken; choose another, or remove \
                 that pin with `rm {path}` if nothing needs it",
                path = path.display()
            ),
            PinError::DirectoryTaken { path } => write!(
                f,
                "cannot make the directory {path} for pins: the path is taken; choose another, or \
                 remove what is there if nothing needs it",
                path = path.display()
            ),
            PinError::NotFound { path } => {
                write!(f, "nothing is pinned at {path}", path = path.display())
            }
            PinError::WrongKind {
                path,
                expected,
                found,
            } => write!(
                f,
                "{path} is a pinned {found}, not a {expected}",
                path = path.display()
            ),
            PinError::Syscall {
                operation,
                path,
                error,
            } => write!(
                f,
                "cannot {operation} {path}: {error}",
                path = path.display()
            ),
            PinError::Io {
                operation,
                path,
                error,
            } => write!(
                f,
                "cannot {operation} {path}: {error}",
                path = path.display()
            ),
            PinError::BadName { name, problem } => write!(
                f,
                "{name:?} cannot be the name of a pin: {problem}; rename it in the program's source"
            ),
            PinError::Unsuitable { path, problem } => {
                write!(f, "{path}: {problem}", path = path.display())
            }
        }
    }
}

impl std::error::Error for PinError {}

/// What was done with a pin when something went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PinOperation {
    /// Pinning an object.
    Pin,
    /// Making a directory for pins.
    MakeDirectory,
    /// Opening what is pinned.
    Open,
    /// Finding out what kind of object is pinned.
    Identify,
    /// Asking the kernel about the object.
    Describe,
    /// Finding the attachment of a pinned program.
    FindAttachment,
    /// Looking at the file system.
    LookAt,
    /// Putting another object in the pin's place.
    Replace,
    /// Removing the pin.
    Remove,
}

impl fmt::Display for PinOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PinOperation::Pin => "pin at",
            PinOperation::MakeDirectory => "make directory",
            PinOperation::Open => "open",
            PinOperation::Identify => "find out what is pinned at",
            PinOperation::Describe => "describe",
            PinOperation::FindAttachment => "find the attachment of",
            PinOperation::LookAt => "look at",
            PinOperation::Replace => "replace the pin",
            PinOperation::Remove => "remove the pin",
        })
    }
}

/// Why a name cannot be that of a pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NameProblem {
    /// It is empty.
    Empty,
    /// It holds a slash, and so leads to another directory.
    Slash,
    /// It holds a NUL.
    Nul,
    /// It has more than 255 bytes.
    TooLong,
}

impl fmt::Display for NameProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NameProblem::Empty => "it is empty",
            NameProblem::Slash => "it holds a slash, and so leads to another directory",
            NameProblem::Nul => "it holds a NUL",
            NameProblem::TooLong => "it has more than 255 bytes",
        })
    }
}

/// Why something cannot be pinned, or a path is not a pin.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PinProblem {
    /// A BPF file system takes no names with dots.
    DottedName {
        /// The name.
        name: String,
    },
    /// It is a directory.
    Directory,
    /// What is pinned is neither a map, a program nor a link.
    OtherObject,
    /// The program is not loaded.
    NotLoaded {
        /// The program.
        program: String,
    },
    /// The program has no such attachment.
    NoSuchAttachment {
        /// The program.
        program: String,
    },
    /// The attachment has no `bpf_link`, and ends with the process or with its socket.
    EndsWithProcess,
    /// The attachment has no `bpf_link`, and cannot be found by its program.
    Unfindable,
    /// Something else has been pinned there since.
    Replaced,
    /// It is a pinned program, and it is attached to no interface of this network namespace by
    /// netlink.
    NotAttached,
}

impl fmt::Display for PinProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PinProblem::DottedName { name } => {
                write!(
                    f,
                    "a BPF file system takes no names with dots, such as {name:?}"
                )
            }
            PinProblem::Directory => f.write_str("is a directory, not a pin"),
            PinProblem::OtherObject => {
                f.write_str("is pinned, but neither a map, a program nor a link")
            }
            PinProblem::NotLoaded { program } => write!(
                f,
                "program {program:?} is not loaded yet, so it cannot be pinned"
            ),
            PinProblem::NoSuchAttachment { program } => {
                write!(f, "program {program:?} has no such attachment")
            }
            PinProblem::EndsWithProcess => f.write_str(
                "would have to hold an attachment that has no bpf_link (this kernel has none of \
                 its kind) and that ends with the process, or with the socket it is for",
            ),
            PinProblem::Unfindable => f.write_str(
                "would have to name an attachment that has no bpf_link; it goes on without a pin \
                 when it is kept (`OwnedLink::keep`)",
            ),
            PinProblem::Replaced => {
                f.write_str("is the pin of something else by now; it was left alone")
            }
            PinProblem::NotAttached => f.write_str(
                "is a pinned program, not a link, and it is attached by netlink to no interface \
                 of this network namespace",
            ),
        }
    }
}

impl PinError {
    pub(crate) fn syscall(operation: PinOperation, path: &Path, error: SyscallError) -> Self {
        PinError::Syscall {
            operation,
            path: path.to_owned(),
            error,
        }
    }

    pub(crate) fn io(operation: PinOperation, path: &Path, error: io::Error) -> Self {
        PinError::Io {
            operation,
            path: path.to_owned(),
            error,
        }
    }
}

/// The directory to name in the advice: the usual mount point when the path is meant to be there.
fn suggested_mount(existing: &Path) -> &Path {
    if existing.starts_with(BPFFS) {
        existing
    } else {
        Path::new(BPFFS)
    }
}

/// The longest name that a file system takes, in bytes (`NAME_MAX`).
const LONGEST_NAME: usize = 255;

/// The name of the pin for a map, program or link of this name. Dots, which a BPF file system does
/// not take, become underscores, as libbpf does it.
///
/// Names in an object are chosen by its author: joined to a directory without a look, one such
/// as `../../x` would lead out of it.
///
/// # Errors
/// [`PinError::BadName`] if it cannot be the name of a file: it is empty, too long, or holds a
/// slash or a NUL.
pub fn file_name(name: &str) -> Result<String, PinError> {
    let problem = match name {
        "" => NameProblem::Empty,
        name if name.contains('/') => NameProblem::Slash,
        name if name.contains('\0') => NameProblem::Nul,
        name if name.len() > LONGEST_NAME => NameProblem::TooLong,
        name => return Ok(name.replace('.', "_")),
    };
    Err(PinError::BadName {
        name: name.to_owned(),
        problem,
    })
}

/// Whether a path that exists is on a BPF file system, where pins are.
///
/// # Errors
/// What the system says, such as `ENOENT`.
pub fn is_on_bpffs<P: AsRef<Path>>(path: P) -> io::Result<bool> {
    sys_fs::is_bpffs(path.as_ref())
}

/// Makes a directory for pins on a BPF file system, and those above it that are missing. Returns
/// what was made, outermost first.
///
/// Those above it have the sticky bit, which has no other use there: it tells, even after a crash,
/// that they were made for what is in them only.
///
/// # Errors
/// [`PinError::DirectoryTaken`] if `path` exists, [`PinError::NotBpffs`] on other file systems. On
/// failure nothing is left behind.
pub fn make_directory<P: AsRef<Path>>(path: P) -> Result<Vec<PathBuf>, PinError> {
    let path = path.as_ref();
    check_bpffs(path)?;
    check_dots(path)?;
    let mut made = make_parents(path, 0o1700)?;
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {
            made.push(path.to_owned());
            Ok(made)
        }
        Err(error) => {
            remove_directories(&made);
            Err(match error.kind() {
                io::ErrorKind::AlreadyExists => PinError::DirectoryTaken {
                    path: path.to_owned(),
                },
                _ => PinError::io(PinOperation::MakeDirectory, path, error),
            })
        }
    }
}

/// Whether there is something, which is not the same as whether it can be looked at.
fn exists(path: &Path) -> Result<bool, PinError> {
    match path.try_exists() {
        // How a BPF file system answers when it is asked for a name with a dot.
        Err(error) if error.raw_os_error() == Some(libc::EPERM) && has_dots(path) => Ok(false),
        answer => answer.map_err(|error| PinError::io(PinOperation::LookAt, path, error)),
    }
}

fn has_dot(name: &OsStr) -> bool {
    name.as_encoded_bytes().contains(&b'.')
}

/// Whether a part of `path` that lies directly in a directory of a BPF file system has a dot.
fn has_dots(path: &Path) -> bool {
    path.ancestors().any(|part| {
        let dotted = part.file_name().is_some_and(has_dot);
        let directory = part.parent();
        dotted && directory.is_some_and(|directory| sys_fs::is_bpffs(directory).unwrap_or(false))
    })
}

/// The parts of `path` that do not exist, innermost first.
fn missing(path: &Path) -> Result<Vec<&Path>, PinError> {
    let mut missing = Vec::new();
    for part in path.ancestors() {
        if part.as_os_str().is_empty() || exists(part)? {
            break;
        }
        missing.push(part);
    }
    Ok(missing)
}

/// The longest existing part of `path`'s directory.
fn existing_parent(path: &Path) -> Result<&Path, PinError> {
    for part in path.ancestors().skip(1) {
        if part.as_os_str().is_empty() {
            break;
        }
        if exists(part)? {
            return Ok(part);
        }
    }
    Ok(match path.is_absolute() {
        true => Path::new("/"),
        false => Path::new("."),
    })
}

fn check_bpffs(path: &Path) -> Result<(), PinError> {
    let mount = existing_parent(path)?;
    match sys_fs::is_bpffs(mount) {
        Ok(true) => Ok(()),
        // `/sys/fs/bpf` itself missing: its longest existing part is another directory of sysfs.
        Ok(false) if path.starts_with(BPFFS) => Err(PinError::NotBpffs {
            path: path.to_owned(),
            mount: BPFFS.into(),
        }),
        Ok(false) => Err(PinError::NotBpffs {
            path: path.to_owned(),
            mount: mount.to_owned(),
        }),
        Err(error) => Err(PinError::io(PinOperation::LookAt, mount, error)),
    }
}

/// The first part of `path` that does not exist and has a dot, which the kernel reserves (and
/// refuses with EPERM).
fn dotted(path: &Path) -> Result<Option<&OsStr>, PinError> {
    let mut names = missing(path)?.into_iter().filter_map(Path::file_name);
    Ok(names.rfind(|name| has_dot(name)))
}

fn check_dots(path: &Path) -> Result<(), PinError> {
    match dotted(path)? {
        None => Ok(()),
        Some(name) => Err(PinError::Unsuitable {
            path: path.to_owned(),
            problem: PinProblem::DottedName {
                name: name.to_string_lossy().into_owned(),
            },
        }),
    }
}

/// Makes the directories missing above `path`, and returns them, outermost first.
fn make_parents(path: &Path, mode: u32) -> Result<Vec<PathBuf>, PinError> {
    let missing = match path.parent() {
        Some(parent) => missing(parent)?,
        None => Vec::new(),
    };
    let mut made = Vec::new();
    for directory in missing.into_iter().rev() {
        match fs::DirBuilder::new().mode(mode).create(directory) {
            Ok(()) => made.push(directory.to_owned()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                remove_directories(&made);
                return Err(PinError::io(PinOperation::MakeDirectory, directory, error));
            }
        }
    }
    Ok(made)
}

fn remove_directories(made: &[PathBuf]) {
    for directory in made.iter().rev() {
        // Someone else may have pinned something there by now; then it stays.
        let _ = fs::remove_dir(directory);
    }
}

/// Pins an object at a free path of a BPF file system, making missing directories. On failure
/// nothing is left behind.
pub(crate) fn pin(fd: BorrowedFd<'_>, path: &Path, kind: ObjectKind) -> Result<(), PinError> {
    // Asked first because the kernel's answer to both mistakes is a bare errno (EPERM for the file
    // system).
    check_bpffs(path)?;
    check_dots(path)?;
    match path.symlink_metadata() {
        Ok(_) => {
            return Err(PinError::Taken {
                path: path.to_owned(),
                kind,
            });
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(PinError::io(PinOperation::LookAt, path, error)),
    }
    let c_path =
        sys_fs::c_path(path).map_err(|error| PinError::io(PinOperation::Pin, path, error))?;
    let made = make_parents(path, 0o700)?;
    bpf::obj_pin(fd, &c_path).map_err(|error| {
        remove_directories(&made);
        match error.errno() {
            libc::EEXIST => PinError::Taken {
                path: path.to_owned(),
                kind,
            },
            _ => PinError::syscall(PinOperation::Pin, path, error),
        }
    })
}

/// Opens whatever is pinned at `path`.
///
/// With [`Access::Read`] a pin that may only be read is opened, too.
pub(crate) fn open_any(path: &Path, access: Access) -> Result<(OwnedFd, ObjectKind), PinError> {
    let c_path =
        sys_fs::c_path(path).map_err(|error| PinError::io(PinOperation::Open, path, error))?;
    let opened = match bpf::obj_get(&c_path, access) {
        // Links cannot be opened for reading only.
        Err(error) if access == Access::Read && error.errno() == libc::EINVAL => {
            bpf::obj_get(&c_path, Access::ReadWrite)
        }
        opened => opened,
    };
    let fd = match opened {
        Ok(fd) => fd,
        Err(error) if error.errno() == libc::ENOENT => {
            check_bpffs(path)?;
            return Err(PinError::NotFound {
                path: path.to_owned(),
            });
        }
        Err(error) => {
            // A directory, or a file that is not a pin, is EACCES or EINVAL to the kernel.
            if error.errno() != libc::EPERM {
                check_bpffs(path)?;
                if path.is_dir() {
                    return Err(PinError::Unsuitable {
                        path: path.to_owned(),
                        problem: PinProblem::Directory,
                    });
                }
            }
            return Err(PinError::syscall(PinOperation::Open, path, error));
        }
    };
    match sys_fs::object_kind(fd.as_fd()) {
        Ok(Some(kind)) => Ok((fd, kind)),
        Ok(None) => Err(PinError::Unsuitable {
            path: path.to_owned(),
            problem: PinProblem::OtherObject,
        }),
        Err(error) => Err(PinError::io(PinOperation::Identify, path, error)),
    }
}

/// The kind and the id of what is pinned at `path`: a question that opens the pin and holds
/// nothing.
///
/// # Errors
/// [`PinError::NotFound`] if nothing is pinned there, [`PinError::Unsuitable`] for a directory or a
/// pin of another kind, and what the kernel refuses (EACCES, EPERM).
pub fn look<P: AsRef<Path>>(path: P) -> Result<(ObjectKind, u32), PinError> {
    let path = path.as_ref();
    let (fd, kind) = open_any(path, Access::Read)?;
    match id_of(fd.as_fd(), kind) {
        Ok(id) => Ok((kind, id)),
        Err(error) => Err(PinError::syscall(PinOperation::Describe, path, error)),
    }
}

fn id_of(fd: BorrowedFd<'_>, kind: ObjectKind) -> Result<u32, SyscallError> {
    match kind {
        ObjectKind::Map => bpf::map_info(fd).map(|info| info.id),
        ObjectKind::Program => bpf::prog_info(fd).map(|info| info.id),
        ObjectKind::Link => bpf::link_info(fd).map(|info| info.id),
    }
}

/// Opens the object of the expected kind pinned at `path`.
pub(crate) fn open(path: &Path, expected: ObjectKind, access: Access) -> Result<OwnedFd, PinError> {
    let (fd, found) = open_any(path, access)?;
    if found != expected {
        return Err(PinError::WrongKind {
            path: path.to_owned(),
            expected,
            found,
        });
    }
    Ok(fd)
}

/// Whether what is pinned at `path` is this object; false, too, if nothing is.
pub(crate) fn is_pin_of(
    path: &Path,
    fd: BorrowedFd<'_>,
    kind: ObjectKind,
) -> Result<bool, PinError> {
    let (there, found) = match open_any(path, Access::Read) {
        Ok(there) => there,
        Err(
            PinError::NotFound { .. } | PinError::NotBpffs { .. } | PinError::Unsuitable { .. },
        ) => return Ok(false),
        Err(error) => return Err(error),
    };
    let is_same = || Ok(id_of(there.as_fd(), kind)? == id_of(fd, kind)?);
    let same: Result<bool, SyscallError> = is_same();
    Ok(found == kind
        && same.map_err(|error| PinError::syscall(PinOperation::Describe, path, error))?)
}

/// Removes the pin at `path` if it is of this object.
///
/// # Errors
/// [`PinProblem::Replaced`] if something else is pinned there by now, and what the system refuses.
pub(crate) fn remove_own(
    path: &Path,
    fd: BorrowedFd<'_>,
    kind: ObjectKind,
) -> Result<(), PinError> {
    if !is_pin_of(path, fd, kind)? && path.symlink_metadata().is_ok() {
        return Err(PinError::Unsuitable {
            path: path.to_owned(),
            problem: PinProblem::Replaced,
        });
    }
    fs::remove_file(path).map_err(|error| PinError::io(PinOperation::Remove, path, error))
}

/// The program pinned at `path`, whatever its type: to put it back in a link that runs another.
/// Needs no more rights than the pin's owner has.
///
/// # Errors
/// [`PinError::NotFound`] if nothing is pinned there, [`PinError::WrongKind`] for a map or link;
/// otherwise what `BPF_OBJ_GET` refuses (EACCES, EPERM).
pub fn program<P: AsRef<Path>>(path: P) -> Result<ProgramFd, PinError> {
    open(path.as_ref(), ObjectKind::Program, Access::ReadWrite).map(ProgramFd::new)
}

/// Removes the pin at `path`. What was pinned goes away unless something else holds it: a map or
/// program with its last user, an attachment some milliseconds later, when the kernel has no reader
/// of the name left ([`PinnedLink::unpin`](crate::links::PinnedLink::unpin) hands over a link that
/// can be ended at once).
///
/// Refuses to remove anything that is not a pin.
///
/// # Errors
/// [`PinError::NotBpffs`] and [`PinError::Unsuitable`] if it is not a pin, [`PinError::NotFound`],
/// and [`PinError::Io`] if the file may not be removed.
pub fn unpin<P: AsRef<Path>>(path: P) -> Result<(), PinError> {
    let path = path.as_ref();
    check_bpffs(path)?;
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            return Err(PinError::Unsuitable {
                path: path.to_owned(),
                problem: PinProblem::Directory,
            });
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(PinError::NotFound {
                path: path.to_owned(),
            });
        }
        _ => {}
    }
    fs::remove_file(path).map_err(|error| PinError::io(PinOperation::Remove, path, error))
}

/// Pins of maps made so far by an operation that may still fail: removed on drop unless
/// [`keep`](Self::keep)t. It lives no longer than that operation, so no other process has a copy.
#[derive(Debug, Default)]
pub(crate) struct PinGuard {
    pins: Vec<(PathBuf, MapFd)>,
}

impl PinGuard {
    pub(crate) fn add(&mut self, path: PathBuf, map: MapFd) {
        self.pins.push((path, map));
    }

    pub(crate) fn keep(mut self) {
        self.pins.clear();
    }
}

impl Drop for PinGuard {
    fn drop(&mut self) {
        for (path, map) in &self.pins {
            // What failed before is being told already.
            let _ = remove_own(path, map.as_fd(), ObjectKind::Map);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_file_systems_are_named_with_the_mount_command() {
        let stdin = io::stdin();
        let error = pin(
            stdin.as_fd(),
            Path::new("/proc/nothing/here"),
            ObjectKind::Map,
        )
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "/proc/nothing/here cannot be a pin: /proc is not a BPF file system; \
             mount one with `mount -t bpf bpf /sys/fs/bpf` and use a path below it"
        );
        assert!(matches!(
            unpin("/proc/version"),
            Err(PinError::NotBpffs { .. })
        ));
    }

    #[test]
    fn names_that_lead_out_of_the_directory_are_refused() {
        assert_eq!(file_name("firewall").unwrap(), "firewall");
        assert_eq!(file_name("counts.v2").unwrap(), "counts_v2");
        assert_eq!(file_name("..").unwrap(), "__");
        assert_eq!(file_name("größe \n").unwrap(), "größe \n");
        assert_eq!(file_name(&"x".repeat(255)).unwrap().len(), 255);
        for name in ["", "/etc", "../x", "a/b", "a\0b", &"x".repeat(256)] {
            let error = file_name(name).unwrap_err();
            assert!(
                matches!(&error, PinError::BadName { name: named, .. } if named == name),
                "{error}"
            );
            assert!(error.to_string().contains(&format!("{name:?}")), "{error}");
        }
    }

    #[test]
    fn relative_paths_start_at_the_working_directory() {
        let error = check_bpffs(Path::new("pin-of-a-map")).unwrap_err();
        assert!(
            matches!(&error, PinError::NotBpffs { mount, .. } if mount == Path::new(".")),
            "{error}"
        );
    }
}
