//! Directories of pins: made whole or not at all, and removed whole.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use hachi::links::{OwnedLink, PinnedLink};
use hachi::maps::MapData;
use hachi::pin::{self, ObjectKind, PinError};
use hachi::programs::Program;

use crate::failure::{Failure, Result};
use crate::output::{Output, say};
use crate::sys;

/// Maps, programs and links are in directories of their own. A program among the links stands for
/// an attachment that has no link in the kernel.
const MAPS: &str = "maps";
const PROGRAMS: &str = "programs";
const LINKS: &str = "links";

/// The mode of a directory that was made only because another was to be in it: it goes with the
/// last that is in it. `hachi::pin::make_directory` gives it.
const ON_THE_WAY: u32 = 0o1700;

/// A directory of pins in the making.
///
/// It has another name until it is [finished](PinDir::finish), so that the name asked for stands
/// for all of its pins or for none. Dropped before that, it removes everything, attachments
/// included. A process that is killed leaves it under that name, which the next one finds.
#[derive(Debug)]
pub struct PinDir {
    target: PathBuf,
    /// Where it is until then; `None` afterwards.
    unfinished: Option<PathBuf>,
    /// Locks it, so that others can tell that its process lives.
    _lock: File,
    /// Directories made above it, outermost first.
    above: Vec<PathBuf>,
    /// Links pinned so far. They are detached if it comes to nothing.
    links: Vec<PinnedLink>,
}

/// What the name of a directory in the making ends with.
const UNFINISHED: &str = "-unfinished";

/// The name that a directory has in the making.
fn unfinished(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(UNFINISHED);
    PathBuf::from(name)
}

/// How many directories and pins are looked at, and how deep.
const MOST_ENTRIES: usize = 1 << 14;
const DEEPEST: usize = 8;

