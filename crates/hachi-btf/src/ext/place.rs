//! `.BTF.ext` read in place: which records there are, without copying them.

use hachi_asm::Endian;

use super::{CoreRelo, CoreReloKind, FuncInfo};
use crate::reader::Header;
use crate::{Btf, Error, Malformed, Part, RecordsFault};

/// Where the records of a `.BTF.ext` section are.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExtIndex {
    /// The byte order of all records.
    pub endian: Endian,
    /// Where the [`FuncInfo`]s are.
    pub func_info: Vec<Place>,
    /// Where the [`LineRecord`]s are.
    pub line_info: Vec<Place>,
    /// Where the [`CoreRecord`]s are.
    pub core_relos: Vec<Place>,
}

/// Where the records of one kind for one ELF section are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// Name of the ELF section, as the offset of a string of the types.
    pub section: u32,
    /// Where the first record begins in `.BTF.ext`, in bytes.
    pub start: usize,
    /// How many records there are.
    pub count: usize,
    /// Bytes of each; what follows the known ones is for newer readers.
    pub size: usize,
}

/// A record that consists of words.
pub trait Record: Sized {
    /// How many.
    const WORDS: usize;

    /// From the first words, of which those beyond [`Record::WORDS`] are 0.
    fn from_words(words: [u32; 4]) -> Self;

    /// Reads a record at the start of `bytes`; what is cut off reads as 0.
    fn read(bytes: &[u8], endian: Endian) -> Self {
        let (words, _) = bytes.as_chunks::<4>();
        let word = |i| match words.get(i) {
            Some(word) if i < Self::WORDS => endian.u32(*word),
            _ => 0,
        };
        Self::from_words(std::array::from_fn(word))
    }
}

/// A source line begins here. As in the file: text is given as offsets of the types' strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineRecord {
    /// Where: bytes from the start of the ELF section in the file, instructions from the start of
    /// the program where the kernel wants it.
    pub insn_off: u32,
    /// The source file's name.
    pub file: u32,
    /// The text of the line.
    pub text: u32,
    /// The line's number, above 10 bits with the column's.
    pub line_col: u32,
}

impl LineRecord {
    /// Number of the line, from 1.
    pub fn line(self) -> u32 {
        self.line_col >> 10
    }

    /// Column, from 1.
    pub fn column(self) -> u32 {
        self.line_col & 0x3ff
    }
}

/// A CO-RE record as in the file: the path is given as the offset of a string of the types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoreRecord {
    /// Where, as in [`LineRecord::insn_off`].
    pub insn_off: u32,
    /// The local type the access starts from.
    pub type_id: u32,
    /// Path of the access.
    pub access: u32,
    /// Number of a [`CoreReloKind`], if it is a known one.
    pub kind: u32,
}

impl CoreRecord {
    /// The record with its text, a string of `btf`.
    ///
    /// # Errors
    /// If the kind is unknown, or there is no such string.
    pub fn relo<'a>(self, btf: &Btf<'a>) -> Result<CoreRelo<&'a str>, Error> {
        Ok(CoreRelo {
            insn_off: self.insn_off,
            type_id: self.type_id,
            access: btf.string(self.access)?,
            kind: CoreReloKind::from_number(self.kind)
                .ok_or_else(|| Error::from(Malformed::CoreKind(self.kind)))?,
        })
    }
}

impl Record for FuncInfo {
    const WORDS: usize = 2;

    fn from_words([insn_off, type_id, ..]: [u32; 4]) -> Self {
        FuncInfo { insn_off, type_id }
    }
}

impl Record for LineRecord {
    const WORDS: usize = 4;

    fn from_words([insn_off, file, text, line_col]: [u32; 4]) -> Self {
        LineRecord {
            insn_off,
            file,
            text,
            line_col,
        }
    }
}

impl Record for CoreRecord {
    const WORDS: usize = 4;

    fn from_words([insn_off, type_id, access, kind]: [u32; 4]) -> Self {
        CoreRecord {
            insn_off,
            type_id,
            access,
            kind,
        }
    }
}

impl ExtIndex {
    /// Looks through a `.BTF.ext` section, but not at its records.
    ///
    /// # Errors
    /// If it is malformed.
    pub fn parse(bytes: &[u8]) -> Result<ExtIndex, Error> {
        let header = Header::parse(bytes)?;
        let part = |which, word, words| {
            let (start, part) = header.section(which, bytes, word)?;
            places(part, start, header.endian, which, words)
        };
        Ok(ExtIndex {
            endian: header.endian,
            func_info: part(Part::FunctionInfo, 0, FuncInfo::WORDS)?,
            line_info: part(Part::LineInfo, 2, LineRecord::WORDS)?,
            core_relos: part(Part::CoreRecords, 4, CoreRecord::WORDS)?,
        })
    }
}

impl Place {
    /// The records. `ext` is the whole `.BTF.ext` section.
    pub fn records<R: Record>(self, ext: &[u8], endian: Endian) -> impl Iterator<Item = R> + '_ {
        let bytes = ext.get(self.start..).unwrap_or_default();
        let records = bytes.chunks_exact(self.size.max(4)).take(self.count);
        records.map(move |bytes| R::read(bytes, endian))
    }
}

/// All records begin with an offset in the ELF section.
impl Place {
    /// The records' offsets.
    pub fn offsets(self, ext: &[u8], endian: Endian) -> impl Iterator<Item = u32> + '_ {
        (0..self.count).map(move |number| self.offset(ext, endian, number))
    }

    /// Whether the records' offsets ascend; several may be equal.
    pub fn is_ascending(self, ext: &[u8], endian: Endian) -> bool {
        self.offsets(ext, endian).is_sorted()
    }

    /// The number of the first record at or after `offset`, if they ascend.
    pub fn first_at(self, ext: &[u8], endian: Endian, offset: u32) -> usize {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.offset(ext, endian, middle) < offset {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low
    }

    fn offset(self, ext: &[u8], endian: Endian, number: usize) -> u32 {
        let word = ext.get(self.start + number * self.size..);
        let word = word.and_then(|tail| tail.first_chunk());
        word.map_or(0, |word| endian.u32(*word))
    }
}

/// Looks through one part: the record size, then for each ELF section its name, a count and the
/// records. Records longer than known ones are accepted, as the format prescribes.
fn places(
    part: &[u8],
    start: usize,
    endian: Endian,
    which: Part,
    words: usize,
) -> Result<Vec<Place>, Error> {
    let malformed = |fault| Error::from(Malformed::Records { part: which, fault });
    let Some((size, mut rest)) = part.split_first_chunk::<4>() else {
        return match part.is_empty() {
            true => Ok(Vec::new()),
            false => Err(malformed(RecordsFault::Cut)),
        };
    };
    let size = endian.u32(*size) as usize;
    if size < 4 * words || !size.is_multiple_of(4) {
        return Err(malformed(RecordsFault::TooSmall));
    }
    let mut places = Vec::new();
    while let Some((head, tail)) = rest.split_first_chunk::<8>() {
        let [n0, n1, n2, n3, c0, c1, c2, c3] = *head;
        let count = endian.u32([c0, c1, c2, c3]) as usize;
        let len = count
            .checked_mul(size)
            .filter(|&len| len <= tail.len())
            .ok_or_else(|| malformed(RecordsFault::Missing))?;
        places.push(Place {
            section: endian.u32([n0, n1, n2, n3]),
            start: start + part.len() - tail.len(),
            count,
            size,
        });
        rest = &tail[len..];
    }
    match rest.is_empty() {
        true => Ok(places),
        false => Err(malformed(RecordsFault::Cut)),
    }
}
