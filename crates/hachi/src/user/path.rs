//! Which file is meant.

use std::{
    fs::{self, File},
    io,
    os::{fd::AsRawFd as _, unix::fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use hachi_obj::file::read_text;

use super::{
    error::{PlaceError, Result},
    ld_cache,
};
use crate::{
    near,
    sys::fs::open_in_root,
    target::{BinaryProblem, Hint, NoSuchTarget, TargetKind},
};

/// Directories that are searched for libraries where the dynamic linker's cache does not help.
const LIBRARIES: &[&str] = &[
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
    "/usr/local/lib",
    // Debian and its kin.
    #[cfg(target_arch = "x86_64")]
    "/lib/x86_64-linux-gnu",
    #[cfg(target_arch = "x86_64")]
    "/usr/lib/x86_64-linux-gnu",
    #[cfg(target_arch = "aarch64")]
    "/lib/aarch64-linux-gnu",
    #[cfg(target_arch = "aarch64")]
    "/usr/lib/aarch64-linux-gnu",
    #[cfg(target_arch = "riscv64")]
    "/lib/riscv64-linux-gnu",
    #[cfg(target_arch = "riscv64")]
    "/usr/lib/riscv64-linux-gnu",
    #[cfg(target_arch = "s390x")]
    "/lib/s390x-linux-gnu",
    #[cfg(target_arch = "s390x")]
    "/usr/lib/s390x-linux-gnu",
];

/// The most that a process's list of mappings is read of: a process may have 65,530 of them.
const LARGEST_MAPS: u64 = 256 << 20;

/// The file that `target` names: a path, or, without a slash, the name of a library (whole or in
/// part: `libc.so.6`, `libc`) or of a program in `PATH`.
///
/// With a process, a name is that of a file which it has mapped, else of one that it could load,
/// and an absolute path is looked up in its root (those in `/proc`, in ours): it may live in a
/// container, where the same path is another file.
pub(crate) fn resolve(target: &Path, pid: Option<u32>) -> Result<PathBuf> {
    let name = target.to_str().filter(|name| !name.contains('/'));
    match (name, pid) {
        (Some(name), Some(pid)) => of_process(name, pid),
        (Some(name), None) => ld_cache::find(Path::new("/"), name)?
            .map_or_else(
                || in_directories(Path::new("/"), name),
                |path| Ok(Some(path)),
            )?
            .or_else(|| in_path(Path::new("/"), name))
            .ok_or_else(|| no_binary(name, &[])),
        (None, Some(pid)) if target.is_absolute() && !target.starts_with("/proc") => {
            in_root_of(pid, target)
        }
        (None, _) => Ok(target.to_owned()),
    }
}

fn no_binary(name: &str, loaded: &[Mapping]) -> PlaceError {
    let names = loaded
        .iter()
        .filter_map(|mapping| mapping.path.file_name()?.to_str());
    let hint = match near::similar(name, names) {
        names if names.is_empty() => Hint::NamedByPath,
        names => Hint::Similar(names),
    };
    NoSuchTarget::new(TargetKind::Binary, name)
        .hint(hint)
        .into()
}

/// The file of this name that a process has mapped, or would load.
fn of_process(name: &str, pid: u32) -> Result<PathBuf> {
    let loaded = mappings_of(pid)?;
    if let Some(mapping) = loaded
        .iter()
        .find(|mapping| is_library(&mapping.path, name))
    {
        return mapped_file(pid, mapping);
    }
    let root = PathBuf::from(format!("/proc/{pid}/root"));
    let inside = ld_cache::find(&root, name)?
        .map_or_else(|| in_directories(&root, name), |path| Ok(Some(path)))?
        .or_else(|| in_path(&root, name));
    match inside {
        Some(path) => in_root_of(pid, &path),
        None => Err(no_binary(name, &loaded)),
    }
}

/// Device and inode: what makes two paths one file.
type Identity = (u64, u64);

fn identity(path: &Path) -> Option<Identity> {
    fs::metadata(path)
        .map(|about| (about.dev(), about.ino()))
        .ok()
}

/// A file that a process has mapped to be executed.
struct Mapping {
    start: u64,
    end: u64,
    offset: u64,
    inode: u64,
    path: PathBuf,
}

impl Mapping {
    /// A link to the very file, wherever its name leads now. It needs CAP_SYS_ADMIN (since Linux
    /// 5.9 CAP_CHECKPOINT_RESTORE).
    fn link(&self, pid: u32) -> PathBuf {
        format!("/proc/{pid}/map_files/{:x}-{:x}", self.start, self.end).into()
    }

    /// Whether a file is the one that is mapped.
    fn is(&self, pid: u32, file: Identity) -> bool {
        match identity(&self.link(pid)) {
            Some(mapped) => mapped == file,
            // Some file systems give devices in `maps` that nothing else has.
            None => self.inode == file.1,
        }
    }
}

fn mappings_of(pid: u32) -> Result<Vec<Mapping>> {
    let file = format!("/proc/{pid}/maps");
    let maps = read_text(&file, LARGEST_MAPS).map_err(|error| match error.raw_os_error() {
        Some(libc::ENOENT | libc::ESRCH) => no_process(pid),
        _ => PlaceError::io(file, error),
    })?;
    Ok(maps.lines().filter_map(mapping).collect())
}

fn no_process(pid: u32) -> PlaceError {
    NoSuchTarget::new(TargetKind::Process, pid.to_string()).into()
}

/// `55d0-55d1 r-xp 00002000 fe:00 1234 /usr/bin/true`
fn mapping(line: &str) -> Option<Mapping> {
    let mut rest = line;
    let mut fields = [""; 5];
    for field in &mut fields {
        let (word, tail) = rest.split_once(' ')?;
        *field = word;
        rest = tail.trim_start();
    }
    let hex = |text| u64::from_str_radix(text, 16).ok();
    let (start, end) = fields[0].split_once('-')?;
    let path = Path::new(rest.strip_suffix(" (deleted)").unwrap_or(rest));
    (fields[1].contains('x') && path.is_absolute()).then_some(Mapping {
        start: hex(start)?,
        end: hex(end)?,
        offset: hex(fields[2])?,
        inode: fields[4].parse().ok()?,
        path: path.to_owned(),
    })
}

/// A path that leads to the file that a process has mapped, not to one that has its name.
fn mapped_file(pid: u32, mapping: &Mapping) -> Result<PathBuf> {
    let is_it = |path: &PathBuf| identity(path).is_some_and(|file| mapping.is(pid, file));
    let inside = PathBuf::from(format!("/proc/{pid}/root{}", mapping.path.display()));
    let link = mapping.link(pid);
    [mapping.path.clone(), inside, link]
        .into_iter()
        .find(is_it)
        .ok_or_else(|| PlaceError::unusable(&mapping.path, BinaryProblem::Replaced { pid }))
}

/// What an absolute path means to a process, as a path of ours.
fn in_root_of(pid: u32, path: &Path) -> Result<PathBuf> {
    let root = format!("/proc/{pid}/root");
    let directory = File::open(&root).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => no_process(pid),
        _ => PlaceError::io(&root, error),
    })?;
    let inside = PathBuf::from(format!("{root}{}", path.display()));
    let absent = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => NoSuchTarget::new(TargetKind::Binary, path.to_string_lossy())
            .hint(Hint::InRootOf { pid })
            .into(),
        _ => PlaceError::io(&inside, error),
    };
    // Links in a path of the process that begin with a slash lead on from its root, not ours.
    let (wanted, real) = match open_in_root(&directory, path) {
        Ok(file) => {
            let about = file.metadata().map_err(absent)?;
            let link = format!("/proc/self/fd/{}", file.as_raw_fd());
            ((about.dev(), about.ino()), fs::read_link(link).ok())
        }
        // Linux < 5.6.
        Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => {
            let about = fs::metadata(&inside).map_err(absent)?;
            ((about.dev(), about.ino()), None)
        }
        Err(error) => return Err(absent(error)),
    };
    let real_inside = real
        .as_ref()
        .map(|real| PathBuf::from(format!("{root}{}", real.display())));
    [
        Some(path.to_owned()),
        real,
        real_inside,
        Some(inside.clone()),
    ]
    .into_iter()
    .flatten()
    .find(|path| identity(path) == Some(wanted))
    .ok_or_else(|| PlaceError::unusable(&inside, BinaryProblem::Replaced { pid }))
}

