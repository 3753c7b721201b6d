//! Files that appear whole or not at all, and files of others that are read with limits.

use std::{
    fs::{self, File, OpenOptions, Permissions, TryLockError},
    io::{self, Read as _, Write},
    os::{
        fd::AsRawFd as _,
        unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _},
    },
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use hachi_obj::file::{ForeignFile, LARGEST};

/// Reads a file whose name comes from somebody else, such as the command line: all of it, if it is
/// a regular file of at most 1 GiB, or a pipe that is open already (`/dev/stdin`, a shell's
/// `<(…)`).
///
/// # Errors
/// What the system says, or a word for what the file is instead: a device, a socket, a named pipe,
/// for whose other end this does not wait.
pub fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let refuse = |what: &str| {
        Err(io::Error::other(format!(
            "it is {what}, not a regular file"
        )))
    };
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path);
    let file = match file {
        // Only sockets, and devices without a driver, cannot be opened at all.
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => return refuse("a socket"),
        file => file?,
    };
    let about = file.metadata()?;
    let kind = about.file_type();
    let mut room = LARGEST + 1;
    if kind.is_dir() {
        return Err(io::Error::from_raw_os_error(libc::EISDIR));
    } else if kind.is_file() {
        return ForeignFile::try_from(file)?.read(LARGEST);
    } else if kind.is_fifo() && is_anonymous(&file)? {
        block(&file)?;
    } else {
        return refuse(match kind {
            kind if kind.is_fifo() => "a named pipe",
            kind if kind.is_socket() => "a socket",
            _ => "a device",
        });
    }
    let mut bytes = Vec::new();
    // A pipe has no size.
    room -= (&file).take(room).read_to_end(&mut bytes)? as u64;
    match room {
        0 => Err(too_large()),
        _ => Ok(bytes),
    }
}

fn too_large() -> io::Error {
    io::Error::other("it has more than 1 GiB")
}