/// All that is on the BPF file systems that are mounted here: paths, and whether they are
/// directories.
fn entries() -> io::Result<Vec<(PathBuf, bool)>> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let mut left: Vec<(PathBuf, usize)> = mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ').skip(1);
            let place = unescape(words.next()?);
            (words.next() == Some("bpf")).then_some((place, 0))
        })
        .collect();
    let mut found = Vec::new();
    while let Some((dir, depth)) = left.pop() {
        let listed = match fs::read_dir(&dir) {
            // Removed meanwhile, or not for this user to see.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
                ) =>
            {
                continue;
            }
            listed => listed?,
        };
        for entry in listed {
            let entry = entry?;
            if found.len() >= MOST_ENTRIES {
                return Ok(found);
            }
            let is_dir = entry.file_type()?.is_dir();
            if is_dir && depth < DEEPEST {
                left.push((entry.path(), depth + 1));
            }
            found.push((entry.path(), is_dir));
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// A path of `/proc/self/mounts`, where blanks and backslashes are three octal digits.
fn unescape(text: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt as _;
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let digits = after
            .get(..3)
            .and_then(|three| std::str::from_utf8(three).ok());
        let code = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match (first, code) {
            (b'\\', Some(code)) => {
                bytes.push(code);
                rest = &after[3..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

/// The directories of pins that a `hachi run` was making when it was killed, by the names that they
/// were to have.
pub fn unfinished_dirs() -> Result<Vec<PathBuf>> {
    let all = entries().map_err(no_list)?.into_iter();
    Ok(all
        .filter(|(path, is_dir)| *is_dir && !is_in_the_making(path))
        .filter_map(|(path, _)| {
            let name = path.file_name()?.to_str()?;
            let finished = name.strip_suffix(UNFINISHED)?;
            (!finished.is_empty()).then(|| path.with_file_name(finished))
        })
        .collect())
}

fn no_list(error: io::Error) -> Failure {
    Failure::because("listing the pins", &error)
}

/// What is said of one of them.
pub fn unfinished_warning(dir: &Path) -> String {
    format!(
        "a `hachi run` that was killed has left pins in {}; to undo it: {}",
        unfinished(dir).display(),
        undo_command(dir)
    )
}

/// The ids of the programs that are pinned.
pub fn pinned_programs() -> Result<Vec<u32>> {
    let programs = all()?.into_iter().filter_map(|(_, kind, id)| match kind {
        ObjectKind::Program => Some(id),
        _ => None,
    });
    Ok(programs.collect())
}

/// All pins on the BPF file systems that are mounted here: where, of what kind, and its id.
pub fn all() -> Result<Vec<(PathBuf, ObjectKind, u32)>> {
    let mut found = Vec::new();
    for (path, is_dir) in entries().map_err(no_list)? {
        if is_dir {
            continue;
        }
        match pin::look(&path) {
            Ok((kind, id)) => found.push((path, kind, id)),
            Err(PinError::Syscall { error, .. }) if sys::is_shortage(error.errno()) => {
                return Err(Failure::because(
                    format_args!("opening {}", path.display()),
                    &error,
                ));
            }
            // Gone, or not for this user.
            Err(_) => {}
        }
    }
    Ok(found)
}

/// Where something is pinned.
pub fn of(kind: ObjectKind, id: u32) -> Result<Vec<PathBuf>> {
    let mut pins = all()?;
    pins.retain(|(_, other, other_id)| (*other, *other_id) == (kind, id));
    Ok(pins.into_iter().map(|(path, ..)| path).collect())
}

/// Whether a process that lives is making this directory of pins.
fn is_in_the_making(unfinished: &Path) -> bool {
    let lock = File::open(unfinished).map(|dir| dir.try_lock());
    matches!(lock, Ok(Err(TryLockError::WouldBlock)))
}

/// The path without what makes no difference, such as a slash at its end.
fn normal(path: &Path) -> PathBuf {
    path.components().collect()
}

fn failed(error: &PinError) -> Failure {
    Failure::because("", error)
}

/// The command that removes a directory of pins, for messages.
pub fn undo_command(dir: &Path) -> String {
    format!("hachi unpin -r {}", dir.display())
}

impl PinDir {
    /// Begins to make `target`, which must not exist, or be empty.
    pub fn begin(target: &Path) -> Result<PinDir> {
        let target = normal(target);
        let undo = undo_command(&target);
        let looking = |error: io::Error| {
            Failure::because(format_args!("looking into {}", target.display()), &error)
        };
        let is_taken = match fs::read_dir(&target) {
            Ok(mut entries) => entries.next().transpose().map_err(looking)?.is_some(),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound => false,
                io::ErrorKind::NotADirectory => true,
                _ => return Err(looking(error)),
            },
        };
        if is_taken {
            let failure = Failure::new(format_args!(
                "cannot pin to {}: it is taken",
                target.display()
            ));
            return Err(failure.help(format_args!(
                "choose another directory, or remove it with all pins in it: {undo}"
            )));
        }
        let unfinished = unfinished(&target);
        let mut above = pin::make_directory(&unfinished).map_err(|error| match error {
            PinError::DirectoryTaken { .. } if is_in_the_making(&unfinished) => {
                Failure::new(format_args!(
                    "cannot pin to {}: another `hachi run` is doing so at this moment",
                    target.display()
                ))
            }
            PinError::DirectoryTaken { .. } => Failure::new(format_args!(
                "cannot pin to {}: a `hachi run` was killed in the middle of it, and has left {}",
                target.display(),
                unfinished.display()
            ))
            .help(format_args!("to undo what it left: {undo}")),
            error => failed(&error),
        })?;
        above.pop();
        let lock = File::open(&unfinished).and_then(|lock| match lock.try_lock() {
            Err(TryLockError::Error(error)) => Err(error),
            // Somebody who looks whether it is ours.
            Err(TryLockError::WouldBlock) | Ok(()) => Ok(lock),
        });
        match lock {
            Ok(lock) => Ok(PinDir {
                target,
                unfinished: Some(unfinished),
                _lock: lock,
                above,
                links: Vec::new(),
            }),
            Err(error) => {
                for made in std::iter::once(&unfinished).chain(above.iter().rev()) {
                    // The first failure is the one that is reported.
                    let _ = fs::remove_dir(made);
                }
                Err(Failure::because(
                    format_args!("locking {}", unfinished.display()),
                    &error,
                ))
            }
        }
    }

    fn place(&self, kind: &str) -> PathBuf {
        self.unfinished.as_ref().unwrap_or(&self.target).join(kind)
    }

    /// Where its maps are until it is finished.
    pub fn maps(&self) -> PathBuf {
        self.place(MAPS)
    }

    pub fn add_map(&mut self, name: &str, map: &MapData) -> Result {
        let path = self.place(MAPS).join(file_name(name)?);
        map.pin(path).map_err(|error| failed(&error))
    }

    pub fn add_program(&mut self, name: &str, program: &Program) -> Result {
        let path = self.place(PROGRAMS).join(file_name(name)?);
        program.pin(path).map_err(|error| failed(&error))
    }

    /// Pins a link under the first of `NAME`, `NAME-2`, `NAME-3`, … that is free.
    pub fn add_link(&mut self, name: &str, link: OwnedLink) -> Result {
        let dir = self.place(LINKS);
        let numbered = (2..).map(|number| format!("{name}-{number}"));
        let free = std::iter::once(name.to_owned())
            .chain(numbered)
            .map(|name| Ok(dir.join(file_name(&name)?)))
            .find(|path: &Result<PathBuf>| {
                path.as_ref()
                    .map_or(true, |path| path.symlink_metadata().is_err())
            });
        let path = free.unwrap_or_else(|| Ok(dir.join(name)))?;
        let pinned = link.pin(path).map_err(|error| failed(&error))?;
        self.links.push(pinned);
        Ok(())
    }

    /// Gives it the name that was asked for: all of it is there now, and stays.
    pub fn finish(mut self) -> Result {
        let Some(unfinished) = &self.unfinished else {
            return Ok(());
        };
        // An empty directory is replaced; one with something in it is not.
        fs::rename(unfinished, &self.target).map_err(|error| {
            Failure::because(
                format_args!(
                    "cannot rename {} to {}",
                    unfinished.display(),
                    self.target.display()
                ),
                &error,
            )
        })?;
        self.unfinished = None;
        Ok(())
    }
}

impl Drop for PinDir {
    fn drop(&mut self) {
        let Some(unfinished) = self.unfinished.take() else {
            return;
        };
        // There is nobody to report errors to: the earlier failure is being reported already.
        for link in self.links.drain(..).rev() {
            let _ = link.unpin().map(OwnedLink::detach);
        }
        for kind in [LINKS, PROGRAMS, MAPS] {
            let dir = unfinished.join(kind);
            for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
                let _ = pin::unpin(entry.path());
            }
            let _ = fs::remove_dir(&dir);
        }
        let _ = fs::remove_dir(&unfinished);
        for made in self.above.iter().rev() {
            if fs::remove_dir(made).is_err() {
                break;
            }
        }
    }
}

/// The name of the pin for something of this name in an object.
pub fn file_name(name: &str) -> Result<String> {
    pin::file_name(name).map_err(|error| failed(&error))
}

/// Removes a directory of pins, the one in the making that a killed `hachi run` has left in its
/// place, and the directories above that were made for it.
pub fn remove_all(dir: &Path, out: &mut Output) -> Result {
    let dir = normal(dir);
    let unfinished = unfinished(&dir);
    let mut found = false;
    let looking = |dir: &Path, error: &io::Error| {
        Failure::because(format_args!("looking at {}", dir.display()), error)
    };
    if is_in_the_making(&unfinished) {
        return Err(Failure::new(format_args!(
            "a `hachi run` is making {} at this moment; nothing was removed",
            dir.display()
        )));
    }
    for dir in [&unfinished, &dir] {
        match fs::symlink_metadata(dir) {
            Ok(about) if about.is_dir() => {}
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(looking(dir, &error));
            }
            _ => continue,
        }
        if !pin::is_on_bpffs(dir).map_err(|error| looking(dir, &error))? {
            return Err(Failure::new(format_args!(
                "{} is not on a BPF file system; nothing was removed",
                dir.display()
            ))
            .help("pins are below /sys/fs/bpf"));
        }
        remove_pins(dir, out)?;
        found = true;
    }
    // Those that are left of one that was killed here before are found again.
    for above in dir.ancestors().skip(1) {
        match fs::symlink_metadata(above) {
            Ok(about) if about.permissions().mode() & 0o7777 == ON_THE_WAY => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) if !above.as_os_str().is_empty() => return Err(looking(above, &error)),
            _ => break,
        }
        if !pin::is_on_bpffs(above).map_err(|error| looking(above, &error))? {
            break;
        }
        match fs::remove_dir(above) {
            Ok(()) => found = true,
            // Others use it.
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => break,
            Err(error) => {
                return Err(
                    Failure::because(format_args!("removing {}", above.display()), &error)
                        .help("it may work when it is tried again"),
                );
            }
        }
    }
    if !found {
        return Err(failed(&PinError::NotFound { path: dir }));
    }
    Ok(())
}

/// Removes the pins in a directory of a BPF file system, links first, and the directory.
fn remove_pins(dir: &Path, out: &mut Output) -> Result {
    let failed = |error: io::Error| {
        Failure::because(format_args!("removing {}", dir.display()), &error)
            .help("some pins are left; what failed may work when it is tried again")
    };
    let entries = fs::read_dir(dir).map_err(failed)?;
    let mut entries = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<PathBuf>>>()
        .map_err(failed)?;
    // What runs ends first; the rest in an order that is the same every time.
    entries.sort_by_key(|path| (path.file_name() != Some(LINKS.as_ref()), path.clone()));
    for path in entries {
        let about = fs::symlink_metadata(&path).map_err(failed)?;
        if about.is_dir() {
            remove_pins(&path, out)?;
            continue;
        }
        let is_link = dir.file_name() == Some(LINKS.as_ref());
        match is_link {
            true => remove_link(&path)?,
            false => pin::unpin(&path).map_err(|error| self::failed(&error))?,
        }
        say!(out, "unpinned ", path.display())?;
    }
    fs::remove_dir(dir).map_err(failed)
}

/// Removes the pin of a link; where a program stands for the attachment, ends that.
fn remove_link(path: &Path) -> Result {
    match PinnedLink::from_pin(path) {
        Ok(pinned) => match pinned.link() {
            OwnedLink::Legacy(_) => {
                let link = pinned.unpin().map_err(|error| failed(&error))?;
                link.detach()
                    .map_err(|error| Failure::because(format_args!("{}", path.display()), &error))
            }
            // It ends with the last who holds it.
            _ => pin::unpin(path).map_err(|error| failed(&error)),
        },
        // Whatever it is, the attachment is gone, or is none of this network namespace.
        Err(_) => pin::unpin(path).map_err(|error| failed(&error)),
    }
}
