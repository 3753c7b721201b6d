//! USDT: probes that a program's author put there, described in ELF notes.
//!
//! The format of the notes is SystemTap's (`UserSpaceProbeImplementation`, `sys/sdt.h`).

use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{
    elf::Binary,
    error::{PlaceError, Result},
    symbols::{Section, Segment, offset_in},
};
use crate::{
    near::Near,
    target::{BinaryProblem, Hint, NoSuchTarget, TargetKind},
};

/// Which records of an object's array `__bpf_usdt_specs` are in use.
#[derive(Debug, Default)]
pub(crate) struct SpecIds(Mutex<Vec<bool>>);

impl SpecIds {
    fn lock(&self) -> MutexGuard<'_, Vec<bool>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first that is free.
    pub(crate) fn take(&self, capacity: u32) -> Option<u32> {
        let mut used = self.lock();
        let at = used.iter().position(|used| !used).unwrap_or(used.len());
        let id = u32::try_from(at).ok().filter(|&id| id < capacity)?;
        if at == used.len() {
            used.push(true);
        } else {
            used[at] = true;
        }
        Some(id)
    }

    /// Lets it be taken again.
    pub(crate) fn release(&self, id: u32) {
        if let Some(used) = self.lock().get_mut(id as usize) {
            *used = false;
        }
    }
}

/// A place where a probe is passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    /// In memory, as linked.
    pub(crate) address: u64,
    /// In the file.
    pub(crate) offset: u64,
    /// Where in the file the counter is that the program looks at; 0 for none.
    pub(crate) semaphore: u64,
    /// How to get at the arguments, in the assembler's words.
    pub(crate) arguments: String,
}

/// A note as it stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Note<'a> {
    location: u64,
    base: u64,
    semaphore: u64,
    provider: &'a str,
    name: &'a str,
    arguments: &'a str,
}

#[cfg(any(fuzzing, test))]
impl<'a> Note<'a> {
    pub(crate) fn arguments(&self) -> &'a str {
        self.arguments
    }
}

/// All places of probe `provider`:`name`.
pub(crate) fn sites(binary: &Binary, provider: &str, name: &str, path: &Path) -> Result<Vec<Site>> {
    let (word, ours) = binary.word();
    if !ours {
        return Err(PlaceError::unusable(path, BinaryProblem::OtherByteOrder));
    }
    let segments = binary.segments();
    let base = binary.section(".stapsdt.base")?;
    let section = binary.section(".note.stapsdt")?;
    let data = section.map_or(&[][..], |section| section.data);
    let mut found = Vec::new();
    let probe = format!("{provider}:{name}");
    let mut near = Near::new(&probe);
    for note in notes(data, word) {
        if note.provider == provider && note.name == name {
            let site = site(&note, base, segments).ok_or_else(|| {
                PlaceError::unusable(
                    path,
                    BinaryProblem::BrokenProbe {
                        probe: probe.clone(),
                        address: note.location,
                    },
                )
            })?;
            found.push(site);
        } else {
            near.offer(&format!("{}:{}", note.provider, note.name));
        }
    }
    if found.is_empty() {
        let hint = match data.is_empty() {
            true => Hint::NoProbes,
            false => Hint::Similar(near.names()),
        };
        return Err(NoSuchTarget::new(TargetKind::UsdtProbe, probe)
            .in_file(path)
            .hint(hint)
            .into());
    }
    Ok(found)
}

/// Places are as at the time the notes were written; a tool that moved the code (prelink) moved the
/// base with it.
fn site(note: &Note<'_>, base: Option<Section<'_>>, segments: &[Segment]) -> Option<Site> {
    let moved = match base {
        Some(base) if note.base != 0 => base.address.wrapping_sub(note.base),
        _ => 0,
    };
    let address = note.location.wrapping_add(moved);
    let code: Vec<_> = segments
        .iter()
        .copied()
        .filter(|segment| segment.executable)
        .collect();
    let semaphore = match note.semaphore {
        0 => 0,
        at => offset_in(segments, at.wrapping_add(moved))?,
    };
    Some(Site {
        address,
        offset: offset_in(&code, address)?,
        semaphore,
        arguments: note.arguments.to_owned(),
    })
}

