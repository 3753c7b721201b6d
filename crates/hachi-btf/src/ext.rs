//! `.BTF.ext`: what belongs to single instructions. Function info (which BTF function begins
//! here), line info (which source line) and CO-RE records (which field access to adjust).
//!
//! Offsets count **bytes from the start of the ELF section**, as in the file; the kernel wants
//! instructions from the start of the program, which is the business of whoever loads it.

use std::collections::HashMap;
use std::sync::Arc;

use hachi_asm::Endian;

use crate::encode::{Writer, with_header};
use crate::reader::Header;
use crate::{Btf, Error, StringTable};

/// The contents of a `.BTF.ext` section.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BtfExt {
    /// Which functions begin where.
    pub func_info: Vec<Section<FuncInfo>>,
    /// Which source lines begin where.
    pub line_info: Vec<Section<LineInfo>>,
    /// Accesses to adjust to the running kernel's types.
    pub core_relo: Vec<Section<CoreRelo>>,
}

/// [`BtfExt`] is plain data and thus its own builder.
pub type BtfExtBuilder = BtfExt;

/// The records of one ELF section.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Section<T> {
    /// Name of the ELF section with the code.
    pub name: String,
    /// Its records, by offset.
    pub records: Vec<T>,
}

/// A function begins here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FuncInfo {
    /// Offset in the section, in bytes.
    pub insn_off: u32,
    /// Its FUNC.
    pub type_id: u32,
}

/// A source line begins here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineInfo {
    /// Offset in the section, in bytes.
    pub insn_off: u32,
    /// Source file.
    pub file: Arc<str>,
    /// Text of the line; empty if the compiler couldn't read the source.
    pub text: Arc<str>,
    /// Number of the line, from 1; at most 4194303.
    pub line: u32,
    /// Column, from 1; at most 1023.
    pub column: u32,
}

/// What a CO-RE record asks (`enum bpf_core_relo_kind`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum CoreReloKind {
    /// Offset of a field in bytes.
    FieldByteOffset = 0,
    /// Size of a field in bytes.
    FieldByteSize = 1,
    /// Whether the field exists.
    FieldExists = 2,
    /// Whether the field is signed.
    FieldSigned = 3,
    /// Left shift that brings a bit-field to the top of a u64.
    FieldLshiftU64 = 4,
    /// Right shift that then brings it to the bottom.
    FieldRshiftU64 = 5,
    /// Id of the type in the object's BTF.
    TypeIdLocal = 6,
    /// Id of the type in the kernel's BTF.
    TypeIdTarget = 7,
    /// Whether a type of this name and kind exists.
    TypeExists = 8,
    /// Size of the type.
    TypeSize = 9,
    /// Whether the enum variant exists.
    EnumValExists = 10,
    /// Value of the enum variant.
    EnumValValue = 11,
    /// Whether a type of the same shape exists.
    TypeMatches = 12,
}

impl CoreReloKind {
    /// From the number in the format.
    pub fn from_number(number: u32) -> Option<CoreReloKind> {
        use CoreReloKind::*;
        const ALL: [CoreReloKind; 13] = [
            FieldByteOffset,
            FieldByteSize,
            FieldExists,
            FieldSigned,
            FieldLshiftU64,
            FieldRshiftU64,
            TypeIdLocal,
            TypeIdTarget,
            TypeExists,
            TypeSize,
            EnumValExists,
            EnumValValue,
            TypeMatches,
        ];
        ALL.get(number as usize).copied()
    }

    /// As libbpf's logs call it.
    pub fn name(self) -> &'static str {
        use CoreReloKind::*;
        match self {
            FieldByteOffset => "byte_off",
            FieldByteSize => "byte_sz",
            FieldExists => "field_exists",
            FieldSigned => "signed",
            FieldLshiftU64 => "lshift_u64",
            FieldRshiftU64 => "rshift_u64",
            TypeIdLocal => "local_type_id",
            TypeIdTarget => "target_type_id",
            TypeExists => "type_exists",
            TypeMatches => "type_matches",
            TypeSize => "type_size",
            EnumValExists => "enumval_exists",
            EnumValValue => "enumval_value",
        }
    }
}

