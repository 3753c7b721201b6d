use std::ffi::CStr;
use std::ops::Range;
use std::sync::OnceLock;

use hachi_asm::Endian;

use crate::names::{Entries, Group, NameTable};
use crate::{
    Array, Composite, DataSec, DeclTag, Enum, Enum64, Error, Float, Func, FuncProto, Fwd, Int,
    Kind, Linkage, Malformed, Member, Param, Part, Ptr, Qualifier, Shape, StringFault, Type,
    TypeTag, Typedef, Types, Unsuited, Var, VarSecInfo, Variant,
};

/// Size of the fixed part of every type record (`struct btf_type`).
pub(crate) const RECORD: usize = 12;
/// Size of `struct btf_header` as of version 1.
pub(crate) const HEADER: usize = 24;
const MAGIC: u16 = 0xeb9f;

/// By number of the kind: bytes of a record, and bytes that each of its `vlen` parts adds; zeros
/// for kinds that do not exist.
const RECORD_LEN: [(u8, u8); 32] = {
    let mut table = [(0, 0); 32];
    let mut number = 1;
    while let Some(kind) = Kind::from_number(number) {
        table[number as usize] = match kind {
            Kind::Int | Kind::Var | Kind::DeclTag => (16, 0),
            Kind::Array => (24, 0),
            Kind::Struct | Kind::Union | Kind::DataSec | Kind::Enum64 => (12, 12),
            Kind::Enum | Kind::FuncProto => (12, 8),
            _ => (12, 0),
        };
        number += 1;
    }
    table
};

/// A BTF section or file, read in place.
///
/// [`Btf::parse`] checks the header only; the positions of the types are found at the first
/// access, their names are indexed at the first search, and both are kept: together a quarter of a
/// MiB at most for a kernel of today. The bytes are borrowed, so that they can be a mapped file.
/// Either byte order is read. Clones share nothing but the bytes.
///
/// If the types are sorted by name, anonymous ones first (Linux ≥ 7.0 sorts its own), functions are
/// found by binary search and need no index.
#[derive(Debug, Clone)]
pub struct Btf<'a> {
    endian: Endian,
    types: &'a [u8],
    strings: &'a [u8],
    pub(crate) base: Option<&'a Btf<'a>>,
    /// Where this part's ids and strings begin.
    first_id: u32,
    first_string: u32,
    found: Lent<'a, Found>,
}

/// What has been found out about types and is kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct Found {
    /// Where the records are.
    index: OnceLock<Result<Index, Error>>,
    sorted: OnceLock<Option<Range<u32>>>,
    data_names: OnceLock<NameTable>,
    code_names: OnceLock<NameTable>,
    pointer_size: OnceLock<u32>,
}

/// Where the records of a type section are.
#[derive(Debug, Clone, Default)]
struct Index {
    /// How many there are.
    len: u32,
    /// Offsets of each [`STRIDE`]th record.
    offsets: Box<[u32]>,
}

/// From one offset that is kept, the records up to the next are walked over. A kernel has over a
/// hundred thousand types, of which a loader looks at a few hundred.
const STRIDE: usize = 8;

/// The offsets of consecutive records that were checked when the index was made.
struct Offsets<'a> {
    types: &'a [u8],
    endian: Endian,
    /// Of the next.
    at: usize,
    left: usize,
}

impl Iterator for Offsets<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let at = self.at;
        let info = read_u32(self.types, at + 4, self.endian).unwrap_or(0);
        self.at += record_len(info);
        Some(at)
    }
}

/// Bytes of a record, by its second word; 0 if the kind is unknown.
#[inline]
fn record_len(info: u32) -> usize {
    let (fixed, each) = RECORD_LEN[(info >> 24 & 0x1f) as usize];
    usize::from(fixed) + usize::from(each) * (info & 0xffff) as usize
}

/// A value of one's own, or a reference to another's.
#[derive(Debug, Clone)]
enum Lent<'a, T> {
    Own(T),
    Shared(&'a T),
}

impl<T> std::ops::Deref for Lent<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Lent::Own(value) => value,
            Lent::Shared(value) => value,
        }
    }
}

/// One type record, located but not decoded.
#[derive(Clone, Copy)]
pub(crate) struct Record<'a> {
    /// Everything from the record on.
    bytes: &'a [u8],
    endian: Endian,
    pub(crate) kind: Kind,
    pub(crate) vlen: usize,
    pub(crate) kind_flag: bool,
}

