//! The symbols of an ELF file, and places in it by address.

use std::{io, ops::Range};

use object::{
    Endianness, SymbolIndex,
    elf::{self, FileHeader32, FileHeader64},
    read::elf::{FileHeader, ProgramHeader as _, SectionHeader as _, Sym as _, VersionTable},
};

use super::image::Image;

/// The functions that one file defines, sorted by their names.
pub(super) struct Symbols {
    pub(super) image: Image,
    pub(super) functions: Vec<Function>,
}

/// A function, whose names are parts of the image.
pub(super) struct Function {
    name: Range<usize>,
    /// `GLIBC_2.34`, if symbols have versions.
    version: Option<Range<usize>>,
    /// The version is not the one that linkers choose.
    hidden: bool,
    global: bool,
    pub(super) address: u64,
}

/// A function as a symbol table has it.
#[derive(Clone, Debug)]
struct Symbol<'a> {
    name: &'a str,
    version: Option<&'a str>,
    hidden: bool,
    global: bool,
    address: u64,
}

/// A part of the file that is mapped at an address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    pub(crate) address: u64,
    pub(super) offset: u64,
    pub(super) size: u64,
    pub(crate) executable: bool,
}

/// A section with the address it is mapped at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section<'a> {
    pub(crate) address: u64,
    pub(crate) data: &'a [u8],
}

type Parsed<T> = Result<T, object::read::Error>;

impl Symbols {
    pub(super) fn of(image: Image) -> io::Result<Self> {
        let bytes = image.bytes();
        // Names are parts of the image, since symbols are read from it.
        let part = |text: &str| {
            let start = text.as_ptr() as usize - bytes.as_ptr() as usize;
            start..start + text.len()
        };
        let found = match image.is_64() {
            true => functions::<FileHeader64<Endianness>>(bytes),
            false => functions::<FileHeader32<Endianness>>(bytes),
        };
        let mut found = found.map_err(invalid)?;
        found.sort_by(|a, b| a.name.cmp(b.name));
        let functions = found
            .iter()
            .map(|symbol| Function {
                name: part(symbol.name),
                version: symbol.version.map(part),
                hidden: symbol.hidden,
                global: symbol.global,
                address: symbol.address,
            })
            .collect();
        Ok(Symbols { image, functions })
    }

    fn text(&self, part: &Range<usize>) -> &str {
        let bytes = self.image.bytes().get(part.clone()).unwrap_or_default();
        // It was text when it was read, and the image does not change.
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    pub(super) fn version(&self, function: &Function) -> Option<&str> {
        Some(self.text(function.version.as_ref()?))
    }

    pub(super) fn names(&self) -> impl Iterator<Item = (&str, &Function)> {
        self.functions
            .iter()
            .map(|function| (self.text(&function.name), function))
    }

    /// All functions of this name.
    pub(super) fn named(&self, name: &str) -> &[Function] {
        let bytes = self.image.bytes();
        let order = |function: &Function| bytes[function.name.clone()].cmp(name.as_bytes());
        let start = (self.functions).partition_point(|function| order(function).is_lt());
        let rest = &self.functions[start..];
        &rest[..rest.partition_point(|function| order(function).is_eq())]
    }

    /// Where the functions are that a name and perhaps a version stand for, as linked.
    pub(super) fn addresses(&self, name: &str, version: Option<&str>) -> Vec<u64> {
        // The version that linkers choose counts more than others, and what others can see more
        // than what they cannot.
        let rank = |function: &Function| (!function.hidden, function.global);
        let candidates = || {
            (self.named(name).iter())
                .filter(|function| version.is_none() || self.version(function) == version)
        };
        let Some(best) = candidates().map(rank).max() else {
            return Vec::new();
        };
        let mut addresses: Vec<_> = candidates()
            .filter(|function| rank(function) == best)
            .map(|function| function.address)
            .collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }
}

fn invalid(error: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

impl Image {
    pub(super) fn segments(&self) -> io::Result<Vec<Segment>> {
        let found = match self.is_64() {
            true => segments::<FileHeader64<Endianness>>(self.bytes()),
            false => segments::<FileHeader32<Endianness>>(self.bytes()),
        };
        found.map_err(invalid)
    }

    /// A section that is read with every image.
    pub(super) fn section(&self, name: &str) -> io::Result<Option<Section<'_>>> {
        let found = match self.is_64() {
            true => section::<FileHeader64<Endianness>>(self.bytes(), name),
            false => section::<FileHeader32<Endianness>>(self.bytes(), name),
        };
        found.map_err(invalid)
    }

    /// Whether its byte order is the machine's.
    pub(super) fn is_native(&self) -> bool {
        let big = self.bytes().get(5) == Some(&elf::ELFDATA2MSB.0);
        big == cfg!(target_endian = "big")
    }
}

/// Where in the file an address is.
pub(crate) fn offset_in(segments: &[Segment], address: u64) -> Option<u64> {
    segments.iter().find_map(|segment| {
        let inside = address.checked_sub(segment.address)?;
        (inside < segment.size).then(|| segment.offset.checked_add(inside))?
    })
}

fn functions<H: FileHeader<Endian = Endianness>>(bytes: &[u8]) -> Parsed<Vec<Symbol<'_>>> {
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
            functions.push(Symbol {
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
