use std::fmt;

use hachi_asm::Endian;

use crate::Kind;

/// Why BTF could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The data ends before its header, or its header claims more than there is.
    Truncated {
        /// Which part ends too early.
        part: Part,
        /// Bytes needed.
        needs: u64,
        /// Bytes present.
        has: u64,
    },
    /// Not BTF at all.
    BadMagic {
        /// What is there instead.
        magic: u16,
    },
    /// A version of the format nobody has defined yet.
    BadVersion {
        /// The version found.
        version: u8,
    },
    /// A section, record or header that contradicts itself.
    Malformed(Malformed),
    /// A kind of type this version of Hachi doesn't know, so it cannot even skip it.
    UnknownKind {
        /// Id of the type.
        id: u32,
        /// Its kind number.
        kind: u32,
    },
    /// A type that is nested more deeply than types are followed. The kernel follows 32 levels.
    TooDeep {
        /// Id of the type.
        id: u32,
    },
    /// A type that mentions more others, or has more members in all, than are followed.
    TooMany {
        /// Id of the type.
        id: u32,
    },
    /// A reference to a type that isn't there.
    NoSuchType {
        /// Id asked for.
        id: u32,
        /// The highest id there is.
        last: u32,
    },
    /// A string that cannot be read.
    BadString {
        /// Offset in the string section.
        offset: u32,
        /// Why.
        fault: StringFault,
    },
    /// Something that doesn't fit the format's fields.
    Encode {
        /// Id of the type.
        id: u32,
        /// Its name, if it has one.
        name: String,
        /// What doesn't fit.
        fault: EncodeFault,
    },
    /// Two sets of types that do not belong together, or an operation that they are not for.
    Unsuited(Unsuited),
}

/// The parts of `.BTF` and `.BTF.ext`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// The header of either.
    Header,
    /// The types of `.BTF`.
    Types,
    /// The strings of `.BTF`.
    Strings,
    /// The functions of `.BTF.ext`.
    FunctionInfo,
    /// The lines of `.BTF.ext`.
    LineInfo,
    /// The CO-RE relocations of `.BTF.ext`.
    CoreRecords,
}

/// What contradicts itself in BTF.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Malformed {
    /// The length of the header, which the header itself states.
    HeaderLength(usize),
    /// The string section does not begin with the empty string.
    FirstString,
    /// The last string is not terminated by a NUL byte.
    LastString,
    /// A type's record runs past the end of the type section.
    TypePastEnd {
        /// Id of the type.
        id: u32,
    },
    /// A function or variable has a linkage that does not exist.
    Linkage {
        /// Id of the type.
        id: u32,
        /// The number in the place of the linkage.
        number: u32,
    },
    /// A type refers to one that is not there.
    Dangling {
        /// Id of the type.
        id: u32,
        /// What it refers to.
        target: u32,
        /// The highest id there is.
        last: u32,
    },
    /// A type contains or refers to itself, directly or through others, without a pointer to a
    /// structure in between.
    RefersToItself {
        /// Id of the type.
        id: u32,
    },
    /// A type without a size where one is needed.
    NoSize {
        /// Id of the type; 0 is void.
        id: u32,
        /// Its name, if it has one.
        name: String,
    },
    /// A type takes 4 GiB or more.
    TooLarge {
        /// Id of the type.
        id: u32,
    },
    /// A member's offset in bits does not fit its field.
    MemberTooFar {
        /// Id of the structure.
        id: u32,
    },
    /// Something that should have a layout and is neither structure nor union.
    NoLayout {
        /// Id of the type.
        id: u32,
        /// The type in words.
        name: String,
    },
    /// A CO-RE record of a kind that does not exist.
    CoreKind(u32),
    /// A table of records in `.BTF.ext`.
    Records {
        /// Which table.
        part: Part,
        /// What is wrong with it.
        fault: RecordsFault,
    },
}

/// What is wrong with a table of records in `.BTF.ext`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordsFault {
    /// It ends in the middle of a record.
    Cut,
    /// Its records are shorter than the format allows.
    TooSmall,
    /// It announces more records than there are.
    Missing,
}