/// An instruction to adjust to the running kernel's types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoreRelo {
    /// Offset in the section, in bytes.
    pub insn_off: u32,
    /// The local type the access starts from.
    pub type_id: u32,
    /// Path of the access, e.g. `0:1:2`: indices of members and elements.
    pub access: Arc<str>,
    /// What is asked.
    pub kind: CoreReloKind,
}

/// Strings shared between the records that name them.
struct Interner<'b, 'a> {
    btf: &'b Btf<'a>,
    seen: HashMap<u32, Arc<str>>,
}

impl Interner<'_, '_> {
    fn get(&mut self, offset: u32) -> Result<Arc<str>, Error> {
        if let Some(text) = self.seen.get(&offset) {
            return Ok(text.clone());
        }
        let text: Arc<str> = self.btf.string(offset)?.into();
        self.seen.insert(offset, text.clone());
        Ok(text)
    }
}

impl BtfExt {
    /// Reads a `.BTF.ext` section, whose strings are those of `btf`.
    ///
    /// # Errors
    /// If it is malformed, or of another byte order than `btf`.
    pub fn parse(bytes: &[u8], btf: &Btf<'_>) -> Result<BtfExt, Error> {
        let header = Header::parse(bytes)?;
        let endian = header.endian;
        if endian != btf.endian() {
            return Err(Error::malformed(format!(
                ".BTF.ext is {endian}, .BTF is {}",
                btf.endian()
            )));
        }
        let mut strings = Interner {
            btf,
            seen: HashMap::new(),
        };
        let func_info = header.section(".BTF.ext function info", bytes, 0)?;
        let line_info = header.section(".BTF.ext line info", bytes, 2)?;
        let core_relo = header.section(".BTF.ext CO-RE records", bytes, 4)?;
        Ok(BtfExt {
            func_info: sections(func_info, btf, "function info", |[insn_off, type_id]| {
                Ok(FuncInfo { insn_off, type_id })
            })?,
            line_info: sections(
                line_info,
                btf,
                "line info",
                |[insn_off, file, text, line_col]| {
                    Ok(LineInfo {
                        insn_off,
                        file: strings.get(file)?,
                        text: strings.get(text)?,
                        line: line_col >> 10,
                        column: line_col & 0x3ff,
                    })
                },
            )?,
            core_relo: sections(
                core_relo,
                btf,
                "CO-RE",
                |[insn_off, type_id, access, kind]| {
                    Ok(CoreRelo {
                        insn_off,
                        type_id,
                        access: strings.get(access)?,
                        kind: CoreReloKind::from_number(kind).ok_or_else(|| {
                            Error::malformed(format!("CO-RE record of unknown kind {kind}"))
                        })?,
                    })
                },
            )?,
        })
    }

    /// The `.BTF.ext` section. Its strings go to `strings`, which must afterwards be encoded with
    /// the types ([`crate::BtfBuilder::encode_with`]) to make the `.BTF` section of the pair.
    ///
    /// Parts without records are left out altogether: libbpf takes an empty one for damage.
    pub fn encode(&self, strings: &mut StringTable, endian: Endian) -> Vec<u8> {
        let func_info = part(&self.func_info, strings, endian, |info, _| {
            [info.insn_off, info.type_id]
        });
        let line_info = part(&self.line_info, strings, endian, line_words);
        let core_relo = part(&self.core_relo, strings, endian, |relo, strings| {
            [
                relo.insn_off,
                relo.type_id,
                strings.add(&relo.access),
                relo.kind as u32,
            ]
        });
        // The first version of the header had no CO-RE part; keep to it when there is none.
        match core_relo.is_empty() {
            true => with_header(endian, &[&func_info, &line_info]),
            false => with_header(endian, &[&func_info, &line_info, &core_relo]),
        }
    }

