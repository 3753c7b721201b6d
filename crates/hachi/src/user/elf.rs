//! Binaries: symbols, and places in the file by address.

use std::{
    fs::File,
    io,
    os::fd::AsFd as _,
    path::{Path, PathBuf},
};

use object::{
    Endianness, SymbolIndex,
    elf::{self, FileHeader32, FileHeader64},
    read::elf::{FileHeader, ProgramHeader as _, SectionHeader as _, Sym as _, VersionTable},
};

use super::error::{PlaceError, Result};
use crate::{
    near, pattern,
    sys::mmap::Mmap,
    target::{BinaryProblem, Hint, NoSuchTarget, TargetKind},
};

/// A binary, mapped into memory.
pub(crate) struct Binary {
    path: PathBuf,
    map: Mmap,
    len: usize,
}

/// A function of a binary.
#[derive(Clone, Debug)]
pub(crate) struct Function<'a> {
    pub(crate) name: &'a str,
    /// `GLIBC_2.34`, if symbols have versions.
    version: Option<&'a str>,
    /// The version is not the one that linkers choose.
    hidden: bool,
    global: bool,
    pub(crate) address: u64,
}

/// A part of the file that is mapped at an address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    pub(crate) address: u64,
    offset: u64,
    size: u64,
    pub(crate) executable: bool,
}

/// A section with the address it is mapped at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section<'a> {
    pub(crate) address: u64,
    pub(crate) data: &'a [u8],
}

type Parsed<T> = Result<T, object::read::Error>;

