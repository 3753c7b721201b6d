//! The kinds of BTF types, as plain data. `S` is the string type: `&str` in what [`crate::Btf`]
//! lends out, `String` in a [`crate::BtfBuilder`].
//!
//! Payloads carry the kernel's fields; the `vlen` and `kind_flag` bits of the encoding are
//! expressed by the data (number of members, signedness, bit-fields). An empty name means
//! anonymous.

/// Kind of a BTF type; the discriminants are the format's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[allow(missing_docs)] // the kernel's names
#[non_exhaustive]
pub enum Kind {
    Int = 1,
    Ptr = 2,
    Array = 3,
    Struct = 4,
    Union = 5,
    Enum = 6,
    Fwd = 7,
    Typedef = 8,
    Volatile = 9,
    Const = 10,
    Restrict = 11,
    Func = 12,
    FuncProto = 13,
    Var = 14,
    DataSec = 15,
    Float = 16,
    DeclTag = 17,
    TypeTag = 18,
    Enum64 = 19,
}

impl Kind {
    /// From the number in the format; `None` if unknown (0 is void, which is no type).
    pub const fn from_number(number: u32) -> Option<Kind> {
        Some(match number {
            1 => Kind::Int,
            2 => Kind::Ptr,
            3 => Kind::Array,
            4 => Kind::Struct,
            5 => Kind::Union,
            6 => Kind::Enum,
            7 => Kind::Fwd,
            8 => Kind::Typedef,
            9 => Kind::Volatile,
            10 => Kind::Const,
            11 => Kind::Restrict,
            12 => Kind::Func,
            13 => Kind::FuncProto,
            14 => Kind::Var,
            15 => Kind::DataSec,
            16 => Kind::Float,
            17 => Kind::DeclTag,
            18 => Kind::TypeTag,
            19 => Kind::Enum64,
            _ => return None,
        })
    }

    /// Whether a type of this kind says its size; other kinds say a type, or nothing.
    pub const fn has_size(self) -> bool {
        matches!(
            self,
            Kind::Int
                | Kind::Struct
                | Kind::Union
                | Kind::Enum
                | Kind::Enum64
                | Kind::DataSec
                | Kind::Float
        )
    }

    /// Whether a type of this kind is another type with something said about it: a name, a
    /// qualifier, a tag. Its size and layout are those of the other.
    pub const fn is_modifier(self) -> bool {
        matches!(
            self,
            Kind::Typedef | Kind::Volatile | Kind::Const | Kind::Restrict | Kind::TypeTag
        )
    }

    /// Its name in the kernel's headers: `STRUCT`, `DECL_TAG`.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Int => "INT",
            Kind::Ptr => "PTR",
            Kind::Array => "ARRAY",
            Kind::Struct => "STRUCT",
            Kind::Union => "UNION",
            Kind::Enum => "ENUM",
            Kind::Fwd => "FWD",
            Kind::Typedef => "TYPEDEF",
            Kind::Volatile => "VOLATILE",
            Kind::Const => "CONST",
            Kind::Restrict => "RESTRICT",
            Kind::Func => "FUNC",
            Kind::FuncProto => "FUNC_PROTO",
            Kind::Var => "VAR",
            Kind::DataSec => "DATASEC",
            Kind::Float => "FLOAT",
            Kind::DeclTag => "DECL_TAG",
            Kind::TypeTag => "TYPE_TAG",
            Kind::Enum64 => "ENUM64",
        }
    }
}

/// An integer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Int<S = String> {
    /// Its name, e.g. `unsigned int`, `u32`.
    pub name: S,
    /// Bytes it takes.
    pub size: u32,
    /// Bits that count; less than `8 * size` only for old-style bit-fields.
    pub bits: u8,
    /// Bit offset within its bytes; nonzero only for old-style bit-fields.
    pub offset: u8,
    /// Two's complement.
    pub signed: bool,
    /// A character.
    pub char: bool,
    /// A truth value.
    pub bool: bool,
}

impl Int {
    /// An integer in two's complement of `size` bytes, all of whose bits count.
    pub fn signed(name: &str, size: u32) -> Self {
        Int {
            signed: true,
            ..Int::unsigned(name, size)
        }
    }

    /// An integer without a sign of `size` bytes, all of whose bits count.
    pub fn unsigned(name: &str, size: u32) -> Self {
        Int {
            name: name.to_owned(),
            size,
            bits: (size * 8) as u8,
            offset: 0,
            signed: false,
            char: false,
            bool: false,
        }
    }

    /// A truth value of one byte.
    pub fn boolean(name: &str) -> Self {
        Int {
            bool: true,
            ..Int::unsigned(name, 1)
        }
    }
}

/// A pointer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ptr {
    /// What it points to; 0 is void.
    pub type_id: u32,
}

