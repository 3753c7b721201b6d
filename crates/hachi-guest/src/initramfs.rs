//! The initial file system of a guest: a cpio archive (format `newc`, see the kernel's
//! `Documentation/driver-api/early-userspace/buffer-format.rst`), collected before it is written.

use crate::error::{Error, IoContext, Result};
use hachi_build::{Arch, Cross};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The type of a directory in a mode: `S_IFDIR` of inode(7).
const DIRECTORY: u32 = 0o040_000;

/// The type of a regular file: `S_IFREG`.
const FILE: u32 = 0o100_000;

/// What will be there, by absolute path; sorted, so that directories come before what is in them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Initramfs {
    entries: BTreeMap<PathBuf, Entry>,
}

#[derive(Clone, Debug, PartialEq)]
enum Entry {
    Directory,
    /// A file of the host, read when the archive is written.
    File {
        from: PathBuf,
        mode: u32,
    },
    Bytes {
        bytes: Vec<u8>,
        mode: u32,
    },
}

impl Initramfs {
    pub(crate) fn directory(&mut self, path: impl AsRef<Path>) {
        for ancestor in path.as_ref().ancestors() {
            if ancestor.parent().is_some() {
                self.entries
                    .entry(ancestor.into())
                    .or_insert(Entry::Directory);
            }
        }
    }

    fn insert(&mut self, path: &Path, entry: Entry) {
        self.directory(path.parent().unwrap_or(path));
        self.entries.insert(path.into(), entry);
    }

    pub(crate) fn bytes(&mut self, path: impl AsRef<Path>, bytes: Vec<u8>, mode: u32) {
        self.insert(path.as_ref(), Entry::Bytes { bytes, mode });
    }

    /// The host's file `from` as `path`.
    pub(crate) fn file(&mut self, path: impl AsRef<Path>, from: &Path) -> Result<()> {
        let mode = fs::metadata(from)
            .during("read", from)?
            .permissions()
            .mode();
        let from = from.into();
        self.insert(path.as_ref(), Entry::File { from, mode });
        Ok(())
    }

    /// A file, or a directory with those of its entries that are `wanted`, at the path it has on
    /// the host. Follows symbolic links.
    pub(crate) fn tree(&mut self, path: &Path, wanted: &dyn Fn(&Path) -> bool) -> Result<()> {
        if !path.is_dir() {
            return self.file(path, path);
        }
        self.directory(path);
        for entry in fs::read_dir(path).during("read", path)? {
            let entry = entry.during("read", path)?.path();
            // Sockets and dangling links have no contents to carry.
            if (entry.is_file() || entry.is_dir()) && wanted(&entry) {
                self.tree(&entry, wanted)?;
            }
        }
        Ok(())
    }

    /// The libraries, each a path in the guest and where it is on the host, unless they are there.
    pub(crate) fn libraries(&mut self, libraries: Vec<(PathBuf, PathBuf)>) -> Result<()> {
        for (path, from) in libraries {
            if !self.entries.contains_key(&path) {
                self.file(&path, &from)?;
            }
        }
        Ok(())
    }

    /// What is here and not in the other, or not the same there.
    pub(crate) fn without(&self, other: &Initramfs) -> Initramfs {
        let missing = self.entries.iter();
        let missing = missing.filter(|(path, entry)| other.entries.get(*path) != Some(entry));
        Initramfs {
            entries: missing
                .map(|(path, entry)| (path.clone(), entry.clone()))
                .collect(),
        }
    }

    /// How many bytes its files have.
    pub(crate) fn size(&self) -> u64 {
        let sizes = self.entries.values().map(|entry| match entry {
            Entry::Directory => 0,
            Entry::File { from, .. } => fs::metadata(from).map_or(0, |data| data.len()),
            Entry::Bytes { bytes, .. } => bytes.len() as u64,
        });
        sizes.sum()
    }

