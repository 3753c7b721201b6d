//! The directory in which built and downloaded things are kept, safely for several processes at
//! once.
//!
//! An entry is a directory that appears under its final name only when it is complete: it is made
//! under a temporary name, gets a *stamp* that lists each file with its hash, and is renamed. The
//! process that makes an entry holds its lock, so two builds wait for each other instead of doing
//! the work twice.
//!
//! What is in the cache ends up inside the programs that are built, so it is trusted only as far as
//! it can be. The cache is a directory of its user alone. Before each use, an entry has to belong
//! to that user or to root, nobody else may write to it, and its files have to be exactly those of
//! the stamp. An entry that is not so (a full disk, an interrupted copy, another's hand) counts as
//! absent and is made again.

use std::{
    env,
    fs::{self, DirBuilder, File, Metadata, Permissions},
    io::{self, Read},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::{Error, error::IoContext, sys};

/// Name of the stamp file in a complete entry.
const STAMP: &str = "complete";

/// Where root keeps its cache when the usual place is another user's, as after `sudo -E`.
const ROOTS_OWN: &str = "/var/cache/hachi";

/// The directory in the cache for entries of this form: other versions of this crate, which a
/// machine may have at the same time, neither use nor replace them.
const LAYOUT: &str = "2";

/// Bits of a file's mode by which others may write to it.
const OTHERS_WRITE: u32 = 0o022;

/// The directory in which built and downloaded things are kept, safely for several processes at
/// once.
///
/// An entry is a directory that appears all at once, when it is complete. One process at a time
/// makes it, and a damaged one is made again.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The directory asked for, else `$HACHI_CACHE`, `$XDG_CACHE_HOME/hachi` or `~/.cache/hachi`.
    ///
    /// Root does not write where another user does: if the directory (or, while it does not exist,
    /// the one above it) is not root's, root's cache is `/var/cache/hachi`. So `sudo -E` leaves the
    /// user's cache alone.
    ///
    /// # Errors
    /// When there is no home directory either.
    pub fn locate(asked: Option<&Path>) -> Result<Cache, Error> {
        let root = asked
            .map(Path::to_path_buf)
            .or_else(|| setting("HACHI_CACHE").map(PathBuf::from))
            .or_else(|| setting("XDG_CACHE_HOME").map(|dir| PathBuf::from(dir).join("hachi")))
            .or_else(|| {
                env::home_dir()
                    .filter(|dir| dir.is_absolute())
                    .map(|dir| dir.join(".cache/hachi"))
            })
            .ok_or(Error::NoCacheDirectory)?;
        // Paths into the cache are given to programs that run in other directories.
        let root = std::path::absolute(&root).with_context("resolve", &root)?;
        let is_anothers = || owner(&root).is_some_and(|owner| owner != 0);
        Ok(Cache {
            root: match sys::is_root() && is_anothers() {
                true => ROOTS_OWN.into(),
                false => root,
            },
        })
    }

    /// The directory itself, whether it exists or not.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes the cache, if need be, and in it the directory `name`; returns its path.
    ///
    /// # Errors
    /// When the cache belongs to another user, or cannot be written to.
    pub fn directory(&self, name: &str) -> Result<PathBuf, Error> {
        self.make_private()?;
        let path = self.path(name);
        fs::create_dir_all(&path).with_context("create", &path)?;
        Ok(path)
    }

    /// Makes the cache a directory of this user alone.
    fn make_private(&self) -> Result<(), Error> {
        let root = &self.root;
        if let Some(parent) = root.parent() {
            fs::create_dir_all(parent).with_context("create", parent)?;
        }
        match DirBuilder::new().mode(0o700).create(root) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
        .with_context("create", root)?;
        let metadata = fs::metadata(root).with_context("read", root)?;
        if metadata.uid() != sys::user() {
            return Err(Error::ForeignCache {
                path: root.clone(),
                owner: metadata.uid(),
            });
        }
        if metadata.mode() & 0o077 != 0 {
            fs::set_permissions(root, Permissions::from_mode(0o700))
                .with_context("close to others", root)?;
        }
        Ok(())
    }

    /// Path of the entry `name`, whether it exists or not. A name may hold `/`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(LAYOUT).join(name)
    }

    /// The entry `name`, if it is there and complete.
    ///
    /// # Errors
    /// If it cannot be looked at: that is not "not there".
    pub fn get(&self, name: &str) -> Result<Option<PathBuf>, Error> {
        let path = self.path(name);
        let complete = is_complete(&path).with_context("read", &path)?;
        Ok(complete.then_some(path))
    }

    /// Complete entries in `group` whose names begin with `prefix`, newest first.
    ///
    /// # Errors
    /// If the group is there and cannot be read: what could not be looked at is not "not there".
    pub fn find(&self, group: &str, prefix: &str) -> Result<Vec<PathBuf>, Error> {
        let group = self.path(group);
        let entries = match fs::read_dir(&group) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.with_context("read", &group)?,
        };
        let mut found: Vec<(SystemTime, PathBuf)> = Vec::new();
        for entry in entries {
            let entry = entry.with_context("read", &group)?;
            let (name, path) = (entry.file_name(), entry.path());
            if !name.to_str().is_some_and(|name| name.starts_with(prefix)) {
                continue;
            }
            if !is_complete(&path).with_context("read", &path)? {
                continue;
            }
            // It may go meanwhile.
            if let Ok(stamp) = fs::metadata(path.join(STAMP)).and_then(|stamp| stamp.modified()) {
                found.push((stamp, path));
            }
        }
        found.sort();
        Ok(found.into_iter().rev().map(|(_, path)| path).collect())
    }

    /// The entry `name`, made by `make` (which fills an empty directory) unless it is complete
    /// already.
    ///
    /// # Errors
    /// Those of `make`, and when the cache cannot be written to.
    pub fn get_or_make<E: From<Error>>(
        &self,
        name: &str,
        make: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<PathBuf, E> {
        if let Some(found) = self.get(name)? {
            return Ok(found);
        }
        self.make_private()?;
        let path = self.path(name);
        let group = path.parent().unwrap_or(&path);
        fs::create_dir_all(group).with_context("create", group)?;
        let file_name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let _lock = Lock::take(&group.join(format!(".{file_name}.lock")))?;
        // Another process may have made it while this one waited.
        if let Some(found) = self.get(name)? {
            return Ok(found);
        }
        // The lock is held, so every other temporary directory of this entry belongs to a dead
        // process.
        let temporary_prefix = format!(".{file_name}.tmp-");
        for entry in fs::read_dir(group).with_context("read", group)?.flatten() {
            if entry
                .file_name()
                .to_string_lossy()
                .starts_with(&temporary_prefix)
            {
                remove(&entry.path())?;
            }
        }
        let temporary = group.join(format!("{temporary_prefix}{}", std::process::id()));
        fs::create_dir(&temporary).with_context("create", &temporary)?;
        let made = make(&temporary).and_then(|()| Ok(seal(&temporary)?));
        if let Err(error) = made {
            let _ = fs::remove_dir_all(&temporary);
            return Err(error);
        }
        if path.symlink_metadata().is_ok() {
            remove(&path)?;
        }
        fs::rename(&temporary, &path).with_context("create", &path)?;
        Ok(path)
    }
}