/// An array.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Array {
    /// Type of the elements.
    pub type_id: u32,
    /// Type of the index.
    pub index_type_id: u32,
    /// Number of elements.
    pub nelems: u32,
}

/// A struct or a union.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Composite<S = String> {
    /// Its name without `struct` or `union`; empty if anonymous.
    pub name: S,
    /// Bytes it takes.
    pub size: u32,
    /// Its members, by offset.
    pub members: Vec<Member<S>>,
}

/// A member of a struct or union.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Member<S = String> {
    /// Its name; empty if anonymous.
    pub name: S,
    /// Its type.
    pub type_id: u32,
    /// Where it starts, in bits from the start of the struct.
    pub bit_offset: u32,
    /// Width of a bit-field in bits; 0 if it is none.
    pub bit_size: u8,
}

/// An enum of up to 32 bits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Enum<S = String> {
    /// Its name without `enum`; empty if anonymous.
    pub name: S,
    /// Bytes it takes: 1, 2, 4 or 8.
    pub size: u32,
    /// Whether its values are signed.
    pub signed: bool,
    /// Its variants.
    pub variants: Vec<Variant<i32, S>>,
}

/// An enum of 64 bits (Linux 6.0).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Enum64<S = String> {
    /// Its name without `enum`; empty if anonymous.
    pub name: S,
    /// Bytes it takes: 1, 2, 4 or 8.
    pub size: u32,
    /// Whether its values are signed.
    pub signed: bool,
    /// Its variants; the values' bits, to be read by `signed`.
    pub variants: Vec<Variant<u64, S>>,
}

/// A variant of an enum.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Variant<V, S = String> {
    /// Its name.
    pub name: S,
    /// Its value.
    pub value: V,
}

/// A struct or union only announced.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fwd<S = String> {
    /// Its name.
    pub name: S,
    /// A union rather than a struct.
    pub union: bool,
}

/// Another name for a type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Typedef<S = String> {
    /// The new name.
    pub name: S,
    /// The type it names.
    pub type_id: u32,
}

/// `const`, `volatile` or `restrict`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Qualifier {
    /// The type qualified.
    pub type_id: u32,
}

/// Visibility of a function or variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Linkage {
    /// Private to the object; functions are verified with their callers.
    Static = 0,
    /// Visible; functions are verified on their own.
    Global = 1,
    /// Defined elsewhere.
    Extern = 2,
}

impl Linkage {
    /// From the number in the format.
    pub fn from_number(number: u32) -> Option<Linkage> {
        Some(match number {
            0 => Linkage::Static,
            1 => Linkage::Global,
            2 => Linkage::Extern,
            _ => return None,
        })
    }
}

/// A function.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Func<S = String> {
    /// Its name.
    pub name: S,
    /// Its FUNC_PROTO.
    pub type_id: u32,
    /// Its visibility.
    pub linkage: Linkage,
}

/// The signature of a function.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FuncProto<S = String> {
    /// Type returned; 0 is void.
    pub ret_type_id: u32,
    /// Parameters; a last one without name and type stands for `...`.
    pub params: Vec<Param<S>>,
}

/// A parameter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Param<S = String> {
    /// Its name.
    pub name: S,
    /// Its type.
    pub type_id: u32,
}

/// A global variable.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Var<S = String> {
    /// Its name.
    pub name: S,
    /// Its type.
    pub type_id: u32,
    /// Its visibility.
    pub linkage: Linkage,
}

/// A section with its variables.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DataSec<S = String> {
    /// Name of the section, e.g. `.rodata`.
    pub name: S,
    /// Its size in bytes; compilers leave 0 for the linker or loader to fill in.
    pub size: u32,
    /// Its variables, by offset.
    pub vars: Vec<VarSecInfo>,
}

/// Place of a variable in its section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VarSecInfo {
    /// The VAR (or FUNC, in `.ksyms`).
    pub type_id: u32,
    /// Offset in the section in bytes; compilers leave 0, with a relocation.
    pub offset: u32,
    /// Size in bytes.
    pub size: u32,
}

/// A floating-point number (Linux 5.13).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Float<S = String> {
    /// Its name.
    pub name: S,
    /// Bytes it takes: 2, 4, 8, 12 or 16.
    pub size: u32,
}

/// A note on a declaration (Linux 5.16).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeclTag<S = String> {
    /// The note.
    pub value: S,
    /// What it is about: a struct, union, variable, function or typedef.
    pub type_id: u32,
    /// Which member or parameter it is about; -1 for the whole.
    pub component_idx: i32,
    /// An `__attribute__` rather than a tag (Linux 6.15).
    pub attribute: bool,
}

/// A note on a type (Linux 5.17).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TypeTag<S = String> {
    /// The note.
    pub value: S,
    /// The type it qualifies.
    pub type_id: u32,
    /// An `__attribute__` rather than a tag (Linux 6.15).
    pub attribute: bool,
}