impl<'a> Record<'a> {
    fn word(&self, at: usize) -> u32 {
        // The index holds only records whose whole length was checked.
        read_u32(self.bytes, at, self.endian).unwrap_or(0)
    }

    /// Word `w` of the `i`th group of `N` words after the fixed part.
    pub(crate) fn group_word<const N: usize>(&self, i: usize, w: usize) -> u32 {
        self.word(RECORD + (i * N + w) * size_of::<u32>())
    }

    pub(crate) fn name_off(&self) -> u32 {
        self.word(0)
    }

    /// The size, or the id of the type referred to, by kind.
    pub(crate) fn size_or_type(&self) -> u32 {
        self.word(8)
    }

    /// The words after the fixed part, in groups of `N`.
    fn groups<const N: usize>(self) -> impl Iterator<Item = [u32; N]> + 'a {
        (0..self.vlen).map(move |i| std::array::from_fn(|w| self.group_word::<N>(i, w)))
    }

    /// Offset in bits and, for bit-fields, width of a member whose third word is `place`. With the
    /// kind flag the two share the word.
    pub(crate) fn member_place(&self, place: u32) -> (u32, u8) {
        match self.kind_flag {
            true => (place & 0xff_ffff, (place >> 24) as u8),
            false => (place, 0),
        }
    }
}

#[inline]
fn read_u32(bytes: &[u8], at: usize, endian: Endian) -> Option<u32> {
    let word = bytes.get(at..)?.first_chunk::<4>()?;
    Some(endian.u32(*word))
}

impl<'a> Btf<'a> {
    /// Opens BTF that stands on its own: of an object, or of the kernel (`vmlinux`).
    ///
    /// # Errors
    /// If the header or the bounds it states are wrong.
    pub fn parse(bytes: &'a [u8]) -> Result<Btf<'a>, Error> {
        Btf::open(bytes, None)
    }

    /// Opens split BTF, whose ids and strings continue those of `base` (kernel modules).
    ///
    /// # Errors
    /// As [`Btf::parse`], and if `base` is malformed or of another byte order.
    pub fn parse_split(bytes: &'a [u8], base: &'a Btf<'a>) -> Result<Btf<'a>, Error> {
        base.index()?;
        if base.string_end() > u64::from(u32::MAX) {
            return Err(Unsuited::BaseTooLarge.into());
        }
        let btf = Btf::open(bytes, Some(base))?;
        if btf.endian != base.endian {
            return Err(Unsuited::SplitByteOrder {
                split: btf.endian,
                base: base.endian,
            }
            .into());
        }
        Ok(btf)
    }

    fn open(bytes: &'a [u8], base: Option<&'a Btf<'a>>) -> Result<Btf<'a>, Error> {
        let header = Header::parse(bytes)?;
        let (_, types) = header.section(Part::Types, bytes, 0)?;
        let (_, strings) = header.section(Part::Strings, bytes, 2)?;
        if base.is_none() && strings.first() != Some(&0) {
            return Err(Malformed::FirstString.into());
        }
        if strings.last().is_some_and(|&last| last != 0) {
            return Err(Malformed::LastString.into());
        }
        Ok(Btf {
            endian: header.endian,
            types,
            strings,
            base,
            first_id: base.map_or(1, |base| base.last_id() + 1),
            first_string: base.map_or(0, |base| base.string_end() as u32),
            found: Lent::Own(Found::default()),
        })
    }

    /// Types that stand on their own, whose sections and what has been found out about them are
    /// another's.
    pub(crate) fn lent(
        endian: Endian,
        types: &'a [u8],
        strings: &'a [u8],
        found: &'a Found,
    ) -> Btf<'a> {
        Btf {
            endian,
            types,
            strings,
            base: None,
            first_id: 1,
            first_string: 0,
            found: Lent::Shared(found),
        }
    }

    /// The bytes of the type section.
    pub(crate) fn type_bytes(&self) -> &'a [u8] {
        self.types
    }

    /// Bytes of a pointer, once it has been found out.
    pub(crate) fn known_pointer_size(&self) -> &OnceLock<u32> {
        &self.found.pointer_size
    }

    /// Its byte order.
    pub fn endian(&self) -> Endian {
        self.endian
    }

    /// The string section, of this part alone if it is split.
    pub fn string_bytes(&self) -> &'a [u8] {
        self.strings
    }