/// An exclusive lock between processes, held until dropped.
pub(crate) struct Lock(#[expect(dead_code, reason = "held for its descriptor")] File);

impl Lock {
    pub(crate) fn take(path: &Path) -> Result<Lock, Error> {
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .with_context("open", path)?;
        if !sys::lock(&file, false).with_context("lock", path)? {
            eprintln!(
                "hachi: waiting for another build that holds {}",
                path.display()
            );
            sys::lock(&file, true).with_context("lock", path)?;
        }
        Ok(Lock(file))
    }
}

/// The user that owns a path or, while it does not exist, the directory above that does.
fn owner(path: &Path) -> Option<u32> {
    path.ancestors()
        .find_map(|place| fs::metadata(place).ok())
        .map(|metadata| metadata.uid())
}

/// Whether only this user and root can have written it.
fn is_trusted(metadata: &Metadata) -> bool {
    let owner = metadata.uid();
    // The mode of a symbolic link means nothing.
    let closed = metadata.is_symlink() || metadata.mode() & OTHERS_WRITE == 0;
    (owner == sys::user() || owner == 0) && closed
}

/// Calls `visit` for all below a directory but its own stamp, with paths and metadata.
fn walk(dir: &Path, visit: &mut impl FnMut(&Path, &Metadata) -> io::Result<()>) -> io::Result<()> {
    fn below(
        dir: &Path,
        stamp: &Path,
        visit: &mut impl FnMut(&Path, &Metadata) -> io::Result<()>,
    ) -> io::Result<()> {
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            let metadata = fs::symlink_metadata(&path)?;
            if path != stamp {
                visit(&path, &metadata)?;
            }
            if metadata.is_dir() {
                below(&path, stamp, visit)?;
            }
        }
        Ok(())
    }
    below(dir, &dir.join(STAMP), visit)
}