    /// Whether there are no records at all.
    pub fn is_empty(&self) -> bool {
        fn none<T>(sections: &[Section<T>]) -> bool {
            sections.iter().all(|section| section.records.is_empty())
        }
        none(&self.func_info) && none(&self.line_info) && none(&self.core_relo)
    }
}

/// The `func_info` array of `BPF_PROG_LOAD`; `insn_off` must count instructions here.
pub fn encode_func_info(records: &[FuncInfo], endian: Endian) -> Vec<u8> {
    let mut out = Writer::new(endian);
    for info in records {
        out.words([info.insn_off, info.type_id]);
    }
    out.bytes
}

/// The `line_info` array of `BPF_PROG_LOAD`; `insn_off` must count instructions here. The strings
/// go to `strings`, with which the BTF must then be encoded and loaded **before** the program.
pub fn encode_line_info(
    records: &[LineInfo],
    strings: &mut StringTable,
    endian: Endian,
) -> Vec<u8> {
    let mut out = Writer::new(endian);
    for info in records {
        out.words(line_words(info, strings));
    }
    out.bytes
}

fn line_words(info: &LineInfo, strings: &mut StringTable) -> [u32; 4] {
    [
        info.insn_off,
        strings.add(&info.file),
        strings.add(&info.text),
        pack_line(info.line, info.column),
    ]
}

/// `bpf_line_info.line_col`: line and column share a word; what doesn't fit is cut.
pub fn pack_line(line: u32, column: u32) -> u32 {
    line.min(0x3f_ffff) << 10 | column.min(0x3ff)
}

/// Reads one part: the record size, then for each ELF section its name, a count and the records.
/// Records longer than known ones are accepted, as the format prescribes.
fn sections<T, const N: usize>(
    bytes: &[u8],
    btf: &Btf<'_>,
    what: &str,
    mut record: impl FnMut([u32; N]) -> Result<T, Error>,
) -> Result<Vec<Section<T>>, Error> {
    let endian = btf.endian();
    let malformed = |why: &str| Error::malformed(format!(".BTF.ext {what}: {why}"));
    let Some((size, mut rest)) = bytes.split_first_chunk::<4>() else {
        return match bytes.is_empty() {
            true => Ok(Vec::new()),
            false => Err(malformed("cut short")),
        };
    };
    let size = endian.u32(*size) as usize;
    if size < 4 * N || !size.is_multiple_of(4) {
        return Err(malformed("records are too small"));
    }
    let mut out = Vec::new();
    while let Some((head, tail)) = rest.split_first_chunk::<8>() {
        let [n0, n1, n2, n3, c0, c1, c2, c3] = *head;
        let name = btf.string(endian.u32([n0, n1, n2, n3]))?;
        let count = endian.u32([c0, c1, c2, c3]) as usize;
        let len = count
            .checked_mul(size)
            .filter(|&len| len <= tail.len())
            .ok_or_else(|| malformed("more records are announced than are there"))?;
        let (records, after) = tail.split_at(len);
        let records = records.chunks_exact(size).map(|bytes| {
            let (words, _) = bytes.as_chunks::<4>();
            record(std::array::from_fn(|i| endian.u32(words[i])))
        });
        out.push(Section {
            name: name.to_owned(),
            records: records.collect::<Result<_, Error>>()?,
        });
        rest = after;
    }
    match rest.is_empty() {
        true => Ok(out),
        false => Err(malformed("cut short")),
    }
}

fn part<T, const N: usize>(
    sections: &[Section<T>],
    strings: &mut StringTable,
    endian: Endian,
    words: impl Fn(&T, &mut StringTable) -> [u32; N],
) -> Vec<u8> {
    let mut out = Writer::new(endian);
    for section in sections
        .iter()
        .filter(|section| !section.records.is_empty())
    {
        if out.bytes.is_empty() {
            out.word(4 * N as u32);
        }
        out.words([strings.add(&section.name), section.records.len() as u32]);
        for record in &section.records {
            out.words(words(record, strings));
        }
    }
    out.bytes
}