/// Whether a pipe has no name in a file system, so that somebody has its other end, or had.
fn is_anonymous(pipe: &File) -> io::Result<bool> {
    const PIPEFS_MAGIC: u64 = 0x5049_5045;
    // SAFETY: all-zero is a valid statfs.
    let mut about: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: the descriptor is open, and the call writes one statfs.
    match unsafe { libc::fstatfs(pipe.as_raw_fd(), &raw mut about) } {
        0 => Ok(about.f_type as u64 == PIPEFS_MAGIC),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Lets reading wait. (Opened by name, a pipe has a file description of its own.)
fn block(file: &File) -> io::Result<()> {
    // SAFETY: plain integers.
    match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFL, 0) } {
        ..0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Writes a file so that its path names either what was there before or all of `data`, even when
/// the disk is full or the process is killed.
///
/// The data goes to a temporary file in the same directory, `.hachi-PROCESS-NUMBER`, which is
/// written to the disk and then renamed. Such files of processes that were killed are removed. A
/// file that was there keeps its permissions; a symbolic link stays, and what it leads to is
/// replaced. What is not a regular file, such as `/dev/stdout` or a pipe, is written to as it is.
///
/// # Errors
/// What the system says. Nothing has changed then, and no temporary file is left.
pub fn write_file(path: &Path, data: &[u8]) -> io::Result<()> {
    write_with(path, data, None)
}

/// Writes a program as [`write_file`] writes a file: its owner may run it and change it, everyone
/// else may run it.
///
/// # Errors
/// As [`write_file`].
pub fn write_program(path: &Path, data: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    write_with(path, data, Some(Permissions::from_mode(0o755)))
}

fn write_with(path: &Path, data: &[u8], permissions: Option<Permissions>) -> io::Result<()> {
    let mut file = NewFile::create(path)?;
    file.permissions = permissions.or(file.permissions);
    file.write_all(data)?;
    file.finish()
}

/// A file that is written piece by piece, and takes its place when it is whole: as [`write_file`],
/// for what need not be in memory at once. Dropped unfinished, it leaves what was there.
#[derive(Debug)]
pub struct NewFile {
    place: Place,
    permissions: Option<Permissions>,
}

/// Where a [`NewFile`] goes.
#[derive(Debug)]
enum Place {
    /// Beside the path, and then over it.
    Beside(Temporary, PathBuf),
    /// What is there is no regular file.
    Into(File),
}

impl NewFile {
    /// Begins the file that `path` is to name.
    ///
    /// # Errors
    /// What the system says. Nothing has changed then.
    pub fn create(path: &Path) -> io::Result<NewFile> {
        let (path, permissions) = match fs::metadata(path) {
            Ok(old) if !old.is_file() => {
                return Ok(NewFile {
                    place: Place::Into(File::create(path)?),
                    permissions: None,
                });
            }
            Ok(old) => (fs::canonicalize(path)?, Some(old.permissions())),
            // A link that leads nowhere yet is one too.
            Err(error) if error.kind() == io::ErrorKind::NotFound => (end_of_links(path)?, None),
            Err(error) => return Err(error),
        };
        Ok(NewFile {
            place: Place::Beside(Temporary::create(&path)?, path),
            permissions,
        })
    }

    /// Puts the file in its place.
    ///
    /// # Errors
    /// What the system says. What was there is still there then, and no temporary file is left.
    pub fn finish(self) -> io::Result<()> {
        let Place::Beside(temporary, path) = self.place else {
            return Ok(());
        };
        if let Some(permissions) = self.permissions {
            temporary.file.set_permissions(permissions)?;
        }
        // Else a crash of the machine could leave the name with nothing behind it.
        temporary.file.sync_all()?;
        temporary.rename(&path)
    }
}

impl Write for NewFile {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match &mut self.place {
            Place::Beside(temporary, _) => temporary.file.write(data),
            Place::Into(file) => file.write(data),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.place {
            Place::Beside(temporary, _) => temporary.file.flush(),
            Place::Into(file) => file.flush(),
        }
    }
}

/// What a path leads to through symbolic links, the last of which leads nowhere.
fn end_of_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    // As many as the kernel follows.
    for _ in 0..40 {
        let Ok(target) = fs::read_link(&path) else {
            return Ok(path);
        };
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    Err(io::Error::from_raw_os_error(libc::ELOOP))
}

/// A file under a name that nobody else has; removed on drop. It is locked for as long as its
/// process lives.
#[derive(Debug)]
struct Temporary {
    file: File,
    path: PathBuf,
}

impl Temporary {
    /// Beside `path`. The name is short, since that of `path` may be as long as names can be.
    fn create(path: &Path) -> io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!("{TEMPORARY}{}-{number}", std::process::id());
            let path = path.with_file_name(name);
            let file = match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            };
            let temporary = Temporary { file, path };
            // Where files cannot be locked, nobody takes this one for abandoned.
            let is_ours = !matches!(temporary.file.try_lock(), Err(TryLockError::WouldBlock));
            let about = temporary.file.metadata()?;
            // Somebody may have looked at it before it was locked.
            if is_ours && about.nlink() > 0 {
                remove_abandoned(&temporary.path, about.uid());
                return Ok(temporary);
            }
        }
    }

    fn rename(mut self, to: &Path) -> io::Result<()> {
        fs::rename(&self.path, to)?;
        // The name is another file's now.
        self.path = PathBuf::new();
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// How the names of temporary files begin; two numbers follow.
const TEMPORARY: &str = ".hachi-";

/// Removes the temporary files that killed processes of this user have left beside `path`. What
/// cannot be removed is left: it is in nobody's way.
fn remove_abandoned(path: &Path, user: u32) {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_temporary = name
            .to_str()
            .and_then(|name| name.strip_prefix(TEMPORARY)?.split_once('-'))
            .is_some_and(|(process, number)| {
                process.parse::<u32>().is_ok() && number.parse::<u32>().is_ok()
            });
        if !is_temporary || path.file_name() == Some(&name) {
            continue;
        }
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW)
            .open(entry.path());
        let Ok(file) = file else { continue };
        let is_users = file
            .metadata()
            .is_ok_and(|about| about.is_file() && about.uid() == user);
        // Its process holds the lock until it ends.
        if is_users && file.try_lock().is_ok() {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    /// A directory of the test's own.
    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Self {
            let path =
                std::env::temp_dir().join(format!("hachi-file-{}-{name}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Dir(path)
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.0).unwrap();
            let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let mut names: Vec<_> = names.collect();
            names.sort();
            names
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn replaces_a_file_and_keeps_its_permissions() {
        let dir = Dir::new("replaces");
        let path = dir.0.join("a".repeat(255));
        write_file(&path, b"one").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        write_file(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        write_program(&path, b"three").unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
        assert_eq!(dir.names().len(), 1);
    }

    #[test]
    fn follows_links() {
        let dir = Dir::new("links");
        let (link, file) = (dir.0.join("link"), dir.0.join("file"));
        symlink("file", &link).unwrap();
        for text in ["new", "changed"] {
            write_file(&link, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        }
        assert_eq!(dir.names(), ["file", "link"]);
        symlink("circle", dir.0.join("circle")).unwrap();
        assert!(write_file(&dir.0.join("circle"), b"").is_err());
    }

    #[test]
    fn writes_to_devices_as_they_are() {
        write_file(Path::new("/dev/null"), b"nothing").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        let error = write_file(Path::new("/dev/full"), b"anything").unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
    }

    #[test]
    fn leaves_nothing_where_it_cannot_write() {
        let dir = Dir::new("nothing");
        let error = write_file(&dir.0.join("missing/file"), b"").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        fs::create_dir(dir.0.join("directory")).unwrap();
        write_file(&dir.0.join("directory"), b"").unwrap_err();
        assert_eq!(dir.names(), ["directory"]);
    }

    #[test]
    fn removes_only_what_a_killed_process_left() {
        let dir = Dir::new("abandoned");
        let path = |name: &str| dir.0.join(name);
        for name in [
            ".hachi-1-0",
            ".hachi-4000000000-7",
            ".hachi-1-0-x",
            ".hachi-x-0",
        ] {
            fs::write(path(name), "half").unwrap();
        }
        // One that is being written.
        let other = Temporary::create(&path("other")).unwrap();
        let written = other.path.file_name().unwrap().to_str().unwrap().to_owned();
        for name in [".hachi-1-0", ".hachi-4000000000-7"] {
            fs::write(path(name), "half").unwrap();
        }
        symlink("/dev/zero", path(".hachi-2-0")).unwrap();
        write_file(&path("file"), b"all").unwrap();
        let mut left = [".hachi-1-0-x", ".hachi-2-0", ".hachi-x-0", "file", &written];
        left.sort();
        assert_eq!(dir.names(), left);
    }

    #[test]
    fn reads_regular_files_and_open_pipes_only() {
        let dir = Dir::new("reads");
        let path = |name: &str| dir.0.join(name);
        fs::write(path("file"), "text").unwrap();
        symlink("file", path("link")).unwrap();
        for name in ["file", "link"] {
            assert_eq!(read_file(&path(name)).unwrap(), b"text");
        }
        // A file of /proc, which has no size.
        assert!(
            !read_file(Path::new("/proc/self/status"))
                .unwrap()
                .is_empty()
        );

        let (reader, mut writer) = io::pipe().unwrap();
        let pipe = PathBuf::from(format!("/dev/fd/{}", reader.as_raw_fd()));
        let reading = std::thread::spawn(move || read_file(&pipe));
        std::thread::sleep(std::time::Duration::from_millis(20));
        writer.write_all(b"by a pipe").unwrap();
        drop(writer);
        assert_eq!(reading.join().unwrap().unwrap(), b"by a pipe");

        let fifo = std::ffi::CString::new(path("fifo").to_str().unwrap()).unwrap();
        // SAFETY: a string that lives through the call.
        assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }, 0);
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
        File::create(path("huge"))
            .unwrap()
            .set_len(1 << 40)
            .unwrap();
        for (path, words) in [
            (path("fifo"), "a named pipe"),
            (path("socket"), "a socket"),
            (path("huge"), "more than 1 GiB"),
            ("/dev/zero".into(), "a device"),
            ("/dev/null".into(), "a device"),
        ] {
            let error = read_file(&path).unwrap_err().to_string();
            assert!(error.contains(words), "{}: {error}", path.display());
        }
        let error = read_file(&dir.0).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
    }
}
