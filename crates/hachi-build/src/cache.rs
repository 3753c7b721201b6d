//! The directory in which built and downloaded things are kept, safely for several processes at
//! once.
//!
//! An entry is a directory that appears under its final name only when it is complete: it is made
//! under a temporary name, gets a *stamp* listing every file with its size, and is renamed. Whoever
//! makes an entry holds its lock, so that two builds wait for each other instead of doing the work
//! twice. An entry without a stamp, or one whose files do not have the stamp's sizes (a full disk,
//! an interrupted copy), counts as absent and is made anew.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::{Error, error::IoContext, sys};

/// Name of the stamp file in a complete entry.
const STAMP: &str = "complete";

/// The directory in which built and downloaded things are kept, safely for several processes at
/// once.
///
/// An entry is a directory that is complete when it is there: it appears all at once, whoever makes
/// it holds its lock, and one that was damaged since is made anew.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The directory asked for, else `$HACHI_CACHE`, `$XDG_CACHE_HOME/hachi` or `~/.cache/hachi`.
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
        Ok(Cache { root })
    }

    /// Path of the entry `name`, whether it exists or not. A name may hold `/`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The entry `name`, if it is there and complete.
    pub fn get(&self, name: &str) -> Option<PathBuf> {
        let path = self.path(name);
        is_complete(&path).then_some(path)
    }

    /// Complete entries in `group` whose names begin with `prefix`, newest first.
    pub fn find(&self, group: &str, prefix: &str) -> Vec<PathBuf> {
        let mut found: Vec<(SystemTime, PathBuf)> = fs::read_dir(self.path(group))
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| {
                entry
                    .file_name()
                    .to_str()
                    .is_some_and(|name| name.starts_with(prefix))
            })
            .map(|entry| entry.path())
            .filter(|path| is_complete(path))
            .filter_map(|path| Some((fs::metadata(path.join(STAMP)).ok()?.modified().ok()?, path)))
            .collect();
        found.sort();
        found.into_iter().rev().map(|(_, path)| path).collect()
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
        if let Some(found) = self.get(name) {
            return Ok(found);
        }
        let path = self.path(name);
        let group = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(group).with_context("create", group)?;
        let file_name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let _lock = Lock::take(&group.join(format!(".{file_name}.lock")))?;
        // Another process may have made it while this one waited.
        if let Some(found) = self.get(name) {
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
        let made = make(&temporary).and_then(|()| Ok(write_stamp(&temporary)?));
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

/// Relative path and size of each file under `dir`, sorted, one per line.
fn inventory(dir: &Path) -> Result<String, Error> {
    fn walk(dir: &Path, root: &Path, out: &mut Vec<String>) -> Result<(), Error> {
        for entry in fs::read_dir(dir).with_context("read", dir)? {
            let path = entry.with_context("read", dir)?.path();
            let metadata = fs::symlink_metadata(&path).with_context("read", &path)?;
            if metadata.is_dir() {
                walk(&path, root, out)?;
            } else if let Ok(relative) = path.strip_prefix(root) {
                out.push(format!("{} {}\n", metadata.len(), relative.display()));
            }
        }
        Ok(())
    }
    let mut lines = Vec::new();
    walk(dir, dir, &mut lines)?;
    lines.sort();
    Ok(lines.concat())
}

fn write_stamp(dir: &Path) -> Result<(), Error> {
    let text = inventory(dir)?;
    let stamp = dir.join(STAMP);
    // The last line tells a whole stamp from one cut short.
    fs::write(&stamp, format!("{text}end\n")).with_context("write", &stamp)
}

fn is_complete(dir: &Path) -> bool {
    let Ok(stamp) = fs::read_to_string(dir.join(STAMP)) else {
        return false;
    };
    let Some(files) = stamp.strip_suffix("end\n") else {
        return false;
    };
    files.lines().all(|line| {
        line.split_once(' ').is_some_and(|(size, path)| {
            fs::symlink_metadata(dir.join(path)).is_ok_and(|m| size.parse() == Ok(m.len()))
        })
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

/// A hash (FNV-1a, 64 bits) to tell cache entries apart: the same in every build of this crate,
/// unlike the standard library's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hash(u64);

impl Hash {
    pub(crate) fn new() -> Self {
        Hash(0xcbf2_9ce4_8422_2325)
    }

    pub(crate) fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        // So that ("ab", "c") differs from ("a", "bc").
        self.0 = (self.0 ^ bytes.len() as u64).wrapping_mul(0x0100_0000_01b3);
    }

    pub(crate) fn hex(self) -> String {
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
        assert_eq!(cache.get("group/x"), Some(made.clone()));
        let again = cache
            .get_or_make("group/x", |_| -> Result<(), Error> { panic!("made twice") })
            .unwrap();
        assert_eq!(again, made);
        assert_eq!(cache.find("group", "x"), [made]);
        assert!(cache.find("group", "y").is_empty() && cache.find("nosuch", "").is_empty());
        fs::remove_dir_all(&cache.root).unwrap();
    }

    #[test]
    fn damage_is_noticed_and_repaired() {
        let cache = scratch("damage");
        type Damage = fn(&Path);
        let damages: [(&str, Damage); 5] = [
            ("a file cut short", |dir| {
                fs::write(dir.join("lib/a"), "123").unwrap()
            }),
            ("a file missing", |dir| {
                fs::remove_file(dir.join("lib/a")).unwrap()
            }),
            ("no stamp", |dir| fs::remove_file(dir.join(STAMP)).unwrap()),
            ("an empty stamp", |dir| {
                fs::write(dir.join(STAMP), "").unwrap()
            }),
            ("a stamp cut short", |dir| {
                fs::write(dir.join(STAMP), "5 lib/a\n").unwrap()
            }),
        ];
        for (what, damage) in damages {
            let made = cache.get_or_make("x", fill).unwrap();
            damage(&made);
            assert_eq!(cache.get("x"), None, "{what}");
            let repaired = cache.get_or_make("x", fill).unwrap();
            assert_eq!(
                fs::read(repaired.join("lib/a")).unwrap(),
                b"12345",
                "{what}"
            );
        }
        fs::remove_dir_all(&cache.root).unwrap();
    }

    #[test]
    fn a_failure_leaves_nothing_and_a_dead_process_is_cleaned_up_after() {
        let cache = scratch("failure");
        cache
            .get_or_make("x", |_| Err(Error::NoCacheDirectory))
            .unwrap_err();
        let names = || {
            let mut names: Vec<String> = fs::read_dir(&cache.root)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
                .collect();
            names.sort();
            names
        };
        assert_eq!(names(), [".x.lock"]);
        fs::create_dir(cache.root.join(".x.tmp-1")).unwrap();
        fs::write(cache.root.join(".x.tmp-1/half"), "").unwrap();
        cache.get_or_make("x", fill).unwrap();
        assert_eq!(names(), [".x.lock", "x"]);
        fs::remove_dir_all(&cache.root).unwrap();
    }

    #[test]
    fn many_at_once_make_one() {
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
            assert!(is_complete(&thread.join().unwrap().unwrap()));
        }
        assert_eq!(made.load(Ordering::Relaxed), 1);
        fs::remove_dir_all(&cache.root).unwrap();
    }

    #[test]
    fn hashes_keep_pieces_apart() {
        let hash = |pieces: &[&str]| {
            let mut hash = Hash::new();
            pieces.iter().for_each(|piece| hash.add(piece.as_bytes()));
            hash.hex()
        };
        assert_eq!(hash(&["a"]), Hash::of(b"a"));
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
        assert_ne!(hash(&[]), hash(&[""]));
    }
}