/// Why a string cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StringFault {
    /// The offset is outside the string section.
    Outside,
    /// No NUL byte ends it.
    NotTerminated,
    /// It isn't UTF-8.
    NotUtf8,
}

/// What doesn't fit the format's fields.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeFault {
    /// More members, parameters or values than the format can count.
    Members(usize),
    /// A member further from the beginning than a structure with bit-fields can express.
    MemberTooFar {
        /// Name of the member.
        member: String,
    },
}

/// Why types cannot be used for what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unsuited {
    /// Split BTF and its base are in different byte orders.
    SplitByteOrder {
        /// That of the split part.
        split: Endian,
        /// That of the base.
        base: Endian,
    },
    /// The records of `.BTF.ext` and the types of `.BTF` are in different byte orders.
    ExtByteOrder {
        /// That of the records.
        ext: Endian,
        /// That of the types.
        btf: Endian,
    },
    /// The base has 4 GiB of strings or more, so that those of a split part have no offsets.
    BaseTooLarge,
    /// Split BTF continues the ids of a base that has another number of types.
    OtherBase {
        /// How many types it expects.
        expected: u32,
        /// How many there are.
        types: u32,
    },
    /// Only split BTF can be distilled or relocated; this stands on its own.
    NotSplit,
    /// A base lacks a type that the split part needs.
    NotInBase {
        /// The type in words.
        name: String,
        /// The size that it must have, if only the size is wrong.
        size: Option<u32>,
    },
    /// Several types of the base could be the one that the split part needs.
    Ambiguous {
        /// The type in words.
        name: String,
    },
    /// The split part refers to a type of its base that has no stand-in.
    NotDistillable {
        /// Id of the type.
        id: u32,
        /// Its kind.
        kind: Kind,
    },
    /// A new order of types names one twice, or one that is not there.
    OrderEntry {
        /// The id that it names.
        id: u32,
        /// The lowest id there is.
        first: u32,
        /// The highest.
        last: u32,
    },
    /// A new order of types does not have as many entries as there are types.
    OrderLength {
        /// How many it has.
        entries: usize,
        /// How many types there are.
        types: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Truncated { part, needs, has } => write!(
                f,
                "BTF is truncated: {part} needs {needs} bytes, {has} are there; rebuild the object \
                 or copy it again"
            ),
            Error::BadMagic { magic } => write!(
                f,
                "not BTF: it starts with {magic:#06x}, not with the magic 0xeb9f"
            ),
            Error::BadVersion { version } => write!(
                f,
                "BTF version {version} is unknown (only version 1 exists)"
            ),
            Error::Malformed(fault) => write!(f, "malformed BTF: {fault}"),
            Error::UnknownKind { id, kind } => write!(
                f,
                "BTF type [{id}] is of kind {kind}, unknown to this version of Hachi (it knows 1 \
                 to 19); update Hachi, or build with a matching compiler"
            ),
            Error::TooDeep { id } => write!(
                f,
                "BTF type [{id}] is nested more deeply than types are followed (the kernel follows \
                 32 levels)"
            ),
            Error::TooMany { id } => write!(
                f,
                "BTF type [{id}] has more members in all, or mentions more other types, than are \
                 followed"
            ),
            Error::NoSuchType { id, last } => {
                write!(f, "BTF has no type [{id}] (its ids go up to {last})")
            }
            Error::BadString { offset, fault } => {
                write!(f, "BTF string at offset {offset} is {fault}")
            }
            Error::Encode { id, name, fault } => {
                write!(f, "cannot encode BTF type [{id}] '{name}': {fault}")
            }
            Error::Unsuited(why) => write!(f, "BTF: {why}"),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Part::Header => "header",
            Part::Types => "type section",
            Part::Strings => "string section",
            Part::FunctionInfo => ".BTF.ext function info",
            Part::LineInfo => ".BTF.ext line info",
            Part::CoreRecords => ".BTF.ext CO-RE records",
        })
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::HeaderLength(len) => write!(f, "header length {len}"),
            Malformed::FirstString => {
                f.write_str("the string section does not begin with the empty string")
            }
            Malformed::LastString => f.write_str("the last string is not terminated by a NUL byte"),
            Malformed::TypePastEnd { id } => {
                write!(f, "type [{id}] runs past the end of the type section")
            }
            Malformed::Linkage { id, number } => write!(f, "type [{id}] has linkage {number}"),
            Malformed::Dangling { id, target, last } => {
                write!(f, "type [{id}] refers to [{target}], the last is [{last}]")
            }
            Malformed::RefersToItself { id } => write!(
                f,
                "type [{id}] contains or refers to itself without a pointer to a struct in between"
            ),
            Malformed::NoSize { id: 0, .. } => f.write_str("void has no size"),
            Malformed::NoSize { id, name } => write!(f, "type [{id}] '{name}' has no size"),
            Malformed::TooLarge { id } => write!(f, "type [{id}] is larger than 4 GiB"),
            Malformed::MemberTooFar { id } => {
                write!(f, "a member of [{id}] lies beyond 512 MiB")
            }
            Malformed::NoLayout { id, name } => write!(
                f,
                "type [{id}] '{name}' is not a struct or union and has no layout"
            ),
            Malformed::CoreKind(number) => write!(f, "CO-RE record of unknown kind {number}"),
            Malformed::Records { part, fault } => write!(f, "{part}: {fault}"),
        }
    }
}