/// The address at which a process has mapped `offset` of a file.
pub(crate) fn mapped_address(pid: u32, path: &Path, offset: u64) -> Result<u64> {
    let about = fs::metadata(path).map_err(|error| PlaceError::io(path, error))?;
    let file = (about.dev(), about.ino());
    mappings_of(pid)?
        .iter()
        .find_map(|mapping| {
            let inside = offset.checked_sub(mapping.offset)?;
            let fits = inside < mapping.end.checked_sub(mapping.start)?;
            // By identity: the process may know the file under another path.
            (fits && mapping.is(pid, file)).then(|| mapping.start + inside)
        })
        .ok_or_else(|| PlaceError::unusable(path, BinaryProblem::NotMapped { pid, offset }))
}

/// Whether a file is the library `name`: `libc` is `libc.so.6`, was `libc-2.31.so`, and with musl
/// is the dynamic linker, `ld-musl-x86_64.so.1`.
fn is_library(path: &Path, name: &str) -> bool {
    let Some(file) = path.file_name().and_then(|file| file.to_str()) else {
        return false;
    };
    let stem = name.strip_suffix(".so").unwrap_or(name);
    let musl = || {
        let machine = file.strip_prefix("ld-musl-")?;
        Some(stem == "libc" || stem.strip_prefix("libc.musl-")? == machine)
    };
    match file.strip_prefix(stem) {
        Some("") => true,
        Some(rest) => rest.starts_with(".so") || rest.starts_with('-') && rest.contains(".so"),
        None => musl().unwrap_or(false),
    }
}