    /// The string at an offset.
    ///
    /// # Errors
    /// If the offset is out of bounds or the string isn't UTF-8.
    pub fn string(&self, offset: u32) -> Result<&'a str, Error> {
        let bad = |fault| Error::BadString { offset, fault };
        let tail = self.string_tail(offset).ok_or(bad(StringFault::Outside))?;
        let text = CStr::from_bytes_until_nul(tail).map_err(|_| bad(StringFault::NotTerminated))?;
        text.to_str().map_err(|_| bad(StringFault::NotUtf8))
    }

    /// The strings from an offset on; `None` if it is outside.
    fn string_tail(&self, offset: u32) -> Option<&'a [u8]> {
        match offset.checked_sub(self.first_string) {
            Some(own) => self
                .strings
                .get(own as usize..)
                .filter(|tail| !tail.is_empty()),
            None => self.base?.string_tail(offset),
        }
    }

    /// Where the strings of a part on top of this one begin.
    fn string_end(&self) -> u64 {
        u64::from(self.first_string) + self.strings.len() as u64
    }

    /// The id of this part's first type: 1, or one past the base's last.
    pub fn first_id(&self) -> u32 {
        self.first_id
    }

    /// What this part's ids and strings continue; `None` unless it is split BTF.
    pub fn base(&self) -> Option<&'a Btf<'a>> {
        self.base
    }

    /// The offset of this part's first string: 0, or the end of the base's strings.
    pub fn first_string(&self) -> u32 {
        self.first_string
    }

    /// Where the records are, found once.
    fn index(&self) -> Result<&Index, Error> {
        self.found
            .index
            .get_or_init(|| self.make_index())
            .as_ref()
            .map_err(Clone::clone)
    }

    fn make_index(&self) -> Result<Index, Error> {
        // Kernel BTF has a record per 32 bytes on average; a record takes at least 12.
        let mut offsets = Vec::with_capacity(self.types.len() / 32 / STRIDE + 1);
        let mut len = 0;
        let mut at = 0;
        while at < self.types.len() {
            let id = self.first_id + len;
            let rest = &self.types[at..];
            let info = read_u32(rest, 4, self.endian).ok_or(Malformed::TypePastEnd { id })?;
            let size = record_len(info);
            if size == 0 {
                let kind = info >> 24 & 0x1f;
                return Err(Error::UnknownKind { id, kind });
            }
            if size > rest.len() {
                return Err(Malformed::TypePastEnd { id }.into());
            }
            if (len as usize).is_multiple_of(STRIDE) {
                offsets.push(at as u32);
            }
            len += 1;
            at += size;
        }
        Ok(Index {
            len,
            offsets: offsets.into_boxed_slice(),
        })
    }

    /// The offsets of the records of this part from a position on, which is counted from 0.
    fn offsets(&self, position: u32) -> Offsets<'a> {
        let (at, before, left) = match self.index() {
            Ok(index) if position < index.len => (
                index.offsets[position as usize / STRIDE] as usize,
                position as usize % STRIDE,
                (index.len - position) as usize,
            ),
            _ => (0, 0, 0),
        };
        let mut offsets = Offsets {
            types: self.types,
            endian: self.endian,
            at,
            left: before + left,
        };
        for _ in 0..before {
            offsets.next();
        }
        offsets
    }

    /// The offset of the record at a position of this part.
    fn offset(&self, position: u32) -> Option<usize> {
        self.offsets(position).next()
    }

    pub(crate) fn record(&self, id: u32) -> Result<Record<'a>, Error> {
        let len = self.index()?.len;
        let first_id = self.first_id();
        if let (Some(base), true) = (self.base, id < first_id) {
            return base.record(id);
        }
        let at = id
            .checked_sub(first_id)
            .and_then(|position| self.offset(position))
            .ok_or(Error::NoSuchType {
                id,
                last: first_id - 1 + len,
            })?;
        self.record_at(at, id)
    }

    /// The record of a type, at its offset.
    fn record_at(&self, at: usize, id: u32) -> Result<Record<'a>, Error> {
        let bytes = &self.types[at..];
        let info = read_u32(bytes, 4, self.endian).unwrap_or(0);
        let number = info >> 24 & 0x1f;
        Ok(Record {
            bytes,
            endian: self.endian,
            kind: Kind::from_number(number).ok_or(Error::UnknownKind { id, kind: number })?,
            vlen: (info & 0xffff) as usize,
            kind_flag: info >> 31 != 0,
        })
    }

    /// Where the record of a type of this part begins, counted from the first, and its kind.
    pub(crate) fn place(&self, id: u32) -> Option<(usize, Kind)> {
        let at = self.offset(id.checked_sub(self.first_id)?)?;
        Some((at, self.record_at(at, id).ok()?.kind))
    }

    /// The kind of a type.
    ///
    /// # Errors
    /// If there is no such type.
    pub fn kind(&self, id: u32) -> Result<Kind, Error> {
        Ok(self.record(id)?.kind)
    }

    /// Decodes a type.
    ///
    /// # Errors
    /// If there is no such type (0 is void, which is none), or it is malformed.
    pub fn get(&self, id: u32) -> Result<Type<&'a str>, Error> {
        self.decoded(self.record(id)?, id)
    }

    fn decoded(&self, r: Record<'a>, id: u32) -> Result<Type<&'a str>, Error> {
        let name = self.string(r.name_off())?;
        let (size, type_id) = (r.size_or_type(), r.size_or_type());
        let linkage = |number| {
            Linkage::from_number(number)
                .ok_or_else(|| Error::from(Malformed::Linkage { id, number }))
        };
        Ok(match r.kind {
            Kind::Int => {
                let word = r.word(RECORD);
                let encoding = word >> 24 & 0xf;
                Type::Int(Int {
                    name,
                    size,
                    bits: word as u8,
                    offset: (word >> 16) as u8,
                    signed: encoding & 1 != 0,
                    char: encoding & 2 != 0,
                    bool: encoding & 4 != 0,
                })
            }
            Kind::Ptr => Type::Ptr(Ptr { type_id }),
            Kind::Array => Type::Array(Array {
                type_id: r.word(RECORD),
                index_type_id: r.word(RECORD + 4),
                nelems: r.word(RECORD + 8),
            }),
            Kind::Struct => Type::Struct(self.composite(r, name)?),
            Kind::Union => Type::Union(self.composite(r, name)?),
            Kind::Enum => Type::Enum(Enum {
                name,
                size,
                signed: r.kind_flag,
                variants: self.variants(r, |[name, value]: [u32; 2]| (name, value as i32))?,
            }),
            Kind::Enum64 => Type::Enum64(Enum64 {
                name,
                size,
                signed: r.kind_flag,
                variants: self.variants(r, |[name, low, high]: [u32; 3]| {
                    (name, u64::from(high) << 32 | u64::from(low))
                })?,
            }),
            Kind::Fwd => Type::Fwd(Fwd {
                name,
                union: r.kind_flag,
            }),
            Kind::Typedef => Type::Typedef(Typedef { name, type_id }),
            Kind::Volatile => Type::Volatile(Qualifier { type_id }),
            Kind::Const => Type::Const(Qualifier { type_id }),
            Kind::Restrict => Type::Restrict(Qualifier { type_id }),
            Kind::Func => Type::Func(Func {
                name,
                type_id,
                linkage: linkage(r.vlen as u32)?,
            }),
            Kind::FuncProto => Type::FuncProto(FuncProto {
                ret_type_id: type_id,
                params: self.params_of(r)?,
            }),
            Kind::Var => Type::Var(Var {
                name,
                type_id,
                linkage: linkage(r.word(RECORD))?,
            }),
            Kind::DataSec => Type::DataSec(DataSec {
                name,
                size,
                vars: r
                    .groups()
                    .map(|[type_id, offset, size]| VarSecInfo {
                        type_id,
                        offset,
                        size,
                    })
                    .collect(),
            }),
            Kind::Float => Type::Float(Float { name, size }),
            Kind::DeclTag => Type::DeclTag(DeclTag {
                value: name,
                type_id,
                component_idx: r.word(RECORD) as i32,
                attribute: r.kind_flag,
            }),
            Kind::TypeTag => Type::TypeTag(TypeTag {
                value: name,
                type_id,
                attribute: r.kind_flag,
            }),
        })
    }

    fn composite(&self, r: Record<'a>, name: &'a str) -> Result<Composite<&'a str>, Error> {
        let members = r.groups().map(|[name, type_id, place]| {
            let (bit_offset, bit_size) = r.member_place(place);
            Ok(Member {
                name: self.string(name)?,
                type_id,
                bit_offset,
                bit_size,
            })
        });
        Ok(Composite {
            name,
            size: r.size_or_type(),
            members: members.collect::<Result<_, Error>>()?,
        })
    }

    fn variants<V, const N: usize>(
        &self,
        r: Record<'a>,
        split: impl Fn([u32; N]) -> (u32, V),
    ) -> Result<Vec<Variant<V, &'a str>>, Error> {
        r.groups()
            .map(|words| {
                let (name, value) = split(words);
                let name = self.string(name)?;
                Ok(Variant { name, value })
            })
            .collect()
    }

    fn params_of(&self, r: Record<'a>) -> Result<Vec<Param<&'a str>>, Error> {
        r.groups()
            .map(|[name, type_id]| {
                let name = self.string(name)?;
                Ok(Param { name, type_id })
            })
            .collect()
    }

    /// All types of this part with their ids, in order.
    ///
    /// # Errors
    /// If the type section is malformed; each item can fail on its own.
    pub fn iter(
        &self,
    ) -> Result<impl Iterator<Item = Result<(u32, Type<&'a str>), Error>> + '_, Error> {
        self.index()?;
        Ok(self.own().map(|(id, at)| {
            let record = self.record_at(at, id)?;
            Ok((id, self.decoded(record, id)?))
        }))
    }

    /// Checks that the type section can be read through, and counts the types.
    ///
    /// # Errors
    /// If it is malformed.
    pub fn check_index(&self) -> Result<usize, Error> {
        Ok(self.index()?.len as usize)
    }

    /// The ids of all types of this part, and the offsets of their records.
    fn own(&self) -> impl Iterator<Item = (u32, usize)> + use<'a> {
        (self.first_id()..).zip(self.offsets(0))
    }
}

