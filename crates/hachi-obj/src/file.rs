//! Reading files that belong to others.
//!
//! Who may write a file may make it a pipe that nobody writes to, let it grow without end, or
//! shorten it while it is read, which kills a process that has mapped it. [`read()`] and
//! [`ForeignFile`] take regular files only, do not wait for anyone, stop at a size, and answer
//! everything else with an error.

use std::{
    fs::{File, FileType, Metadata, OpenOptions},
    io,
    os::unix::fs::{FileExt as _, FileTypeExt as _, OpenOptionsExt as _},
    path::Path,
};

/// What no object, type information or other file read whole exceeds, in bytes: 1 GiB.
pub const LARGEST: u64 = 1 << 30;

/// A regular file that someone else may write.
#[derive(Debug)]
pub struct ForeignFile {
    file: File,
    metadata: Metadata,
}

impl ForeignFile {
    /// Opens a file to read it, without waiting for anyone.
    ///
    /// # Errors
    /// What open(2) refuses, and [`io::ErrorKind::InvalidInput`] for anything but a regular file.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC)
            .open(path)?;
        Self::try_from(file)
    }

    /// What the system said of it when it was opened.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Bytes of the file when it was opened. Files of procfs say 0, whatever they hold.
    pub fn size(&self) -> u64 {
        self.metadata.len()
    }

    /// Fills `bytes` with those of the file at `offset`.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] if the file has fewer by now, and what pread(2) refuses.
    pub fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.file
            .read_exact_at(bytes, offset)
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => shortened(),
                _ => error,
            })
    }

    /// The whole file.
    ///
    /// # Errors
    /// [`io::ErrorKind::FileTooLarge`] if it has more than `largest` bytes,
    /// [`io::ErrorKind::UnexpectedEof`] if it was shortened meanwhile, and what pread(2) refuses.
    pub fn read(&self, largest: u64) -> io::Result<Vec<u8>> {
        /// Files whose size is not said are read in steps of this.
        const STEP: usize = 64 * 1024;
        let too_large = || {
            let text = match largest {
                largest if largest % (1 << 30) == 0 => format!("{} GiB", largest >> 30),
                largest if largest % (1 << 20) == 0 => format!("{} MiB", largest >> 20),
                largest => format!("{largest} bytes"),
            };
            let text = format!("it has more than {text}");
            io::Error::new(io::ErrorKind::FileTooLarge, text)
        };
        if self.size() > largest {
            return Err(too_large());
        }
        // One byte more than it has, so that its end shows at once.
        let expected = usize::try_from(self.size()).map_err(|_| too_large())?;
        let mut bytes = vec![0; expected.saturating_add(1).max(STEP.min(expected + STEP))];
        let mut length = 0;
        loop {
            match self.file.read_at(&mut bytes[length..], length as u64) {
                Ok(0) => break,
                Ok(count) => length += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if length as u64 > largest {
                return Err(too_large());
            }
            if length == bytes.len() {
                bytes.resize(length + length.max(STEP), 0);
            }
        }
        // Attributes of sysfs say that they have a page, and have less.
        if length < expected && self.file.metadata()?.len() != self.size() {
            return Err(shortened());
        }
        bytes.truncate(length);
        bytes.shrink_to_fit();
        Ok(bytes)
    }
}

/// A file that is open already, without waiting.
impl TryFrom<File> for ForeignFile {
    type Error = io::Error;

    fn try_from(file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let kind = metadata.file_type();
        if kind.is_file() {
            return Ok(ForeignFile { file, metadata });
        }
        let text = format!("it is {}, not a regular file", name(kind));
        Err(io::Error::new(io::ErrorKind::InvalidInput, text))
    }
}

/// A whole file of at most `largest` bytes.
///
/// # Errors
/// As [`ForeignFile::open`] and [`ForeignFile::read`].
pub fn read(path: impl AsRef<Path>, largest: u64) -> io::Result<Vec<u8>> {
    ForeignFile::open(path)?.read(largest)
}

/// As [`read()`], for text.
///
/// # Errors
/// As [`read()`], and [`io::ErrorKind::InvalidData`] for what is not UTF-8.
pub fn read_text(path: impl AsRef<Path>, largest: u64) -> io::Result<String> {
    let bytes = read(path, largest)?;
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn shortened() -> io::Error {
    let text = "it ends before what it says: it is damaged, or was shortened while it was read";
    io::Error::new(io::ErrorKind::UnexpectedEof, text)
}

fn name(kind: FileType) -> &'static str {
    match kind {
        kind if kind.is_dir() => "a directory",
        kind if kind.is_fifo() => "a pipe",
        kind if kind.is_socket() => "a socket",
        kind if kind.is_char_device() || kind.is_block_device() => "a device",
        _ => "something else",
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::ffi::OsStrExt as _, path::PathBuf};

    use super::*;

    /// A path of the test's own, removed at the end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let name = format!("hachi-foreign-{}-{name}", std::process::id());
            Scratch(std::env::temp_dir().join(name))
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    #[test]
    fn a_pipe_that_nobody_writes_is_an_error_at_once() {
        let path = Scratch::new("pipe");
        let c_path = std::ffi::CString::new(path.0.as_os_str().as_bytes()).unwrap();
        // SAFETY: the path is NUL-terminated and outlives the call.
        assert_eq!(unsafe { libc::mkfifo(c_path.as_ptr(), 0o600) }, 0);
        let error = read(&path.0, LARGEST).unwrap_err();
        assert!(error.to_string().contains("a pipe"), "{error}");
        for (path, what) in [("/dev/zero", "a device"), ("/", "a directory")] {
            let error = read(path, LARGEST).unwrap_err();
            assert!(error.to_string().contains(what), "{error}");
        }
    }

    #[test]
    fn a_file_that_shrinks_is_an_error() {
        let path = Scratch::new("shrinks");
        fs::write(&path.0, [7; 10_000]).unwrap();
        let file = ForeignFile::open(&path.0).unwrap();
        assert_eq!(file.read(10_000).unwrap(), [7; 10_000]);
        fs::File::options()
            .write(true)
            .open(&path.0)
            .unwrap()
            .set_len(100)
            .unwrap();
        for error in [
            file.read(10_000).unwrap_err(),
            file.read_at(50, &mut [0; 100]).unwrap_err(),
        ] {
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{error}");
        }
        file.read_at(50, &mut [0; 50]).unwrap();
    }

    #[test]
    fn sizes_are_bounded() {
        let path = Scratch::new("large");
        let file = fs::File::create(&path.0).unwrap();
        file.set_len(1 << 40).unwrap();
        let error = read(&path.0, LARGEST).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge, "{error}");
        // procfs does not say how much there is.
        let error = read("/proc/self/status", 10).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge, "{error}");
        assert!(
            read_text("/proc/self/status", LARGEST)
                .unwrap()
                .contains("VmSize")
        );
        assert_eq!(
            read("/sys/kernel/uevent_seqnum", 4096).unwrap().last(),
            Some(&b'\n')
        );
    }
}