impl fmt::Display for RecordsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RecordsFault::Cut => "cut short",
            RecordsFault::TooSmall => "records are too small",
            RecordsFault::Missing => "more records are announced than are there",
        })
    }
}

impl fmt::Display for StringFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StringFault::Outside => "outside the string section",
            StringFault::NotTerminated => "not terminated",
            StringFault::NotUtf8 => "not UTF-8",
        })
    }
}

impl fmt::Display for EncodeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EncodeFault::Members(count) => {
                write!(f, "{count} members, the format allows {}", u16::MAX)
            }
            EncodeFault::MemberTooFar { member } => write!(
                f,
                "member '{member}' lies beyond bit 2^24, which a struct with bit-fields cannot \
                 express"
            ),
        }
    }
}

impl fmt::Display for Unsuited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unsuited::SplitByteOrder { split, base } => {
                write!(f, "split BTF is {split}, its base is {base}")
            }
            Unsuited::ExtByteOrder { ext, btf } => {
                write!(f, ".BTF.ext is {ext}, .BTF is {btf}")
            }
            Unsuited::BaseTooLarge => f.write_str("the base has more than 4 GiB of strings"),
            Unsuited::OtherBase { expected, types } => write!(
                f,
                "these types continue a base of {expected} types; this one has {types}"
            ),
            Unsuited::NotSplit => {
                f.write_str("only split BTF can be distilled or relocated; this stands on its own")
            }
            Unsuited::NotInBase { name, size: None } => write!(f, "the base has no {name}"),
            Unsuited::NotInBase {
                name,
                size: Some(size),
            } => write!(f, "the base has no {name} of {size} bytes"),
            Unsuited::Ambiguous { name } => {
                write!(f, "the base has several types that {name} could mean")
            }
            Unsuited::NotDistillable { id, kind } => write!(
                f,
                "the split part refers to [{id}] of its base, a {}, which cannot be distilled",
                kind.name()
            ),
            Unsuited::OrderEntry { id, first, last } => write!(
                f,
                "the order names type [{id}] twice, or it is not among [{first}] to [{last}]"
            ),
            Unsuited::OrderLength { entries, types } => {
                write!(f, "the order names {entries} of {types} types")
            }
        }
    }
}

impl std::error::Error for Error {}

impl From<Malformed> for Error {
    fn from(fault: Malformed) -> Error {
        Error::Malformed(fault)
    }
}

impl From<Unsuited> for Error {
    fn from(why: Unsuited) -> Error {
        Error::Unsuited(why)
    }
}