impl<'a> Btf<'a> {
    /// As [`Types::shape`], with a name that lives as long as the bytes.
    pub(crate) fn shape_of(&self, id: u32) -> Result<Shape<'a>, Error> {
        let r = self.record(id)?;
        let word = r.size_or_type();
        let mut shape = Shape {
            kind: r.kind,
            name: self.string(r.name_off())?,
            size: 0,
            type_id: 0,
            nelems: r.vlen as u32,
        };
        match r.kind {
            kind if kind.has_size() => shape.size = word,
            Kind::Array => {
                shape.type_id = r.word(RECORD);
                shape.nelems = r.word(RECORD + 8);
            }
            Kind::Fwd => shape.nelems = r.kind_flag.into(),
            _ => shape.type_id = word,
        }
        Ok(shape)
    }
}

impl Types for Btf<'_> {
    fn last_id(&self) -> u32 {
        self.first_id() - 1 + self.index().map_or(0, |index| index.len)
    }

    fn shape(&self, id: u32) -> Result<Shape<'_>, Error> {
        self.shape_of(id)
    }

    fn decode(&self, id: u32) -> Result<Type<&str>, Error> {
        self.get(id)
    }

    fn params(&self, id: u32) -> Result<Vec<Param<&str>>, Error> {
        match self.record(id)? {
            r if r.kind == Kind::FuncProto => self.params_of(r),
            _ => Ok(Vec::new()),
        }
    }

    fn members(&self, id: u32) -> Result<Vec<Member<&str>>, Error> {
        match self.record(id)? {
            r if matches!(r.kind, Kind::Struct | Kind::Union) => Ok(self.composite(r, "")?.members),
            _ => Ok(Vec::new()),
        }
    }

    fn pointer_size(&self) -> u32 {
        self.long_size()
    }

    fn find(&self, name: &str, kind: Kind) -> Option<u32> {
        let in_base = self.base.and_then(|base| base.find(name, kind));
        in_base.or_else(|| self.find_own(name, kind))
    }
}