impl Binary {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        Self::map(path).map_err(|error| PlaceError::io(path, error))
    }

    fn map(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let len = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        if len == 0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the file is empty",
            ));
        }
        let binary = Binary {
            path: path.to_owned(),
            map: Mmap::read_only(file.as_fd(), len)?,
            len,
        };
        match binary.bytes() {
            [0x7f, b'E', b'L', b'F', ..] => Ok(binary),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "it is not an ELF file (of a script, take the interpreter)",
            )),
        }
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: the mapping has that length, is readable, and lives as long as `self`. Should
        // somebody shorten the file meanwhile, access is a bus error, as with any mapped binary.
        unsafe { std::slice::from_raw_parts(self.map.ptr(), self.len) }
    }

    fn malformed(&self, error: object::read::Error) -> PlaceError {
        PlaceError::io(
            &self.path,
            io::Error::new(io::ErrorKind::InvalidData, error.to_string()),
        )
    }

    fn is_64(&self) -> bool {
        self.bytes().get(4) == Some(&elf::ELFCLASS64.0)
    }

    /// All functions defined here, those for the dynamic linker first.
    pub(crate) fn functions(&self) -> Result<Vec<Function<'_>>> {
        let found = if self.is_64() {
            functions::<FileHeader64<Endianness>>(self.bytes())
        } else {
            functions::<FileHeader32<Endianness>>(self.bytes())
        };
        found.map_err(|error| self.malformed(error))
    }

    pub(crate) fn segments(&self) -> Result<Vec<Segment>> {
        let found = if self.is_64() {
            segments::<FileHeader64<Endianness>>(self.bytes())
        } else {
            segments::<FileHeader32<Endianness>>(self.bytes())
        };
        found.map_err(|error| self.malformed(error))
    }

    pub(crate) fn section(&self, name: &str) -> Result<Option<Section<'_>>> {
        let found = if self.is_64() {
            section::<FileHeader64<Endianness>>(self.bytes(), name)
        } else {
            section::<FileHeader32<Endianness>>(self.bytes(), name)
        };
        found.map_err(|error| self.malformed(error))
    }

    /// Bytes of an address, and whether the byte order is the machine's.
    pub(crate) fn word(&self) -> (usize, bool) {
        let big = self.bytes().get(5) == Some(&elf::ELFDATA2MSB.0);
        let word = if self.is_64() { 8 } else { 4 };
        (word, big == cfg!(target_endian = "big"))
    }

    /// Whether it is loaded at other addresses than it was linked for (`ET_DYN`).
    pub(crate) fn is_movable(&self) -> bool {
        let kind = self
            .bytes()
            .get(16..18)
            .and_then(|bytes| bytes.try_into().ok());
        kind.map(u16::from_ne_bytes) != Some(elf::ET_EXEC.0)
    }

    /// Where in the file the byte at `address` is.
    pub(crate) fn offset_of(&self, address: u64) -> Result<u64> {
        offset_in(&self.segments()?, address).ok_or_else(|| {
            PlaceError::unusable(&self.path, BinaryProblem::AddressOutside { address })
        })
    }

    /// The kernel does not look whether there is anything.
    pub(crate) fn check_offset(&self, offset: u64) -> Result<()> {
        if offset < self.len as u64 {
            return Ok(());
        }
        Err(PlaceError::unusable(
            &self.path,
            BinaryProblem::OffsetOutside {
                offset,
                size: self.len as u64,
            },
        ))
    }

    /// Where in the file the function called `name` begins. `name` may have a version, as in
    /// `pthread_create@GLIBC_2.2.5`.
    pub(crate) fn function_offset(&self, name: &str) -> Result<u64> {
        let functions = self.functions()?;
        let (wanted, version) = match name.split_once('@') {
            Some((wanted, version)) => (wanted, Some(version.trim_start_matches('@'))),
            None => (name, None),
        };
        // The version that linkers choose counts more than others, and what others can see more
        // than what they cannot.
        let rank = |function: &Function<'_>| (!function.hidden, function.global);
        let candidates: Vec<_> = functions
            .iter()
            .filter(|function| {
                function.name == wanted
                    && version.is_none_or(|version| function.version == Some(version))
            })
            .collect();
        let Some(best) = candidates.iter().map(|function| rank(function)).max() else {
            return Err(self.no_function(&functions, wanted, version));
        };
        let mut addresses: Vec<_> = candidates
            .iter()
            .filter(|function| rank(function) == best)
            .map(|function| function.address)
            .collect();
        addresses.sort_unstable();
        addresses.dedup();
        match addresses.as_slice() {
            [address] => self.offset_of(*address),
            _ => Err(PlaceError::unusable(
                &self.path,
                BinaryProblem::Ambiguous {
                    name: name.to_owned(),
                    addresses,
                },
            )),
        }
    }

    /// Where in the file the functions begin whose names fit `pattern`, each place once.
    pub(crate) fn matching_offsets(&self, pattern: &str) -> Result<Vec<u64>> {
        let segments = self.segments()?;
        let mut offsets: Vec<u64> = self
            .functions()?
            .iter()
            .filter(|function| pattern::fits(pattern.as_bytes(), function.name.as_bytes()))
            .filter_map(|function| offset_in(&segments, function.address))
            .collect();
        offsets.sort_unstable();
        offsets.dedup();
        if offsets.is_empty() {
            return Err(NoSuchTarget::new(TargetKind::Function, pattern)
                .in_file(&self.path)
                .hint(Hint::NothingFits)
                .into());
        }
        Ok(offsets)
    }

    fn no_function(
        &self,
        functions: &[Function<'_>],
        wanted: &str,
        version: Option<&str>,
    ) -> PlaceError {
        let versions: Vec<_> = functions
            .iter()
            .filter(|function| function.name == wanted)
            .filter_map(|function| Some(function.version?.to_owned()))
            .collect();
        let hint = if version.is_some() && !versions.is_empty() {
            Hint::Versions(versions)
        } else if functions.is_empty() {
            Hint::Stripped
        } else {
            let names = functions.iter().map(|function| function.name);
            Hint::Similar(near::similar(wanted, names))
        };
        let name = match version {
            Some(version) => format!("{wanted}@{version}"),
            None => wanted.to_owned(),
        };
        NoSuchTarget::new(TargetKind::Function, name)
            .in_file(&self.path)
            .hint(hint)
            .into()
    }
}

/// Where in the file an address is.
pub(crate) fn offset_in(segments: &[Segment], address: u64) -> Option<u64> {
    segments.iter().find_map(|segment| {
        let inside = address.checked_sub(segment.address)?;
        (inside < segment.size).then(|| segment.offset.checked_add(inside))?
    })
}

fn functions<H: FileHeader<Endian = Endianness>>(bytes: &[u8]) -> Parsed<Vec<Function<'_>>> {
    let header = H::parse(bytes)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, bytes)?;
    let mut functions = Vec::new();
    for table in [elf::SHT_DYNSYM, elf::SHT_SYMTAB] {
        let symbols = sections.symbols(endian, bytes, table)?;
        let versions = match table {
            elf::SHT_DYNSYM => sections.versions(endian, bytes)?,
            _ => None,
        };
        for (index, symbol) in symbols.enumerate() {
            if symbol.st_type() != elf::STT_FUNC || symbol.is_undefined(endian) {
                continue;
            }
            let Ok(Ok(name)) = symbols.symbol_name(endian, symbol).map(std::str::from_utf8) else {
                continue;
            };
            // The plain table has versions in the names.
            let (name, in_name) = match name.split_once('@') {
                Some((name, version)) => (name, Some(version)),
                None => (name, None),
            };
            let (version, hidden) = match in_name {
                Some(text) => match text.strip_prefix('@') {
                    Some(version) => (Some(version), false),
                    None => (Some(text), true),
                },
                None => version::<H>(versions.as_ref(), endian, index),
            };
            functions.push(Function {
                name,
                version,
                hidden,
                global: symbol.st_bind() != elf::STB_LOCAL,
                address: symbol.st_value(endian).into(),
            });
        }
    }
    Ok(functions)
}