/// The notes of a section, for addresses of `word` bytes. Ends at the first that is malformed.
pub(crate) fn notes(mut data: &[u8], word: usize) -> impl Iterator<Item = Note<'_>> {
    std::iter::from_fn(move || {
        loop {
            let (raw, rest) = raw_note(data)?;
            data = rest;
            if raw.name == b"stapsdt\0"
                && raw.kind == 3
                && let Some(note) = probe(raw.description, word)
            {
                return Some(note);
            }
        }
    })
}

/// A note of any kind.
struct RawNote<'a> {
    name: &'a [u8],
    kind: u32,
    description: &'a [u8],
}

/// The first note, and what follows it.
fn raw_note(data: &[u8]) -> Option<(RawNote<'_>, &[u8])> {
    let number = |at: usize| Some(u32::from_ne_bytes(*data.get(at..)?.first_chunk::<4>()?));
    let (name_len, len, kind) = (number(0)? as usize, number(4)? as usize, number(8)?);
    let rest = data.get(12..)?;
    let name = rest.get(..name_len)?;
    let rest = rest.get(name_len.checked_next_multiple_of(4)?..)?;
    let description = rest.get(..len)?;
    // The last one may lack its padding.
    let end = len.checked_next_multiple_of(4)?.min(rest.len());
    let note = RawNote {
        name,
        kind,
        description,
    };
    Some((note, &rest[end..]))
}

/// Three addresses and three strings.
fn probe(description: &[u8], word: usize) -> Option<Note<'_>> {
    let address = |index: usize| {
        let bytes = description.get(index * word..)?;
        Some(match word {
            8 => u64::from_ne_bytes(*bytes.first_chunk()?),
            _ => u32::from_ne_bytes(*bytes.first_chunk()?).into(),
        })
    };
    let mut strings = description
        .get(3 * word..)?
        .split(|&byte| byte == 0)
        .map(|text| std::str::from_utf8(text).ok());
    Some(Note {
        location: address(0)?,
        base: address(1)?,
        semaphore: address(2)?,
        provider: strings.next()??,
        name: strings.next()??,
        arguments: strings.next()??,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(strings: &str) -> Vec<u8> {
        let mut description = Vec::new();
        for address in [0x1000u64, 0x2000, 0x3000] {
            description.extend(address.to_ne_bytes());
        }
        description.extend(strings.bytes());
        let mut bytes = Vec::new();
        for number in [8, description.len() as u32, 3] {
            bytes.extend(number.to_ne_bytes());
        }
        bytes.extend(b"stapsdt\0");
        bytes.extend(&description);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn notes_are_read_and_the_broken_end_it() {
        let mut bytes = note("libc\0setjmp\08@%rdi -4@%esi\0");
        bytes.extend(note("a\0b\0\0"));
        let found: Vec<_> = notes(&bytes, 8).collect();
        assert_eq!(found.len(), 2);
        assert_eq!(
            found[0],
            Note {
                location: 0x1000,
                base: 0x2000,
                semaphore: 0x3000,
                provider: "libc",
                name: "setjmp",
                arguments: "8@%rdi -4@%esi",
            }
        );
        for len in 0..bytes.len() {
            for word in [4, 8] {
                assert!(notes(&bytes[..len], word).count() <= 2);
            }
        }
        let mut endless = bytes.clone();
        endless[4..8].fill(0xff);
        assert_eq!(notes(&endless, 8).count(), 0);
    }

    #[test]
    fn released_records_are_taken_again() {
        let ids = SpecIds::default();
        assert_eq!(
            [ids.take(2), ids.take(2), ids.take(2)],
            [Some(0), Some(1), None]
        );
        ids.release(0);
        assert_eq!([ids.take(2), ids.take(2)], [Some(0), None]);
    }
}