/// What the search by name needs. Positions count this part's types from 0.
impl<'a> Btf<'a> {
    pub(crate) fn own_len(&self) -> u32 {
        self.index().map_or(0, |index| index.len)
    }

    /// Kind and name of a type of this part, if they are sound.
    pub(crate) fn kind_and_name(&self, position: u32) -> Option<(Kind, &'a str)> {
        let record = self.record(self.first_id + position).ok()?;
        Some((record.kind, self.string(record.name_off()).ok()?))
    }

    /// The name of a type of this part; empty where there is none that can be read.
    pub(crate) fn name_bytes_at(&self, position: u32) -> &'a [u8] {
        self.offset(position)
            .map_or(&[], |at| self.name_bytes_of(at))
    }

    /// The name of the type whose record is at this offset, in the same way.
    fn name_bytes_of(&self, at: usize) -> &'a [u8] {
        let name_off = read_u32(self.types, at, self.endian);
        name_off.map_or(&[], |offset| self.name_bytes(offset))
    }

    /// Whether the string at `offset` is `name`, without looking for its end first.
    pub(crate) fn is_named(&self, offset: u32, name: &[u8]) -> bool {
        self.string_tail(offset)
            .and_then(|tail| tail.strip_prefix(name))
            .is_some_and(|rest| rest.first() == Some(&0))
    }

    /// The string at `offset`; empty where there is none that can be read.
    pub(crate) fn name_bytes(&self, offset: u32) -> &'a [u8] {
        match offset {
            0 => &[],
            _ => self
                .string_tail(offset)
                .and_then(|tail| CStr::from_bytes_until_nul(tail).ok())
                .map_or(&[], CStr::to_bytes),
        }
    }

    /// The positions of the named types if the types of this part are sorted by name, which is
    /// found out once.
    pub(crate) fn sorted(&self) -> Option<Range<u32>> {
        let find = || {
            let len = self.own_len();
            let mut names = self.offsets(0).map(|at| self.name_bytes_of(at));
            let first = names.position(|name| !name.is_empty())? as u32;
            let names = self.offsets(first).map(|at| self.name_bytes_of(at));
            names.is_sorted().then_some(first..len)
        };
        self.found.sorted.get_or_init(find).clone()
    }

    pub(crate) fn name_table(&self, group: Group) -> &NameTable {
        let table = match group {
            Group::Data => &self.found.data_names,
            Group::Code => &self.found.code_names,
        };
        table.get_or_init(|| {
            let all = self.index().map_or(0, |index| index.len as usize);
            let mut entries = Entries::at_most(all);
            for (position, at) in (0..).zip(self.offsets(0)) {
                let word = |n| read_u32(self.types, at + n, self.endian).unwrap_or(0);
                let kind = Kind::from_number(word(4) >> 24 & 0x1f);
                if kind.and_then(Group::of) == Some(group) {
                    let name = self.name_bytes(word(0));
                    if !name.is_empty() {
                        entries.push(position, name);
                    }
                }
            }
            NameTable::new(&entries)
        })
    }
}