/// A library in one of the usual directories below `root`, as a path from there.
///
/// # Errors
/// If there is a directory that cannot be read.
fn in_directories(root: &Path, name: &str) -> Result<Option<PathBuf>> {
    let outside = |path: &Path| root.join(path.strip_prefix("/").unwrap_or(path));
    for directory in LIBRARIES {
        let exact = Path::new(directory).join(name);
        if name.contains(".so") {
            if outside(&exact).is_file() {
                return Ok(Some(exact));
            }
            continue;
        }
        let place = outside(Path::new(directory));
        let entries = match fs::read_dir(&place).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
            Ok(entries) => entries,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                continue;
            }
            Err(error) => return Err(PlaceError::io(&place, error)),
        };
        let mut found: Vec<_> = (entries.into_iter())
            .map(|entry| Path::new(directory).join(entry.file_name()))
            .filter(|path| is_library(path, name) && path.file_name() != exact.file_name())
            .collect();
        found.sort();
        if let Some(path) = found.into_iter().next() {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// A program below `root` in a directory of `PATH`, as a path from there.
fn in_path(root: &Path, name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|path| root.join(path.strip_prefix("/").unwrap_or(path)).is_file())
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use hachi_test::{TempDir, require_host};

    use super::*;

    #[test]
    fn directories_that_cannot_be_read_are_named() {
        let root = TempDir::new().unwrap();
        // Most of the usual directories are nowhere, which is fine.
        assert!(matches!(in_directories(root.path(), "libc"), Ok(None)));
        // A link to itself, which even root cannot follow.
        let library = root.path().join("lib");
        std::os::unix::fs::symlink("lib", &library).unwrap();
        let error = in_directories(root.path(), "libc").unwrap_err().to_string();
        assert!(error.contains(library.to_str().unwrap()), "{error}");
    }

    #[test]
    fn names_of_libraries() {
        let is = |file: &str, name| is_library(Path::new(file), name);
        assert!(is("/lib/libc.so.6", "libc"));
        assert!(is("/lib/libc.so.6", "libc.so"));
        assert!(is("/lib/libc.so.6", "libc.so.6"));
        assert!(is("/lib/libc-2.31.so", "libc"));
        assert!(is("/lib/ld-musl-x86_64.so.1", "libc"));
        assert!(is("/lib/ld-musl-x86_64.so.1", "libc.musl-x86_64.so.1"));
        assert!(!is("/lib/ld-musl-x86_64.so.1", "libc.so.6"));
        assert!(!is("/lib/ld-musl-x86_64.so.1", "libcap"));
        assert!(!is("/lib/libcap.so.2", "libc"));
        assert!(!is("/lib/libc.so.6", "libc.so.7"));
    }

    #[test]
    fn paths_stay_and_processes_know_their_own() {
        let path = Path::new("/x/libc.so.6");
        assert_eq!(resolve(path, None).unwrap(), path);
        let own = std::env::current_exe().unwrap();
        let name = Path::new(own.file_name().unwrap());
        assert_eq!(resolve(name, Some(std::process::id())).unwrap(), own);
        assert_eq!(resolve(&own, Some(std::process::id())).unwrap(), own);
        let error = resolve(Path::new("libhachi-nowhere"), None).unwrap_err();
        assert!(
            error.to_string().contains("\"libhachi-nowhere\""),
            "{error}"
        );
        for target in ["libc", "/lib/libc.so.6"] {
            let error = resolve(Path::new(target), Some(u32::MAX / 2)).unwrap_err();
            assert!(error.to_string().contains("no process"), "{error}");
        }
    }

    /// A process that has mapped another file under the path than we have there.
    struct Elsewhere {
        directory: TempDir,
        process: Child,
    }

    impl Elsewhere {
        /// `prepare` is a script that runs in a mount namespace of its own, before `sleeper`.
        fn new(prepare: &str) -> Self {
            let directory = TempDir::new().unwrap();
            for name in ["sleeper", "other"] {
                fs::copy("/bin/sleep", directory.path().join(name)).unwrap();
            }
            let mut command = Command::new("unshare");
            command.args(["--mount", "sh", "-c"]);
            command.arg(format!("{prepare} && echo && exec ./sleeper 60"));
            command.current_dir(directory.path()).stdout(Stdio::piped());
            let mut process = command.spawn().unwrap();
            let mut line = [0];
            io::Read::read_exact(process.stdout.as_mut().unwrap(), &mut line).unwrap();
            let elsewhere = Elsewhere { directory, process };
            // The shell becomes the program a moment later.
            let is_there = || {
                let mappings = mappings_of(elsewhere.process.id()).unwrap_or_default();
                mappings
                    .iter()
                    .any(|mapping| is_library(&mapping.path, "sleeper"))
            };
            while !is_there() {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            elsewhere
        }

        fn resolve(&self, target: impl AsRef<Path>) -> Result<PathBuf> {
            resolve(target.as_ref(), Some(self.process.id()))
        }

        fn path(&self, name: &str) -> PathBuf {
            self.directory.path().join(name)
        }
    }

    impl Drop for Elsewhere {
        fn drop(&mut self) {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }

    #[test]
    fn a_process_in_another_mount_namespace_has_its_own_file() {
        require_host!("unshare and sleep");
        hachi_test::require_bpf!();
        let there = Elsewhere::new("mount --bind other sleeper");
        let other = identity(&there.path("other"));
        assert_ne!(identity(&there.path("sleeper")), other);
        // By name and by path: what the process has there.
        for target in [PathBuf::from("sleeper"), there.path("sleeper")] {
            let found = there.resolve(&target).unwrap();
            assert_eq!(identity(&found), other, "{}", found.display());
        }
    }

    #[test]
    fn links_of_a_process_lead_on_in_its_root() {
        require_host!("unshare and sleep");
        hachi_test::require_bpf!();
        let there = Elsewhere::new("mount -t tmpfs t /mnt && cp other /mnt && ln -s /mnt/other x");
        let found = there.resolve(there.path("x")).unwrap();
        assert_eq!(identity(Path::new("/mnt/other")), None);
        assert!(found.starts_with("/proc"), "{}", found.display());
        assert!(identity(&found).is_some());
        let error = there.resolve("/mnt/nothing").unwrap_err().to_string();
        let pid = there.process.id();
        assert!(
            error.contains("\"/mnt/nothing\"") && error.contains(&format!("process {pid}")),
            "{error}"
        );
    }

    #[test]
    fn a_file_that_was_replaced_is_still_the_one_that_runs() {
        require_host!("unshare and sleep");
        hachi_test::require_bpf!();
        let there = Elsewhere::new("true");
        let before = identity(&there.path("sleeper"));
        fs::remove_file(there.path("sleeper")).unwrap();
        fs::copy("/bin/sleep", there.path("sleeper")).unwrap();
        let found = there.resolve("sleeper").unwrap();
        assert_eq!(identity(&found), before, "{}", found.display());
    }
}
