//! The parts of an ELF file that are looked at, in memory.
//!
//! The file is not mapped: its owner could shorten it, and access would be a bus error. Instead,
//! the headers, symbols and a few other sections are read into memory of the file's size, of which
//! what was not read takes none and is zero. So offsets are those of the file.

use std::{io, ops::Range};

use hachi_obj::file::ForeignFile;
use object::{
    Endianness,
    elf::{self, FileHeader32, FileHeader64},
    read::elf::{FileHeader, SectionHeader},
};

use crate::sys::mmap::Mmap;

/// The most that is read of one file, in bytes. (Symbols of a browser with debugging information
/// have 0.1 GiB.)
const MOST: usize = 1 << 30;

/// The most that a section or the symbols in one are decompressed to, in bytes.
#[cfg(feature = "debuginfo")]
pub(super) const MOST_DECOMPRESSED: u64 = 256 << 20;

/// Sections that are read beside those of symbols.
const WANTED: &[&[u8]] = &[
    b".note.stapsdt",
    b".stapsdt.base",
    b".note.gnu.build-id",
    b".gnu_debuglink",
    b".gnu_debugdata",
];

/// The parts of a file that were read.
pub(crate) enum Image {
    /// At their places in memory of the file's length.
    Sparse {
        memory: Mmap,
        len: usize,
        parts: Vec<Range<usize>>,
    },
    /// All of it.
    #[cfg_attr(not(feature = "debuginfo"), expect(dead_code))]
    Whole(Vec<u8>),
}

/// What of a file is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Headers and notes.
    Headers,
    /// Symbols, too.
    Symbols,
}

