//! `/etc/ld.so.cache`: which file the dynamic linker takes for the name of a library.
//!
//! The format is that of glibc (`sysdeps/generic/dl-cache.h`), alone or behind the one of libc5.

use std::{
    borrow::Cow,
    io,
    path::{Path, PathBuf},
};

use hachi_obj::file;

use super::error::{PlaceError, Result};

const OLD: &[u8] = b"ld.so-1.7.0\0";
const NEW: &[u8] = b"glibc-ld.so.cache1.1";

/// The bits of an entry's flags that tell machines apart, for this machine's 64-bit libraries.
const MACHINE: Option<u32> = if cfg!(target_arch = "x86_64") {
    Some(0x0300)
} else if cfg!(target_arch = "aarch64") {
    Some(0x0a00)
} else if cfg!(target_arch = "s390x") {
    Some(0x0400)
} else if cfg!(target_arch = "powerpc64") {
    Some(0x0500)
} else {
    None
};

/// The most that the cache has: an entry takes 24 bytes and two names.
const LARGEST: u64 = 64 << 20;

/// The file of library `name`: its soname (`libc.so.6`), or that without what follows (`libc`,
/// `libc.so`). `None` if it is not in the cache below `root`, or there is none that this process
/// may read. The path is as seen from there.
pub(crate) fn find(root: &Path, name: &str) -> Result<Option<PathBuf>> {
    let path = root.join("etc/ld.so.cache");
    match file::read(&path, LARGEST) {
        Ok(cache) => Ok(look_up(&cache, name)),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => Ok(None),
            _ => Err(PlaceError::io(path.display().to_string(), error)),
        },
    }
}

pub(crate) fn look_up(cache: &[u8], name: &str) -> Option<PathBuf> {
    let mut best = None;
    for (flags, soname, path) in entries(cache)? {
        if MACHINE.is_some_and(|machine| flags & 0xff00 != machine) {
            continue;
        }
        if soname == name {
            return Some(PathBuf::from(path.as_ref()));
        }
        let rest = soname.strip_prefix(name);
        if best.is_none()
            && rest.is_some_and(|rest| {
                rest.starts_with(".so") || name.ends_with(".so") && rest.starts_with('.')
            })
        {
            best = Some(PathBuf::from(path.as_ref()));
        }
    }
    best
}

type Entry<'a> = (u32, Cow<'a, str>, Cow<'a, str>);

/// Flags, soname and path of each entry.
fn entries(cache: &[u8]) -> Option<impl Iterator<Item = Entry<'_>>> {
    let cache = new_part(cache)?;
    let count = word(cache, NEW.len())? as usize;
    // The header has 48 bytes, an entry 24.
    let table = cache.get(48..)?;
    Some(table.chunks_exact(24).take(count).filter_map(move |entry| {
        let text = |at| {
            let rest = cache.get(word(entry, at)? as usize..)?;
            let end = rest.iter().position(|&byte| byte == 0)?;
            Some(String::from_utf8_lossy(&rest[..end]))
        };
        Some((word(entry, 0)?, text(4)?, text(8)?))
    }))
}

/// Skips the table of libc5, if there is one.
fn new_part(cache: &[u8]) -> Option<&[u8]> {
    if cache.starts_with(NEW) {
        return Some(cache);
    }
    if !cache.starts_with(OLD) {
        return None;
    }
    let count = word(cache, OLD.len())? as usize;
    let end = count.checked_mul(12)?.checked_add(OLD.len() + 4)?;
    let rest = cache.get(end.checked_next_multiple_of(8)?..)?;
    rest.starts_with(NEW).then_some(rest)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_ne_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(libraries: &[(u32, &str, &str)]) -> Vec<u8> {
        let mut strings = Vec::new();
        let mut table = Vec::new();
        let base = 48 + 24 * libraries.len();
        for (flags, soname, path) in libraries {
            table.extend(flags.to_ne_bytes());
            for text in [soname, path] {
                table.extend(((base + strings.len()) as u32).to_ne_bytes());
                strings.extend(text.as_bytes());
                strings.push(0);
            }
            table.extend([0; 12]);
        }
        let mut bytes = NEW.to_vec();
        bytes.extend((libraries.len() as u32).to_ne_bytes());
        bytes.extend((strings.len() as u32).to_ne_bytes());
        bytes.resize(48, 0);
        bytes.extend(table);
        bytes.extend(strings);
        bytes
    }

    #[test]
    fn names_whole_or_in_part() {
        let ours = MACHINE.unwrap_or(0) | 3;
        let new = cache(&[
            (0x0900, "libc.so.6", "/lib32/libc.so.6"),
            (ours, "libcap.so.2", "/lib/libcap.so.2"),
            (ours, "libc.so.6", "/lib/libc.so.6"),
        ]);
        let mut old = OLD.to_vec();
        old.extend(1u32.to_ne_bytes());
        old.resize(32, 0);
        old.extend(&new);
        for bytes in [new, old] {
            for name in ["libc.so.6", "libc", "libc.so"] {
                let found = look_up(&bytes, name);
                if MACHINE.is_some() {
                    assert_eq!(found, Some(PathBuf::from("/lib/libc.so.6")), "{name}");
                }
            }
            assert_eq!(look_up(&bytes, "libx"), None);
            for len in 0..bytes.len() {
                let _ = look_up(&bytes[..len], "libc");
            }
        }
    }
}