/// A BTF type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // each payload struct is documented
#[non_exhaustive]
pub enum Type<S = String> {
    Int(Int<S>),
    Ptr(Ptr),
    Array(Array),
    Struct(Composite<S>),
    Union(Composite<S>),
    Enum(Enum<S>),
    Fwd(Fwd<S>),
    Typedef(Typedef<S>),
    Volatile(Qualifier),
    Const(Qualifier),
    Restrict(Qualifier),
    Func(Func<S>),
    FuncProto(FuncProto<S>),
    Var(Var<S>),
    DataSec(DataSec<S>),
    Float(Float<S>),
    DeclTag(DeclTag<S>),
    TypeTag(TypeTag<S>),
    Enum64(Enum64<S>),
}

impl<S> Type<S> {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Type::Int(_) => Kind::Int,
            Type::Ptr(_) => Kind::Ptr,
            Type::Array(_) => Kind::Array,
            Type::Struct(_) => Kind::Struct,
            Type::Union(_) => Kind::Union,
            Type::Enum(_) => Kind::Enum,
            Type::Fwd(_) => Kind::Fwd,
            Type::Typedef(_) => Kind::Typedef,
            Type::Volatile(_) => Kind::Volatile,
            Type::Const(_) => Kind::Const,
            Type::Restrict(_) => Kind::Restrict,
            Type::Func(_) => Kind::Func,
            Type::FuncProto(_) => Kind::FuncProto,
            Type::Var(_) => Kind::Var,
            Type::DataSec(_) => Kind::DataSec,
            Type::Float(_) => Kind::Float,
            Type::DeclTag(_) => Kind::DeclTag,
            Type::TypeTag(_) => Kind::TypeTag,
            Type::Enum64(_) => Kind::Enum64,
        }
    }

    /// Its name (of a tag: its text); `None` for kinds that have none.
    pub fn name(&self) -> Option<&S> {
        Some(match self {
            Type::Int(t) => &t.name,
            Type::Struct(t) | Type::Union(t) => &t.name,
            Type::Enum(t) => &t.name,
            Type::Fwd(t) => &t.name,
            Type::Typedef(t) => &t.name,
            Type::Func(t) => &t.name,
            Type::Var(t) => &t.name,
            Type::DataSec(t) => &t.name,
            Type::Float(t) => &t.name,
            Type::DeclTag(t) => &t.value,
            Type::TypeTag(t) => &t.value,
            Type::Enum64(t) => &t.name,
            Type::Ptr(_)
            | Type::Array(_)
            | Type::Volatile(_)
            | Type::Const(_)
            | Type::Restrict(_)
            | Type::FuncProto(_) => return None,
        })
    }

    /// Its name, to change it.
    pub fn name_mut(&mut self) -> Option<&mut S> {
        Some(match self {
            Type::Int(t) => &mut t.name,
            Type::Struct(t) | Type::Union(t) => &mut t.name,
            Type::Enum(t) => &mut t.name,
            Type::Fwd(t) => &mut t.name,
            Type::Typedef(t) => &mut t.name,
            Type::Func(t) => &mut t.name,
            Type::Var(t) => &mut t.name,
            Type::DataSec(t) => &mut t.name,
            Type::Float(t) => &mut t.name,
            Type::DeclTag(t) => &mut t.value,
            Type::TypeTag(t) => &mut t.value,
            Type::Enum64(t) => &mut t.name,
            Type::Ptr(_)
            | Type::Array(_)
            | Type::Volatile(_)
            | Type::Const(_)
            | Type::Restrict(_)
            | Type::FuncProto(_) => return None,
        })
    }

    /// Calls `f` with every reference to another type, to read or renumber it.
    pub fn for_each_ref(&mut self, mut f: impl FnMut(&mut u32)) {
        match self {
            Type::Int(_) | Type::Enum(_) | Type::Enum64(_) | Type::Fwd(_) | Type::Float(_) => {}
            Type::Ptr(t) => f(&mut t.type_id),
            Type::Array(t) => {
                f(&mut t.type_id);
                f(&mut t.index_type_id);
            }
            Type::Struct(t) | Type::Union(t) => {
                t.members.iter_mut().for_each(|m| f(&mut m.type_id))
            }
            Type::Typedef(t) => f(&mut t.type_id),
            Type::Volatile(t) | Type::Const(t) | Type::Restrict(t) => f(&mut t.type_id),
            Type::Func(t) => f(&mut t.type_id),
            Type::FuncProto(t) => {
                f(&mut t.ret_type_id);
                t.params.iter_mut().for_each(|p| f(&mut p.type_id));
            }
            Type::Var(t) => f(&mut t.type_id),
            Type::DataSec(t) => t.vars.iter_mut().for_each(|v| f(&mut v.type_id)),
            Type::DeclTag(t) => f(&mut t.type_id),
            Type::TypeTag(t) => f(&mut t.type_id),
        }
    }

    /// The ids it refers to, in the order of [`Type::for_each_ref`].
    pub fn refs(&self) -> Vec<u32> {
        match self {
            Type::Int(_) | Type::Enum(_) | Type::Enum64(_) | Type::Fwd(_) | Type::Float(_) => {
                Vec::new()
            }
            Type::Ptr(t) => vec![t.type_id],
            Type::Array(t) => vec![t.type_id, t.index_type_id],
            Type::Struct(t) | Type::Union(t) => t.members.iter().map(|m| m.type_id).collect(),
            Type::Typedef(t) => vec![t.type_id],
            Type::Volatile(t) | Type::Const(t) | Type::Restrict(t) => vec![t.type_id],
            Type::Func(t) => vec![t.type_id],
            Type::FuncProto(t) => std::iter::once(t.ret_type_id)
                .chain(t.params.iter().map(|p| p.type_id))
                .collect(),
            Type::Var(t) => vec![t.type_id],
            Type::DataSec(t) => t.vars.iter().map(|v| v.type_id).collect(),
            Type::DeclTag(t) => vec![t.type_id],
            Type::TypeTag(t) => vec![t.type_id],
        }
    }

    /// The same type with its strings converted.
    pub fn map_names<'s, T>(&'s self, mut f: impl FnMut(&'s S) -> T) -> Type<T> {
        let mut composite = |t: &'s Composite<S>| Composite {
            name: f(&t.name),
            size: t.size,
            members: t
                .members
                .iter()
                .map(|m| Member {
                    name: f(&m.name),
                    type_id: m.type_id,
                    bit_offset: m.bit_offset,
                    bit_size: m.bit_size,
                })
                .collect(),
        };
        match self {
            Type::Struct(t) => Type::Struct(composite(t)),
            Type::Union(t) => Type::Union(composite(t)),
            Type::Int(t) => Type::Int(Int {
                name: f(&t.name),
                size: t.size,
                bits: t.bits,
                offset: t.offset,
                signed: t.signed,
                char: t.char,
                bool: t.bool,
            }),
            Type::Ptr(t) => Type::Ptr(t.clone()),
            Type::Array(t) => Type::Array(t.clone()),
            Type::Enum(t) => Type::Enum(Enum {
                name: f(&t.name),
                size: t.size,
                signed: t.signed,
                variants: variants(&t.variants, f),
            }),
            Type::Enum64(t) => Type::Enum64(Enum64 {
                name: f(&t.name),
                size: t.size,
                signed: t.signed,
                variants: variants(&t.variants, f),
            }),
            Type::Fwd(t) => Type::Fwd(Fwd {
                name: f(&t.name),
                union: t.union,
            }),
            Type::Typedef(t) => Type::Typedef(Typedef {
                name: f(&t.name),
                type_id: t.type_id,
            }),
            Type::Volatile(t) => Type::Volatile(t.clone()),
            Type::Const(t) => Type::Const(t.clone()),
            Type::Restrict(t) => Type::Restrict(t.clone()),
            Type::Func(t) => Type::Func(Func {
                name: f(&t.name),
                type_id: t.type_id,
                linkage: t.linkage,
            }),
            Type::FuncProto(t) => Type::FuncProto(FuncProto {
                ret_type_id: t.ret_type_id,
                params: t
                    .params
                    .iter()
                    .map(|p| Param {
                        name: f(&p.name),
                        type_id: p.type_id,
                    })
                    .collect(),
            }),
            Type::Var(t) => Type::Var(Var {
                name: f(&t.name),
                type_id: t.type_id,
                linkage: t.linkage,
            }),
            Type::DataSec(t) => Type::DataSec(DataSec {
                name: f(&t.name),
                size: t.size,
                vars: t.vars.clone(),
            }),
            Type::Float(t) => Type::Float(Float {
                name: f(&t.name),
                size: t.size,
            }),
            Type::DeclTag(t) => Type::DeclTag(DeclTag {
                value: f(&t.value),
                type_id: t.type_id,
                component_idx: t.component_idx,
                attribute: t.attribute,
            }),
            Type::TypeTag(t) => Type::TypeTag(TypeTag {
                value: f(&t.value),
                type_id: t.type_id,
                attribute: t.attribute,
            }),
        }
    }
}

fn variants<'s, S, T, V: Copy>(
    list: &'s [Variant<V, S>],
    mut f: impl FnMut(&'s S) -> T,
) -> Vec<Variant<V, T>> {
    list.iter()
        .map(|v| Variant {
            name: f(&v.name),
            value: v.value,
        })
        .collect()
}