fn invalid(error: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

impl Image {
    /// Reads a file of either class and byte order.
    pub(crate) fn read(file: &ForeignFile, wanted: Wanted) -> io::Result<Self> {
        let len = usize::try_from(file.size()).map_err(io::Error::other)?;
        if len == 0 {
            return Err(invalid("the file is empty"));
        }
        let mut image = Image::Sparse {
            memory: Mmap::reserve(len)?,
            len,
            parts: Vec::new(),
        };
        image.load(file, 0..len.min(size_of::<FileHeader64<Endianness>>()))?;
        if !image.bytes().starts_with(b"\x7fELF") {
            let text = "it is not an ELF file (of a script, take the interpreter)";
            return Err(invalid(text));
        }
        match image.is_64() {
            true => image.load_parts::<FileHeader64<Endianness>>(file, wanted)?,
            false => image.load_parts::<FileHeader32<Endianness>>(file, wanted)?,
        }
        Ok(image)
    }

    pub(crate) fn is_64(&self) -> bool {
        self.bytes().get(4) == Some(&elf::ELFCLASS64.0)
    }

    /// Bytes of the file that are in memory.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Image::Sparse { parts, .. } => parts.iter().map(ExactSizeIterator::len).sum(),
            Image::Whole(bytes) => bytes.len(),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            // SAFETY: the memory is private to this process, has that length, is readable, and is
            // written by `load` only, which borrows it exclusively.
            Image::Sparse { memory, len, .. } => unsafe {
                std::slice::from_raw_parts(memory.ptr(), *len)
            },
            Image::Whole(bytes) => bytes,
        }
    }

    /// Reads a part of the file to its place.
    fn load(&mut self, file: &ForeignFile, part: Range<usize>) -> io::Result<()> {
        let weight = self.weight();
        let Image::Sparse { memory, len, parts } = self else {
            return Ok(());
        };
        if part.start > part.end || part.end > *len {
            return Err(invalid("a part of the file lies beyond its end"));
        }
        if weight.saturating_add(part.len()) > MOST {
            return Err(invalid("its symbols have more than 1 GiB"));
        }
        parts.push(part.clone());
        // SAFETY: the range was just checked to be inside the memory, which is writable and, by
        // `&mut self`, not looked at meanwhile.
        let place =
            unsafe { std::slice::from_raw_parts_mut(memory.ptr().add(part.start), part.len()) };
        file.read_at(part.start as u64, place)
    }

    fn load_parts<H: FileHeader<Endian = Endianness>>(
        &mut self,
        file: &ForeignFile,
        wanted: Wanted,
    ) -> io::Result<()> {
        let header = *H::parse(self.bytes()).map_err(invalid)?;
        let endian = header.endian().map_err(invalid)?;
        let (at, size) = (header.e_shoff(endian), header.e_shentsize(endian));
        if at.into() != 0 {
            // The first one has the counts that are too large for the header.
            self.load(file, part(at, u64::from(size))?)?;
            let count = header.shnum(endian, self.bytes()).map_err(invalid)?;
            self.load(file, part(at, u64::from(count) * u64::from(size))?)?;
        }
        let count = header.phnum(endian, self.bytes()).map_err(invalid)?;
        let size = u64::from(count) * u64::from(header.e_phentsize(endian));
        self.load(file, part(header.e_phoff(endian), size)?)?;
        if at.into() == 0 {
            return Ok(());
        }

        let names = header.shstrndx(endian, self.bytes()).ok();
        let sections: Vec<H::SectionHeader> = header
            .section_headers(endian, self.bytes())
            .map_err(invalid)?
            .to_vec();
        if let Some(names) = names.and_then(|index| sections.get(index as usize)) {
            self.load_section(file, endian, names)?;
        }
        let table = header.sections(endian, self.bytes()).map_err(invalid)?;
        let mut loaded = Vec::new();
        for (index, section) in sections.iter().enumerate() {
            let name = table.section_name(endian, section).unwrap_or_default();
            let is_of_symbols = matches!(
                section.sh_type(endian),
                elf::SHT_SYMTAB
                    | elf::SHT_DYNSYM
                    | elf::SHT_GNU_VERSYM
                    | elf::SHT_GNU_VERDEF
                    | elf::SHT_GNU_VERNEED
            );
            if WANTED.contains(&name) {
                loaded.push(index);
            } else if is_of_symbols && wanted == Wanted::Symbols {
                loaded.push(index);
                let strings = section.sh_link(endian) as usize;
                let is_strings =
                    |section: &H::SectionHeader| section.sh_type(endian) == elf::SHT_STRTAB;
                if sections.get(strings).is_some_and(is_strings) {
                    loaded.push(strings);
                }
            }
        }
        loaded.sort_unstable();
        loaded.dedup();
        for &index in &loaded {
            self.load_section(file, endian, &sections[index])?;
        }
        loaded.retain(|&index| {
            let flags = sections[index].sh_flags(endian);
            flags.contains(elf::SHF_COMPRESSED)
        });
        self.decompress::<H>(&header, endian, &sections, &loaded)
    }

    fn load_section<S: SectionHeader<Endian = Endianness>>(
        &mut self,
        file: &ForeignFile,
        endian: Endianness,
        section: &S,
    ) -> io::Result<()> {
        match section.file_range(endian) {
            Some((at, size)) => self.load(file, part(at, size)?),
            None => Ok(()),
        }
    }

    #[cfg(not(feature = "debuginfo"))]
    fn decompress<H: FileHeader<Endian = Endianness>>(
        &mut self,
        _: &H,
        _: Endianness,
        _: &[H::SectionHeader],
        compressed: &[usize],
    ) -> io::Result<()> {
        match compressed {
            [] => Ok(()),
            _ => Err(invalid(
                "its symbols are compressed, and hachi was built without its feature `debuginfo`",
            )),
        }
    }

    /// Puts what is in compressed sections behind the file, and has their headers lead there.
    #[cfg(feature = "debuginfo")]
    fn decompress<H: FileHeader<Endian = Endianness>>(
        &mut self,
        header: &H,
        endian: Endianness,
        sections: &[H::SectionHeader],
        compressed: &[usize],
    ) -> io::Result<()> {
        use object::read::elf::CompressionHeader as _;
        if compressed.is_empty() {
            return Ok(());
        }
        let mut contents = Vec::new();
        let mut room = MOST_DECOMPRESSED;
        for &index in compressed {
            let (about, at, size) = sections[index]
                .compression(endian, self.bytes())
                .map_err(invalid)?
                .ok_or_else(|| invalid("a section is not compressed"))?;
            let bytes = self.bytes().get(part(at, size)?).unwrap_or_default();
            let bytes = inflate(
                about.ch_type(endian),
                bytes,
                about.ch_size(endian).into(),
                room,
            )?;
            room -= bytes.len() as u64;
            contents.push((index, bytes));
        }
        let Image::Sparse { memory, len, parts } = self else {
            return Ok(());
        };
        let extra: usize = contents.iter().map(|(_, bytes)| bytes.len()).sum();
        let all = len
            .checked_add(extra)
            .ok_or_else(|| invalid("it is too large"))?;
        let larger = Mmap::reserve(all)?;
        // SAFETY: the new memory has that length, is writable, and only this function knows it.
        let to = unsafe { std::slice::from_raw_parts_mut(larger.ptr(), all) };
        // SAFETY: as in `bytes`.
        let from = unsafe { std::slice::from_raw_parts(memory.ptr(), *len) };
        for part in parts.iter() {
            to[part.clone()].copy_from_slice(&from[part.clone()]);
        }
        let table = header.e_shoff(endian).into() as usize;
        let mut end = *len;
        for (index, bytes) in contents {
            let entry = table + index * usize::from(header.e_shentsize(endian));
            let mut put = |at: usize, value: usize| {
                let word = if header.is_type_64() { 8 } else { 4 };
                let value = (value as u64).to_le_bytes();
                let place = &mut to[entry + at..][..word];
                place.copy_from_slice(&value[..word]);
                if endian == Endianness::Big {
                    place.reverse();
                }
            };
            // Where flags, offset and size are in `Elf64_Shdr` and `Elf32_Shdr`.
            let [flags, offset, size] = match header.is_type_64() {
                true => [8, 24, 32],
                false => [8, 16, 20],
            };
            put(flags, 0);
            put(offset, end);
            put(size, bytes.len());
            to[end..][..bytes.len()].copy_from_slice(&bytes);
            parts.push(end..end + bytes.len());
            end += bytes.len();
        }
        *memory = larger;
        *len = all;
        Ok(())
    }
}