    /// Writes the archive into a file.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let file = fs::File::create(path).during("create", path)?;
        self.write_to(file).during("write", path)
    }

    /// Writes the archive.
    pub(crate) fn write_to(&self, out: impl Write) -> io::Result<()> {
        let mut out = Archive {
            out: BufWriter::with_capacity(1 << 20, out),
            number: 0,
            at: 0,
        };
        for (path, entry) in &self.entries {
            let name = path.strip_prefix("/").unwrap_or(path);
            let name = name.as_os_str().as_encoded_bytes();
            match entry {
                Entry::Directory => out.entry(name, DIRECTORY | 0o755, b"")?,
                Entry::File { from, mode } => out.entry(name, *mode, &fs::read(from)?)?,
                Entry::Bytes { bytes, mode } => {
                    out.entry(name, FILE | mode, bytes)?;
                }
            }
        }
        out.entry(TRAILER, 0, b"")?;
        out.out.flush()
    }
}

/// Unpacks an archive of [`Initramfs::write_to`] below a directory, as the kernel does when it
/// boots. What is there already is replaced.
pub(crate) fn unpack(mut archive: impl Read, root: &Path) -> io::Result<()> {
    let malformed = || io::Error::from(io::ErrorKind::InvalidData);
    loop {
        let mut header = [0; HEADER];
        archive.read_exact(&mut header)?;
        let field = |number: usize| {
            let digits = std::str::from_utf8(&header[6 + 8 * number..][..8]).ok()?;
            u32::from_str_radix(digits, 16).ok()
        };
        let (Some(mode), Some(size), Some(length)) = (field(1), field(6), field(11)) else {
            return Err(malformed());
        };
        let mut padded = |from: usize, length: u32| -> io::Result<Vec<u8>> {
            let length = length as usize;
            let missing = (from + length).next_multiple_of(4) - from - length;
            let mut bytes = vec![0; length + missing];
            archive.read_exact(&mut bytes)?;
            bytes.truncate(length);
            Ok(bytes)
        };
        let name = padded(HEADER, length)?;
        let contents = padded(0, size)?;
        let name = name.strip_suffix(b"\0").ok_or_else(malformed)?;
        if name == TRAILER {
            return Ok(());
        }
        let path = root.join(OsStr::from_bytes(name));
        if mode & DIRECTORY == DIRECTORY {
            fs::create_dir_all(&path)?;
            continue;
        }
        // A program that runs cannot be written to.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::write(&path, contents)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode & 0o7777))?;
    }
}

/// The name of the last entry.
const TRAILER: &[u8] = b"TRAILER!!!";

/// The bytes of an entry before its name.
const HEADER: usize = 110;

struct Archive<W> {
    out: W,
    /// The number of the entry, used as its inode number: equal ones would be hard links.
    number: u32,
    /// How many bytes were written.
    at: usize,
}

impl<W: Write> Archive<W> {
    fn entry(&mut self, name: &[u8], mode: u32, contents: &[u8]) -> io::Result<()> {
        self.number += 1;
        let size = u32::try_from(contents.len()).map_err(io::Error::other)?;
        let fields = [
            self.number,
            mode,
            0, // user
            0, // group
            1, // links
            0, // time
            size,
            0, // the device it is on, in two numbers
            0,
            0, // the device it is, in two numbers
            0,
            name.len() as u32 + 1,
            0, // checksum: none in this format
        ];
        let mut header = b"070701".to_vec();
        for field in fields {
            write!(header, "{field:08x}")?;
        }
        header.extend(name);
        header.push(0);
        self.padded(&header)?;
        self.padded(contents)
    }

    /// The bytes, then zeroes up to a multiple of four.
    fn padded(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.at += bytes.len();
        let missing = self.at.next_multiple_of(4) - self.at;
        self.at += missing;
        self.out.write_all(&[0; 3][..missing])
    }
}

/// The shared libraries that a program of this machine needs, and its dynamic linker, as `ldd`
/// finds them.
pub(crate) fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd")
        .arg(program)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .during("run `ldd` on", program)?;
    let text = String::from_utf8_lossy(&output.stdout);
    if let Some(line) = text.lines().find(|line| line.contains("not found")) {
        let library = line.split("=>").next().unwrap_or(line).trim();
        return Err(Error::Library {
            program: program.into(),
            library: library.to_owned(),
        });
    }
    // `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)` or `/lib64/ld-linux-x86-64.so.2 (0x…)`;
    // a static program has no such line.
    let path = |line: &str| {
        let line = line.split_once("=> ").map_or(line, |(_, path)| path).trim();
        let path = line.split(" (").next()?;
        path.starts_with('/').then(|| path.into())
    };
    Ok(text.lines().filter_map(path).collect())
}

