//! Which file is meant.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    error::{PlaceError, Result},
    ld_cache,
};
use crate::{
    near,
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
];

/// The file that `target` names: a path, or, without a slash, the name of a library (whole or in
/// part: `libc.so.6`, `libc`) or of a program in `PATH`. With a process, what that has loaded comes
/// first.
pub(crate) fn resolve(target: &Path, pid: Option<u32>) -> Result<PathBuf> {
    let Some(name) = target.to_str().filter(|name| !name.contains('/')) else {
        return Ok(target.to_owned());
    };
    let mut loaded = Vec::new();
    if let Some(pid) = pid {
        loaded = libraries_of(pid)?;
        if let Some(path) = loaded.iter().find(|path| is_library(path, name)) {
            return Ok(in_root_of(pid, path));
        }
    }
    ld_cache::find(name)
        .or_else(|| in_directories(name))
        .or_else(|| in_path(name))
        .ok_or_else(|| {
            let names = loaded.iter().filter_map(|path| path.file_name()?.to_str());
            let hint = match near::similar(name, names) {
                names if names.is_empty() => Hint::NamedByPath,
                names => Hint::Similar(names),
            };
            NoSuchTarget::new(TargetKind::Binary, name)
                .hint(hint)
                .into()
        })
}

/// A path as a process sees it, in ours: it may live in a container.
fn in_root_of(pid: u32, path: &Path) -> PathBuf {
    let same_root =
        fs::read_link(format!("/proc/{pid}/root")).is_ok_and(|root| root == Path::new("/"));
    let outside = PathBuf::from(format!("/proc/{pid}/root{}", path.display()));
    if same_root && path.exists() || !outside.exists() {
        path.to_owned()
    } else {
        outside
    }
}

/// A file that a process has mapped to be executed.
struct Mapping {
    start: u64,
    end: u64,
    offset: u64,
    path: PathBuf,
}

fn mappings_of(pid: u32) -> Result<Vec<Mapping>> {
    let file = format!("/proc/{pid}/maps");
    let maps = fs::read_to_string(&file).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            NoSuchTarget::new(TargetKind::Process, pid.to_string()).into()
        }
        _ => PlaceError::io(file, error),
    })?;
    Ok(maps.lines().filter_map(mapping).collect())
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
    let path = Path::new(rest);
    (fields[1].contains('x') && path.is_absolute()).then_some(Mapping {
        start: hex(start)?,
        end: hex(end)?,
        offset: hex(fields[2])?,
        path: path.to_owned(),
    })
}

/// The files a process has mapped to be executed, each once.
fn libraries_of(pid: u32) -> Result<Vec<PathBuf>> {
    let mut paths: Vec<_> = mappings_of(pid)?
        .into_iter()
        .map(|mapping| mapping.path)
        .collect();
    paths.dedup();
    Ok(paths)
}

/// The address at which a process has mapped `offset` of a file.
pub(crate) fn mapped_address(pid: u32, path: &Path, offset: u64) -> Result<u64> {
    // By identity: the process may know the file under another path.
    let identity = |path: &Path| {
        use std::os::unix::fs::MetadataExt as _;
        fs::metadata(path).map(|data| (data.dev(), data.ino())).ok()
    };
    let wanted = identity(path);
    mappings_of(pid)?
        .iter()
        .find_map(|mapping| {
            let inside = offset.checked_sub(mapping.offset)?;
            let fits = inside < mapping.end.checked_sub(mapping.start)?;
            let same = mapping.path == path
                || wanted.is_some() && identity(&in_root_of(pid, &mapping.path)) == wanted;
            (fits && same).then(|| mapping.start + inside)
        })
        .ok_or_else(|| PlaceError::unusable(path, BinaryProblem::NotMapped { pid, offset }))
}

/// Whether a file is the library `name`: `libc` is `libc.so.6` and was `libc-2.31.so`.
fn is_library(path: &Path, name: &str) -> bool {
    let Some(file) = path.file_name().and_then(|file| file.to_str()) else {
        return false;
    };
    let stem = name.strip_suffix(".so").unwrap_or(name);
    match file.strip_prefix(stem) {
        Some("") => true,
        Some(rest) => rest.starts_with(".so") || rest.starts_with('-') && rest.contains(".so"),
        None => false,
    }
}

fn in_directories(name: &str) -> Option<PathBuf> {
    for directory in LIBRARIES {
        let exact = Path::new(directory).join(name);
        if name.contains(".so") {
            if exact.is_file() {
                return Some(exact);
            }
            continue;
        }
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        let mut found: Vec<_> = entries
            .map(|entry| entry.path())
            .filter(|path| is_library(path, name) && path.file_name() != exact.file_name())
            .collect();
        found.sort();
        if let Some(path) = found.into_iter().next() {
            return Some(path);
        }
    }
    None
}

fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_libraries() {
        let is = |file: &str, name| is_library(Path::new(file), name);
        assert!(is("/lib/libc.so.6", "libc"));
        assert!(is("/lib/libc.so.6", "libc.so"));
        assert!(is("/lib/libc.so.6", "libc.so.6"));
        assert!(is("/lib/libc-2.31.so", "libc"));
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
        let error = resolve(Path::new("libhachi-nowhere"), None).unwrap_err();
        assert!(
            error.to_string().contains("\"libhachi-nowhere\""),
            "{error}"
        );
        let error = resolve(Path::new("libc"), Some(u32::MAX / 2)).unwrap_err();
        assert!(error.to_string().contains("no process"), "{error}");
    }
}