/// The hash and relative path of each file and symbolic link in a directory, sorted, one a line.
/// Not of directories, which hold nothing else.
fn inventory(dir: &Path) -> io::Result<String> {
    let mut lines = Vec::new();
    walk(dir, &mut |path, metadata| {
        let hash = if metadata.is_dir() {
            return Ok(());
        } else if metadata.is_symlink() {
            Hash::of(fs::read_link(path)?.as_os_str().as_encoded_bytes())
        } else {
            hash_of_file(path)?
        };
        let relative = path.strip_prefix(dir).unwrap_or(path);
        lines.push(format!("{hash} {}\n", relative.display()));
        Ok(())
    })?;
    lines.sort();
    Ok(lines.concat())
}

fn hash_of_file(path: &Path) -> io::Result<String> {
    let mut file = File::options()
        .read(true)
        // Whatever took the file's place since it was looked at is not waited for.
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)?;
    let mut hash = Hash::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        // Pieces of one size, so that the same bytes give the same hash.
        let mut filled = 0;
        while filled < buffer.len() {
            match file.read(&mut buffer[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        hash.add(&buffer[..filled]);
        if filled < buffer.len() {
            return Ok(hash.hex());
        }
    }
}

/// Closes an entry to others and writes its stamp.
fn seal(dir: &Path) -> Result<(), Error> {
    let close = |path: &Path, metadata: &Metadata| match is_trusted(metadata) {
        true => Ok(()),
        false => {
            let mode = metadata.mode() & 0o7777 & !OTHERS_WRITE;
            fs::set_permissions(path, Permissions::from_mode(mode))
        }
    };
    let text = fs::symlink_metadata(dir)
        .and_then(|metadata| close(dir, &metadata))
        .and_then(|()| walk(dir, &mut |path, metadata| close(path, metadata)))
        .and_then(|()| inventory(dir))
        .with_context("read", dir)?;
    let stamp = dir.join(STAMP);
    // The last line tells a whole stamp from one cut short.
    fs::write(&stamp, format!("{text}end\n"))
        .and_then(|()| fs::set_permissions(&stamp, Permissions::from_mode(0o644)))
        .with_context("write", &stamp)
}

/// Whether an entry is as it was when it was made, and nobody else can have changed it. Fails only
/// where that cannot be found out.
fn is_complete(dir: &Path) -> io::Result<bool> {
    let look = || {
        let stamp = dir.join(STAMP);
        for path in [dir, &stamp] {
            if !is_trusted(&fs::symlink_metadata(path)?) {
                return Ok(false);
            }
        }
        let stamp = fs::read_to_string(stamp)?;
        let Some(files) = stamp.strip_suffix("end\n") else {
            return Ok(false);
        };
        walk(dir, &mut |_, metadata| match is_trusted(metadata) {
            true => Ok(()),
            false => Err(io::ErrorKind::PermissionDenied.into()),
        })?;
        Ok(inventory(dir)? == files)
    };
    use io::ErrorKind::{InvalidData, NotADirectory, NotFound, PermissionDenied};
    look().or_else(|error: io::Error| match error.kind() {
        NotFound | NotADirectory | InvalidData | PermissionDenied => Ok(false),
        _ => Err(error),
    })
}

fn remove(path: &Path) -> Result<(), Error> {
    let is_dir = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir());
    let removed = if is_dir {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    removed.with_context("remove", path)
}

/// An environment variable that is set to something.
pub(crate) fn setting(name: &str) -> Option<std::ffi::OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// A hash of 64 bits to tell cache entries apart and to notice damage: the same in every build of
/// this crate, unlike the standard library's. It is FNV-1a over words of 8 bytes, with their upper
/// half mixed in, so that tens of megabytes take milliseconds. It does not withstand somebody who
/// makes up a file for it; what does is that nobody else may write to the cache.
#[derive(Debug, Clone, Copy)]
pub struct Hash(u64);

impl Default for Hash {
    fn default() -> Self {
        Self::new()
    }
}

impl Hash {
    /// That of nothing.
    pub fn new() -> Self {
        Hash(0xcbf2_9ce4_8422_2325)
    }

    /// Takes these bytes in, as one thing: `ab` and `c` differ from `a` and `bc`.
    pub fn add(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.mix(u64::from_le_bytes(last));
        // So that ("ab", "c") differs from ("a", "bc").
        self.mix(bytes.len() as u64);
    }

    fn mix(&mut self, word: u64) {
        let product = (self.0 ^ word).wrapping_mul(0x0100_0000_01b3);
        self.0 = product ^ (product >> 32);
    }

    /// 16 hexadecimal digits.
    pub fn hex(self) -> String {
        format!("{:016x}", self.0)
    }

    pub(crate) fn of(bytes: &[u8]) -> String {
        let mut hash = Hash::new();
        hash.add(bytes);
        hash.hex()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc, Barrier,
            atomic::{AtomicU32, Ordering},
        },
        thread,
    };

    use super::*;

    fn scratch(name: &str) -> Cache {
        let root = env::temp_dir().join(format!("hachi-cache-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        Cache { root }
    }

    fn fill(dir: &Path) -> Result<(), Error> {
        fs::create_dir(dir.join("lib")).unwrap();
        fs::write(dir.join("lib/a"), "12345").unwrap();
        Ok(())
    }

    #[test]
    fn an_entry_is_made_once() {
        let cache = scratch("once");
        let made = cache.get_or_make("group/x", fill).unwrap();
        assert_eq!(fs::read(made.join("lib/a")).unwrap(), b"12345");
        assert_eq!(cache.get("group/x").unwrap(), Some(made.clone()));
        let again = cache
            .get_or_make("group/x", |_| -> Result<(), Error> { panic!("made twice") })
            .unwrap();
        assert_eq!(again, made);
        assert_eq!(cache.find("group", "x").unwrap(), [made]);
        for (group, prefix) in [("group", "y"), ("nosuch", "")] {
            assert!(cache.find(group, prefix).unwrap().is_empty());
        }
        fs::remove_dir_all(&cache.root).unwrap();
    }

    #[test]
    fn damage_is_noticed_and_repaired() {
        let cache = scratch("damage");
        type Damage = fn(&Path);
        let damages: [(&str, Damage); 11] = [
            ("a file cut short", |dir| {
                fs::write(dir.join("lib/a"), "123").unwrap()
            }),
            ("a file of the same size with another content", |dir| {
                fs::write(dir.join("lib/a"), "12346").unwrap()
            }),
            ("a file added", |dir| {
                fs::write(dir.join("lib/b"), "").unwrap()
            }),
            ("a file that others can write to", |dir| {
                open_to_others(&dir.join("lib/a"))
            }),
            ("a directory that others can write to", |dir| {
                open_to_others(&dir.join("lib"))
            }),
            ("an entry that others can write to", open_to_others),
            ("a file that is a link now", |dir| {
                fs::rename(dir.join("lib/a"), dir.with_extension("moved")).unwrap();
                std::os::unix::fs::symlink(dir.with_extension("moved"), dir.join("lib/a")).unwrap();
            }),
            ("a file missing", |dir| {
                fs::remove_file(dir.join("lib/a")).unwrap()
            }),
            ("no stamp", |dir| fs::remove_file(dir.join(STAMP)).unwrap()),
            ("an empty stamp", |dir| {
                fs::write(dir.join(STAMP), "").unwrap()
            }),
            ("a stamp cut short", |dir| {
                let stamp = fs::read_to_string(dir.join(STAMP)).unwrap();
                fs::write(dir.join(STAMP), stamp.trim_end_matches("end\n")).unwrap()
            }),
        ];
        for (what, damage) in damages {
            let made = cache.get_or_make("x", fill).unwrap();
            damage(&made);
            assert_eq!(cache.get("x").unwrap(), None, "{what}");
            let repaired = cache.get_or_make("x", fill).unwrap();
            assert_eq!(
                fs::read(repaired.join("lib/a")).unwrap(),
                b"12345",
                "{what}"
            );
        }
        fs::remove_dir_all(&cache.root).unwrap();
    }

    fn open_to_others(path: &Path) {
        let mode = fs::metadata(path).unwrap().mode() | 0o002;
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn the_cache_is_its_users_alone() {
        let cache = scratch("private");
        cache.get_or_make("group/x", fill).unwrap();
        assert_eq!(mode(&cache.root), 0o700);
        // One that an earlier version made.
        fs::set_permissions(&cache.root, Permissions::from_mode(0o775)).unwrap();
        cache.directory("group").unwrap();
        assert_eq!(mode(&cache.root), 0o700);
        fs::remove_dir_all(&cache.root).unwrap();
    }

    #[test]
    fn an_entry_made_with_any_umask_is_closed_to_others() {
        let cache = scratch("umask");
        let made = cache.get_or_make::<Error>("x", |dir| {
            fill(dir)?;
            open_to_others(dir);
            open_to_others(&dir.join("lib"));
            open_to_others(&dir.join("lib/a"));
            Ok(())
        });
        let made = made.unwrap();
        for path in [made.clone(), made.join("lib"), made.join("lib/a")] {
            assert_eq!(mode(&path) & OTHERS_WRITE, 0, "{}", path.display());
        }
        assert_eq!(cache.get("x").unwrap(), Some(made));
        fs::remove_dir_all(&cache.root).unwrap();
    }

    #[test]
    fn another_users_files_are_not_used() {
        if !sys::is_root() {
            eprintln!("skipped: only root can give files away");
            return;
        }
        let cache = scratch("foreign");
        for path in ["", "lib", "lib/a", STAMP] {
            let made = cache.get_or_make("x", fill).unwrap();
            std::os::unix::fs::chown(made.join(path), Some(65534), None).unwrap();
            assert_eq!(cache.get("x").unwrap(), None, "{path:?} is another user's");
        }
        // Nor does root write into another user's cache, whether it is there already or not.
        std::os::unix::fs::chown(&cache.root, Some(65534), None).unwrap();
        for place in [cache.root.clone(), cache.root.join("not/there")] {
            let located = Cache::locate(Some(&place)).unwrap();
            assert_eq!(located.root(), Path::new(ROOTS_OWN));
        }
        let error = cache.directory("group").unwrap_err();
        assert!(
            matches!(&error, Error::ForeignCache { owner: 65534, .. }),
            "{error}"
        );
        fs::remove_dir_all(&cache.root).unwrap();
    }

    #[test]
    fn a_failure_leaves_nothing_and_a_dead_process_is_cleaned_up_after() {
        let cache = scratch("failure");
        cache
            .get_or_make("x", |_| Err(Error::NoCacheDirectory))
            .unwrap_err();
        let names = || {
            let mut names: Vec<String> = fs::read_dir(cache.path(""))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
                .collect();
            names.sort();
            names
        };
        assert_eq!(names(), [".x.lock"]);
        fs::create_dir(cache.path(".x.tmp-1")).unwrap();
        fs::write(cache.path(".x.tmp-1/half"), "").unwrap();
        cache.get_or_make("x", fill).unwrap();
        assert_eq!(names(), [".x.lock", "x"]);
        fs::remove_dir_all(&cache.root).unwrap();
    }

    #[test]
    fn many_processes_at_once_make_one_entry() {
        let cache = scratch("race");
        let made = Arc::new(AtomicU32::new(0));
        let start = Arc::new(Barrier::new(8));
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let (cache, made, start) = (cache.clone(), made.clone(), start.clone());
                thread::spawn(move || {
                    start.wait();
                    cache.get_or_make("x", |dir| {
                        made.fetch_add(1, Ordering::Relaxed);
                        thread::sleep(std::time::Duration::from_millis(20));
                        fill(dir)
                    })
                })
            })
            .collect();
        for thread in threads {
            assert!(is_complete(&thread.join().unwrap().unwrap()).unwrap());
        }
        assert_eq!(made.load(Ordering::Relaxed), 1);
        fs::remove_dir_all(&cache.root).unwrap();
    }

    #[test]
    fn pieces_hash_apart() {
        let hash = |pieces: &[&str]| {
            let mut hash = Hash::new();
            pieces.iter().for_each(|piece| hash.add(piece.as_bytes()));
            hash.hex()
        };
        assert_eq!(hash(&["a"]), Hash::of(b"a"));
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
        assert_ne!(hash(&[]), hash(&[""]));
        // Zeros at the end count, and so does each of the bits.
        assert_ne!(hash(&["12345678"]), hash(&["12345678\0"]));
        let long = "x".repeat(100);
        for at in 0..100 {
            let mut other = long.clone().into_bytes();
            other[at] ^= 0x40;
            assert_ne!(Hash::of(&other), Hash::of(long.as_bytes()), "byte {at}");
        }
    }
}