/// A copy of `program`, which is for `arch`, in `directory` without debugging information, which a
/// guest does not use. Symbols stay. Where there is no `strip` for it, the program itself.
pub(crate) fn stripped<'a>(program: &'a Path, arch: Arch, directory: &Path) -> Cow<'a, Path> {
    let Some(strip) = Cross::tool(arch, "strip") else {
        return Cow::Borrowed(program);
    };
    let name = program.as_os_str().as_encoded_bytes();
    let copy = directory.join(String::from_utf8_lossy(name).replace('/', "%"));
    let stripped = Command::new(strip)
        .args(["--strip-debug", "-o"])
        .arg(&copy)
        .arg(program)
        .stdin(Stdio::null())
        .output();
    match stripped {
        Ok(output) if output.status.success() => Cow::Owned(copy),
        _ => Cow::Borrowed(program),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    // Read back here since the kernel is strict about the format and not every machine has `cpio`.
    #[test]
    fn writes_the_newc_format() {
        let directory = TempDir::new().unwrap();
        let mut files = Initramfs::default();
        files.bytes("/b/c", b"hello".to_vec(), 0o644);
        files.directory("/a");
        files.write(&directory.path().join("cpio")).unwrap();
        let archive = fs::read(directory.path().join("cpio")).unwrap();
        let mut rest = archive.as_slice();
        let mut found = Vec::new();
        while !rest.is_empty() {
            assert_eq!(&rest[..6], b"070701");
            let field = |number: usize| {
                let text = std::str::from_utf8(&rest[6 + 8 * number..][..8]).unwrap();
                usize::from_str_radix(text, 16).unwrap()
            };
            let (mode, size, name_size) = (field(1), field(6), field(11));
            let name = String::from_utf8(rest[110..110 + name_size - 1].to_vec()).unwrap();
            assert_eq!(rest[110 + name_size - 1], 0);
            let start = (110 + name_size).next_multiple_of(4);
            found.push((name, mode, rest[start..start + size].to_vec()));
            rest = &rest[(start + size).next_multiple_of(4)..];
        }
        let directory = |name: &str| (name.to_owned(), 0o40755, Vec::new());
        let file = ("b/c".to_owned(), 0o100_644, b"hello".to_vec());
        let end = ("TRAILER!!!".to_owned(), 0, Vec::new());
        assert_eq!(found, [directory("a"), directory("b"), file, end]);
    }

    #[test]
    fn is_unpacked_as_it_was_packed() {
        let directory = TempDir::new().unwrap();
        let program = directory.path().join("program");
        fs::write(&program, b"an old one").unwrap();
        let mut base = Initramfs::default();
        base.bytes("/known", b"known".to_vec(), 0o644);
        let mut files = base.clone();
        files.bytes("/deep/below/text", b"hello".to_vec(), 0o600);
        files.bytes("/program", b"a new one".to_vec(), 0o755);
        files.directory("/empty");
        let more = files.without(&base);
        assert_eq!(more.size(), 14);
        let mut archive = Vec::new();
        more.write_to(&mut archive).unwrap();
        unpack(archive.as_slice(), directory.path()).unwrap();

        let at = |path: &str| directory.path().join(path);
        assert_eq!(fs::read(at("deep/below/text")).unwrap(), b"hello");
        assert_eq!(fs::read(&program).unwrap(), b"a new one");
        let mode = fs::metadata(&program).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o755);
        assert!(at("empty").is_dir());
        assert!(!at("known").exists());
        for end in [0, 50, archive.len() - 1] {
            assert!(unpack(&archive[..end], directory.path()).is_err(), "{end}");
        }
    }

    #[test]
    fn finds_the_libraries_of_a_program() {
        let libraries = libraries(&std::env::current_exe().unwrap()).unwrap();
        assert!(libraries.iter().all(|path| path.is_file()));
        // None when the tests are linked statically.
        if let [first, ..] = libraries.as_slice() {
            assert!(first.is_absolute());
        }
    }
}