/// What is in a compressed section, which says that it has `size` bytes; at most `room`.
#[cfg(feature = "debuginfo")]
fn inflate(kind: elf::CompressionType, bytes: &[u8], size: u64, room: u64) -> io::Result<Vec<u8>> {
    use std::io::Read as _;
    let size = usize::try_from(size.min(room)).map_err(invalid)?;
    let mut found = Vec::new();
    match kind {
        elf::ELFCOMPRESS_ZLIB => {
            found = miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(bytes, size)
                .map_err(invalid)?;
        }
        elf::ELFCOMPRESS_ZSTD => {
            ruzstd::decoding::StreamingDecoder::new(bytes)
                .map_err(invalid)?
                .take(size as u64 + 1)
                .read_to_end(&mut found)?;
        }
        _ => return Err(invalid("a section is compressed in an unknown way")),
    }
    match found.len() == size {
        true => Ok(found),
        false => Err(invalid("a compressed section is damaged, or far too large")),
    }
}

fn part(at: impl Into<u64>, size: impl Into<u64>) -> io::Result<Range<usize>> {
    let (at, size): (u64, u64) = (at.into(), size.into());
    let end = at.checked_add(size);
    let range = end.and_then(|end| Some(usize::try_from(at).ok()?..usize::try_from(end).ok()?));
    range.ok_or_else(|| invalid("a part of the file lies beyond its end"))
}
