use std::fmt;

use crate::MapType;

/// What is wrong with a map.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MapFault {
    /// There is another of its name.
    Duplicate,
    /// BTF places it outside section `.maps`.
    OutsideSection,
    /// Its types cannot be read.
    Types(hachi_btf::Error),
    /// Section `.maps` has it, but BTF does not describe it.
    Undescribed,
    /// Its definition, or that of a struct of functions, is no struct.
    NotAStruct {
        /// What it is, as C writes it.
        ty: String,
    },
    /// A member of its definition is a number that does not fit.
    TooLarge {
        /// The member.
        member: String,
    },
    /// An inner map that is to be pinned.
    InnerPinned,
    /// A number for how to pin it that means nothing.
    Pinning {
        /// The number.
        number: u32,
    },
    /// A member of its definition means nothing.
    UnknownMember {
        /// The member.
        member: String,
    },
    /// Its definition does not say its type.
    NoType,
    /// Its type is unknown.
    UnknownType {
        /// The number.
        number: u32,
    },
    /// It holds maps, and is of a type that cannot.
    CannotHoldMaps {
        /// The type.
        kind: MapType,
    },
    /// Keys or values of two sizes.
    TwoSizes {
        /// Which.
        part: MapPart,
        /// One size in bytes.
        first: u32,
        /// The other.
        second: u32,
    },
    /// A member of its definition is no pointer.
    NotAPointer {
        /// The member.
        member: String,
        /// Its type, as C writes it.
        ty: String,
    },
    /// A member of its definition is no number.
    NotANumber {
        /// The member.
        member: String,
        /// Its type, as C writes it.
        ty: String,
    },
    /// Member `values` is not what it must be.
    Values {
        /// Its type, as C writes it.
        ty: String,
    },
    /// An initial value that the object does not have.
    UnknownEntry {
        /// The index of the entry.
        index: u32,
        /// The name of what it should hold.
        target: String,
        /// What that should be.
        kind: EntryTarget,
    },
    /// Its definition in a section `maps` is cut short.
    CutShort {
        /// The section.
        section: String,
    },
    /// A global variable lies outside it.
    VariableOutside {
        /// The variable.
        variable: String,
    },
    /// Its capacity cannot be changed: it holds global variables.
    HoldsGlobals,
    /// A struct of functions that is larger than its section.
    StructTooLarge,
}

/// What a map maps from or to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MapPart {
    /// Its keys.
    Key,
    /// Its values.
    Value,
}

/// What an entry of a map refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EntryTarget {
    /// A map.
    Map,
    /// A program.
    Program,
}

impl fmt::Display for MapFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MapFault::Duplicate => f.write_str("there are two maps of this name"),
            MapFault::OutsideSection => f.write_str("BTF places it outside section .maps"),
            MapFault::Types(error) => error.fmt(f),
            MapFault::Undescribed => {
                f.write_str("section .maps has it, but BTF does not describe it")
            }
            MapFault::NotAStruct { ty } => {
                write!(f, "its definition is of type '{ty}', not a struct")
            }
            MapFault::TooLarge { member } => write!(f, "{member} is larger than 32 bits"),
            MapFault::InnerPinned => f.write_str("an inner map cannot be pinned"),
            MapFault::Pinning { number } => {
                write!(f, "pinning {number} is unknown; 0 is none, 1 is by name")
            }
            MapFault::UnknownMember { member } => write!(
                f,
                "its definition has a member '{member}', which Hachi does not know"
            ),
            MapFault::NoType => f.write_str("its definition has no member 'type'"),
            MapFault::UnknownType { number } => {
                write!(f, "it is of type {number}, which Hachi does not know")
            }
            MapFault::CannotHoldMaps { kind } => {
                write!(f, "a map of type {} cannot hold maps", kind.name())
            }
            MapFault::TwoSizes {
                part,
                first,
                second,
            } => {
                let part = match part {
                    MapPart::Key => "key",
                    MapPart::Value => "value",
                };
                write!(f, "its {part} is given as {first} and as {second} bytes")
            }
            MapFault::NotAPointer { member, ty } => {
                write!(f, "member '{member}' is of type '{ty}', not a pointer")
            }
            MapFault::NotANumber { member, ty } => write!(
                f,
                "member '{member}' is of type '{ty}'; a number N is expected as a pointer to an \
                 array of N elements (the __uint macro of bpf_helpers.h)"
            ),
            MapFault::Values { ty } => write!(
                f,
                "member 'values' is of type '{ty}', not an array of pointers to maps or programs"
            ),
            MapFault::UnknownEntry {
                index,
                target,
                kind,
            } => {
                let kind = match kind {
                    EntryTarget::Map => "map",
                    EntryTarget::Program => "program",
                };
                write!(
                    f,
                    "entry {index} is '{target}', which is no {kind} of this object"
                )
            }
            MapFault::CutShort { section } => {
                write!(f, "its definition in section {section} is cut short")
            }
            MapFault::VariableOutside { variable } => {
                write!(f, "variable '{variable}' lies outside it")
            }
            MapFault::HoldsGlobals => f.write_str(
                "it holds global variables, in one value; its capacity cannot be changed",
            ),
            MapFault::StructTooLarge => f.write_str("its struct is larger than its section"),
        }
    }
}