/// The start of `.BTF` and of `.BTF.ext`: the same magic, then pairs of offset and length.
pub(crate) struct Header {
    pub(crate) endian: Endian,
    /// Length of the header itself; sections are counted from its end.
    len: usize,
    words: Vec<u32>,
}

impl Header {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Header, Error> {
        let truncated = |needs: usize| Error::Truncated {
            part: Part::Header,
            needs: needs as u64,
            has: bytes.len() as u64,
        };
        let first = *bytes.first_chunk::<8>().ok_or(truncated(HEADER))?;
        let endian = match u16::from_le_bytes([first[0], first[1]]) {
            MAGIC => Endian::Little,
            magic if magic == MAGIC.swap_bytes() => Endian::Big,
            magic => return Err(Error::BadMagic { magic }),
        };
        if first[2] != 1 {
            return Err(Error::BadVersion { version: first[2] });
        }
        let len = endian.u32([first[4], first[5], first[6], first[7]]) as usize;
        if len < HEADER || !len.is_multiple_of(4) {
            return Err(Malformed::HeaderLength(len).into());
        }
        let header = bytes.get(8..len).ok_or(truncated(len))?;
        let (words, _) = header.as_chunks::<4>();
        Ok(Header {
            endian,
            len,
            words: words.iter().map(|w| endian.u32(*w)).collect(),
        })
    }

    /// The section whose offset is word `word` and whose length is the next, and where it begins;
    /// empty if the header is too short to mention it.
    pub(crate) fn section<'a>(
        &self,
        part: Part,
        bytes: &'a [u8],
        word: usize,
    ) -> Result<(usize, &'a [u8]), Error> {
        let Some(&[offset, size]) = self.words.get(word..word + 2) else {
            return Ok((self.len, &[]));
        };
        let start = self.len as u64 + u64::from(offset);
        let end = start + u64::from(size);
        if end > bytes.len() as u64 {
            return Err(Error::Truncated {
                part,
                needs: end,
                has: bytes.len() as u64,
            });
        }
        Ok((start as usize, &bytes[start as usize..end as usize]))
    }
}
