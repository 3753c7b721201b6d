//! Types as matching sees them: void is a type too, qualifiers and typedefs are transparent.

use super::CoreError;
use crate::reader::Record;
use crate::view::too_deep;
use crate::{Btf, Error, Kind, Malformed, Types as _};

/// How long a chain of typedefs, qualifiers, arrays or pointers may be (libbpf:
/// `MAX_RESOLVE_DEPTH`, `depth`).
pub(super) const DEPTH: u32 = 32;

/// A type; void has id 0 and no record.
#[derive(Clone, Copy)]
pub(super) struct Node<'b> {
    pub(super) id: u32,
    record: Option<Record<'b>>,
}

/// A member of a struct or union.
#[derive(Clone, Copy)]
pub(super) struct Field {
    pub(super) name_off: u32,
    pub(super) type_id: u32,
    pub(super) bit_offset: u32,
    pub(super) bit_size: u8,
}

impl<'b> Node<'b> {
    pub(super) fn at(btf: &Btf<'b>, id: u32) -> Result<Node<'b>, Error> {
        let record = match id {
            0 => None,
            id => Some(btf.record(id)?),
        };
        Ok(Node { id, record })
    }

    /// The type behind typedefs, qualifiers and type tags.
    pub(super) fn peeled(btf: &Btf<'b>, id: u32) -> Result<Node<'b>, Error> {
        let mut node = Node::at(btf, id)?;
        for _ in 0..DEPTH {
            match node.kind() {
                Some(kind) if kind.is_modifier() => node = Node::at(btf, node.type_id())?,
                _ => return Ok(node),
            }
        }
        Err(too_deep(btf, id))
    }

    /// `None` for void.
    pub(super) fn kind(&self) -> Option<Kind> {
        self.record.map(|r| r.kind)
    }

    pub(super) fn is(&self, kind: Kind) -> bool {
        self.kind() == Some(kind)
    }

    pub(super) fn is_composite(&self) -> bool {
        matches!(self.kind(), Some(Kind::Struct | Kind::Union))
    }

    pub(super) fn is_any_enum(&self) -> bool {
        matches!(self.kind(), Some(Kind::Enum | Kind::Enum64))
    }

    /// Whether the kinds are the same, ENUM and ENUM64 counting as one.
    pub(super) fn same_kind(&self, other: &Node<'_>) -> bool {
        self.kind() == other.kind() || self.is_any_enum() && other.is_any_enum()
    }

    pub(super) fn name_off(&self) -> u32 {
        self.record.map_or(0, |r| r.name_off())
    }

    pub(super) fn name(&self, btf: &Btf<'b>) -> &'b [u8] {
        btf.name_bytes(self.name_off())
    }

    pub(super) fn vlen(&self) -> usize {
        self.record.map_or(0, |r| r.vlen)
    }

    pub(super) fn kind_flag(&self) -> bool {
        self.record.is_some_and(|r| r.kind_flag)
    }

    /// Bytes, for kinds that state them.
    pub(super) fn size(&self) -> u32 {
        self.record.map_or(0, |r| r.size_or_type())
    }

    /// The type referred to, of kinds that refer to one.
    pub(super) fn type_id(&self) -> u32 {
        self.size()
    }

    /// The keyword that C wants before the name of such a type.
    pub(super) fn keyword(&self) -> &'static str {
        match self.kind() {
            Some(Kind::Struct) => "struct ",
            Some(Kind::Union) => "union ",
            Some(Kind::Enum | Kind::Enum64) => "enum ",
            Some(Kind::Fwd) if self.kind_flag() => "union ",
            Some(Kind::Fwd) => "struct ",
            _ => "",
        }
    }

    fn word<const N: usize>(&self, i: usize, w: usize) -> u32 {
        self.record.map_or(0, |r| r.group_word::<N>(i, w))
    }

    /// Member `i` of a struct or union.
    pub(super) fn field(&self, i: usize) -> Field {
        let (bit_offset, bit_size) = self
            .record
            .map_or((0, 0), |r| r.member_place(r.group_word::<3>(i, 2)));
        Field {
            name_off: self.word::<3>(i, 0),
            type_id: self.word::<3>(i, 1),
            bit_offset,
            bit_size,
        }
    }

    /// Element type and length of an array.
    pub(super) fn array(&self) -> (u32, u32) {
        (self.word::<3>(0, 0), self.word::<3>(0, 2))
    }

    /// Type of parameter `i` of a FUNC_PROTO.
    pub(super) fn param(&self, i: usize) -> u32 {
        self.word::<2>(i, 1)
    }

    /// Name of variant `i` of an enum of either size.
    pub(super) fn variant_name_off(&self, i: usize) -> u32 {
        match self.kind() {
            Some(Kind::Enum64) => self.word::<3>(i, 0),
            _ => self.word::<2>(i, 0),
        }
    }

    /// Value of variant `i`; that of a 32-bit enum is extended by its sign, whether it has one or
    /// not: type information made before Linux 6.0 does not tell.
    pub(super) fn variant_value(&self, i: usize) -> u64 {
        match self.kind() {
            Some(Kind::Enum64) => {
                u64::from(self.word::<3>(i, 2)) << 32 | u64::from(self.word::<3>(i, 1))
            }
            _ => self.word::<2>(i, 1) as i32 as i64 as u64,
        }
    }

    /// Encoding bits of an INT; bit 0 is "signed".
    pub(super) fn int_encoding(&self) -> u32 {
        self.word::<1>(0, 0) >> 24 & 0xf
    }

    /// Bit offset of an INT, nonzero only for old-style bit-fields.
    pub(super) fn int_offset(&self) -> u32 {
        self.word::<1>(0, 0) >> 16 & 0xff
    }
}

/// Bytes a value of this type takes on the machine it describes (`btf__resolve_size`).
pub(super) fn size_of(btf: &Btf<'_>, id: u32) -> Result<u32, Error> {
    let too_large = || Error::from(Malformed::TooLarge { id });
    let mut at = id;
    let mut count: u32 = 1;
    for _ in 0..DEPTH {
        let node = Node::at(btf, at)?;
        let size = match node.kind() {
            Some(kind) if kind.has_size() => node.size(),
            Some(Kind::Ptr) => btf.pointer_size(),
            Some(kind) if kind.is_modifier() || matches!(kind, Kind::Var | Kind::DeclTag) => {
                at = node.type_id();
                continue;
            }
            Some(Kind::Array) => {
                let (element, len) = node.array();
                count = count.checked_mul(len).ok_or_else(too_large)?;
                at = element;
                continue;
            }
            _ => {
                return Err(Malformed::NoSize {
                    id,
                    name: String::new(),
                }
                .into());
            }
        };
        return count.checked_mul(size).ok_or_else(too_large);
    }
    Err(too_deep(btf, id))
}

/// How many steps the matching of one record may take. Types that contain each other in many ways
/// could make it endless; those of kernels take some thousand.
pub(super) struct Budget(u32);

impl Default for Budget {
    fn default() -> Budget {
        Budget(2_000_000)
    }
}

impl Budget {
    pub(super) fn step(&mut self) -> Result<(), CoreError> {
        match self.0.checked_sub(1) {
            Some(left) => {
                self.0 = left;
                Ok(())
            }
            None => Err(CoreError::TooComplex),
        }
    }
}

/// The names a C compiler may give to type `long`, which is as wide as a pointer on every machine
/// that Linux runs on.
const LONG: [&str; 11] = [
    "long",
    "long int",
    "int long",
    "unsigned long",
    "long unsigned",
    "unsigned long int",
    "unsigned int long",
    "long unsigned int",
    "long int unsigned",
    "int unsigned long",
    "int long unsigned",
];

impl Btf<'_> {
    /// As [`Types::pointer_size`](crate::Types::pointer_size): the size of `long`; 8 if there is
    /// none.
    pub(crate) fn long_size(&self) -> u32 {
        if let Some(base) = self.base() {
            return base.long_size();
        }
        *self.known_pointer_size().get_or_init(|| {
            (1..=self.last_id())
                .filter_map(|id| Node::at(self, id).ok())
                .find(|node| node.is_long(self))
                .map_or(8, |node| node.size())
        })
    }
}

impl<'b> Node<'b> {
    /// Whether it is C's `long`.
    pub(super) fn is_long(&self, btf: &Btf<'b>) -> bool {
        self.is(Kind::Int)
            && matches!(self.size(), 4 | 8)
            && LONG.iter().any(|long| self.name(btf) == long.as_bytes())
    }
}

/// A name for messages, whatever its bytes are.
pub(super) fn text(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}
