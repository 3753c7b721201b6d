//! Files that appear whole or not at all.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

/// Writes a file so that its path names either what was there before or all of `data`, even when the
/// disk is full or the process is killed.
///
/// The data goes to a temporary file in the same directory, which is then renamed. A file that was
/// there keeps its permissions; a symbolic link stays, and what it leads to is replaced. What is not a
/// regular file, such as `/dev/stdout` or a pipe, is written to as it is.
///
/// # Errors
/// What the system says. Nothing has changed then, and no temporary file is left.
pub fn write_file(path: &Path, data: &[u8]) -> io::Result<()> {
    write_with(path, data, None)
}

/// Writes a program as [`write_file`] writes a file: its owner may run it and change it, everyone else
/// may run it.
///
/// # Errors
/// As [`write_file`].
pub fn write_program(path: &Path, data: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    write_with(path, data, Some(Permissions::from_mode(0o755)))
}

fn write_with(path: &Path, data: &[u8], permissions: Option<Permissions>) -> io::Result<()> {
    let (path, old) = match fs::metadata(path) {
        Ok(old) if !old.is_file() => return fs::write(path, data),
        Ok(old) => (fs::canonicalize(path)?, Some(old.permissions())),
        // A link that leads nowhere yet is one too.
        Err(error) if error.kind() == io::ErrorKind::NotFound => (end_of_links(path)?, None),
        Err(error) => return Err(error),
    };
    let temporary = Temporary::create(&path)?;
    let mut file = &temporary.file;
    file.write_all(data)?;
    if let Some(permissions) = permissions.or(old) {
        file.set_permissions(permissions)?;
    }
    temporary.rename(&path)
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

/// A file under a name that nobody else has; removed on drop.
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
            let name = format!(".hachi-{}-{number}", std::process::id());
            let path = path.with_file_name(name);
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok(Temporary { file, path }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
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
}
