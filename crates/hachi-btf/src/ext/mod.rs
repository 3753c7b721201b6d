//! `.BTF.ext`: what belongs to single instructions. Function info (which BTF function begins
//! here), line info (which source line) and CO-RE records (which field access to adjust).
//!
//! [`BtfExt`] is owned data, to be made or edited. [`ExtIndex`] only says where the records are.
//!
//! Offsets count **bytes from the start of the ELF section**, as in the file; the kernel wants
//! instructions from the start of the program, which is up to its loader.

use std::collections::HashMap;
use std::sync::Arc;

use hachi_asm::Endian;

use crate::encode::{Writer, with_header};
use crate::{Btf, Error, StringTable, Unsuited};

mod place;

pub use place::{CoreRecord, ExtIndex, LineRecord, Place, Record};

/// The contents of a `.BTF.ext` section.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct BtfExt {
    /// Which functions begin where.
    pub func_info: Vec<Section<FuncInfo>>,
    /// Which source lines begin where.
    pub line_info: Vec<Section<LineInfo>>,
    /// Accesses to adjust to the running kernel's types.
    pub core_relo: Vec<Section<CoreRelo>>,
}

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
#[non_exhaustive]
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

/// What a CO-RE record is about: what all kinds of questions have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Field,
    Type,
    Variant,
}

impl CoreReloKind {
    pub(crate) fn subject(self) -> Subject {
        use CoreReloKind::*;
        match self {
            FieldByteOffset | FieldByteSize | FieldExists | FieldSigned | FieldLshiftU64
            | FieldRshiftU64 => Subject::Field,
            TypeIdLocal | TypeIdTarget | TypeExists | TypeSize | TypeMatches => Subject::Type,
            EnumValExists | EnumValValue => Subject::Variant,
        }
    }

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

/// An instruction to adjust to the running kernel's types. `S` is the string type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoreRelo<S = Arc<str>> {
    /// Offset in the section, in bytes.
    pub insn_off: u32,
    /// The local type the access starts from.
    pub type_id: u32,
    /// Path of the access, e.g. `0:1:2`: indices of members and elements.
    pub access: S,
    /// What is asked.
    pub kind: CoreReloKind,
}

impl<S: AsRef<str>> CoreRelo<S> {
    /// The same, with the text borrowed.
    pub fn borrowed(&self) -> CoreRelo<&str> {
        CoreRelo {
            insn_off: self.insn_off,
            type_id: self.type_id,
            access: self.access.as_ref(),
            kind: self.kind,
        }
    }
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
        let index = ExtIndex::parse(bytes)?;
        let endian = index.endian;
        if endian != btf.endian() {
            return Err(Unsuited::ExtByteOrder {
                ext: endian,
                btf: btf.endian(),
            }
            .into());
        }
        let mut strings = Interner {
            btf,
            seen: HashMap::new(),
        };
        Ok(BtfExt {
            func_info: sections(bytes, endian, &index.func_info, btf, |info: FuncInfo| {
                Ok(info)
            })?,
            line_info: sections(bytes, endian, &index.line_info, btf, |line: LineRecord| {
                Ok(LineInfo {
                    insn_off: line.insn_off,
                    file: strings.get(line.file)?,
                    text: strings.get(line.text)?,
                    line: line.line(),
                    column: line.column(),
                })
            })?,
            core_relo: sections(bytes, endian, &index.core_relos, btf, |core: CoreRecord| {
                let relo = core.relo(btf)?;
                Ok(CoreRelo {
                    insn_off: relo.insn_off,
                    type_id: relo.type_id,
                    access: strings.get(core.access)?,
                    kind: relo.kind,
                })
            })?,
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
        // The first version of the header had no CO-RE part, but llvm-objdump takes it for granted.
        with_header(endian, &[&func_info, &line_info, &core_relo])
    }

    /// Whether there are no records at all.
    pub fn is_empty(&self) -> bool {
        fn none<T>(sections: &[Section<T>]) -> bool {
            sections.iter().all(|section| section.records.is_empty())
        }
        none(&self.func_info) && none(&self.line_info) && none(&self.core_relo)
    }
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

/// The records of one kind, by ELF section.
fn sections<R: Record, T>(
    bytes: &[u8],
    endian: Endian,
    places: &[Place],
    btf: &Btf<'_>,
    mut record: impl FnMut(R) -> Result<T, Error>,
) -> Result<Vec<Section<T>>, Error> {
    let of_place = |place: &Place| {
        Ok(Section {
            name: btf.string(place.section)?.to_owned(),
            records: place
                .records(bytes, endian)
                .map(&mut record)
                .collect::<Result<_, Error>>()?,
        })
    };
    places.iter().map(of_place).collect()
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