fn version<'a, H: FileHeader<Endian = Endianness>>(
    versions: Option<&VersionTable<'a, H>>,
    endian: Endianness,
    index: SymbolIndex,
) -> (Option<&'a str>, bool) {
    let Some(versions) = versions else {
        return (None, false);
    };
    let at = versions.version_index(endian, index);
    let name = match versions.version(at.index()) {
        Ok(Some(version)) => std::str::from_utf8(version.name()).ok(),
        _ => None,
    };
    (name, at.is_hidden())
}

fn segments<H: FileHeader<Endian = Endianness>>(bytes: &[u8]) -> Parsed<Vec<Segment>> {
    let header = H::parse(bytes)?;
    let endian = header.endian()?;
    let segments = header.program_headers(endian, bytes)?.iter();
    Ok(segments
        .filter(|segment| segment.p_type(endian) == elf::PT_LOAD)
        .map(|segment| Segment {
            address: segment.p_vaddr(endian).into(),
            offset: segment.p_offset(endian).into(),
            size: segment.p_filesz(endian).into(),
            executable: segment.p_flags(endian).contains(elf::PF_X),
        })
        .collect())
}

fn section<'a, H: FileHeader<Endian = Endianness>>(
    bytes: &'a [u8],
    name: &str,
) -> Parsed<Option<Section<'a>>> {
    let header = H::parse(bytes)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, bytes)?;
    let Some((_, section)) = sections.section_by_name(endian, name.as_bytes()) else {
        return Ok(None);
    };
    Ok(Some(Section {
        address: section.sh_addr(endian).into(),
        data: section.data(endian, bytes)?,
    }))
}

/// Reads `bytes` as a binary of either class.
#[cfg(any(fuzzing, test))]
pub(crate) fn fuzz(bytes: &[u8]) {
    let _ = functions::<FileHeader64<Endianness>>(bytes);
    let _ = functions::<FileHeader32<Endianness>>(bytes);
    for name in [".note.stapsdt", ".stapsdt.base"] {
        let _ = section::<FileHeader64<Endianness>>(bytes, name);
        let _ = section::<FileHeader32<Endianness>>(bytes, name);
    }
    for segments in [
        segments::<FileHeader64<Endianness>>(bytes),
        segments::<FileHeader32<Endianness>>(bytes),
    ]
    .into_iter()
    .flatten()
    {
        let _ = offset_in(&segments, u64::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[unsafe(no_mangle)]
    #[inline(never)]
    extern "C" fn hachi_test_function_of_this_binary() -> u32 {
        std::hint::black_box(7)
    }

    #[test]
    fn functions_are_found_where_they_are() {
        assert_eq!(hachi_test_function_of_this_binary(), 7);
        let exe = std::env::current_exe().unwrap();
        let binary = Binary::open(&exe).unwrap();
        let offset = binary
            .function_offset("hachi_test_function_of_this_binary")
            .unwrap();
        // What the file has there is what runs.
        let code = hachi_test_function_of_this_binary as *const u8;
        // SAFETY: at least one instruction lies there.
        assert_eq!(binary.bytes()[offset as usize], unsafe { *code });
        let error = binary
            .function_offset("hachi_test_function_of_this_binery")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("did you mean \"hachi_test_function_of_this_binary\"?"),
            "{error}"
        );
    }

    #[test]
    fn refuses_a_path_that_is_not_a_binary() {
        for (path, text) in [("/nowhere", "No such file"), ("/proc/self/status", "")] {
            let Err(error) = Binary::open(Path::new(path)) else {
                panic!("{path}")
            };
            let error = error.to_string();
            assert!(error.contains(path) && error.contains(text), "{error}");
        }
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let Err(error) = Binary::open(Path::new(script)) else {
            panic!()
        };
        assert!(error.to_string().contains("not an ELF file"), "{error}");
    }
}
