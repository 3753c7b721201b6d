//! Where the members of a struct lie, with the room between them, as pahole shows it.

use std::fmt::{self, Write as _};

use super::is_composite;
use super::quote::in_line;
use crate::view::too_deep;
use crate::{Error, Kind, Malformed, Types};

/// How deep members may nest, so that hostile input comes to an end.
const DEPTH: u32 = 24;
/// How many members one layout may have in all, for the same reason.
const FIELDS: u32 = 1 << 16;

/// The layout of a struct or union. All places are in bits, as bit-fields need them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Layout {
    /// Its id.
    pub id: u32,
    /// `struct iphdr`, `union {…}`.
    pub name: String,
    /// Bytes it takes.
    pub size: u32,
    /// Its alignment in bytes, as far as the members tell: attributes are not in BTF.
    pub align: u32,
    /// Whether members lie over each other.
    pub union: bool,
    /// Its members, in the order of the declaration.
    pub fields: Vec<Field>,
    /// Bits that no member uses: before the next, and at the end.
    pub holes: Vec<u32>,
    /// Bits after the last member.
    pub padding: u32,
}

/// A member in a [`Layout`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Field {
    /// Its name; empty if anonymous.
    pub name: String,
    /// Its declaration as C writes it: `__be16 sport`, `__u8 version:4`.
    pub declaration: String,
    /// Id of its type.
    pub type_id: u32,
    /// Where it starts, in bits from the start of the outermost struct.
    pub bit_offset: u32,
    /// Bits it takes; 0 for a flexible array.
    pub bits: u64,
    /// Whether it is a bit-field.
    pub bit_field: bool,
    /// Unused bits before it.
    pub hole: u32,
    /// The members of an anonymous struct or union, or of any when asked for.
    pub fields: Vec<Field>,
    /// Bits after the last of those members.
    pub padding: u32,
}

impl Layout {
    /// The layout of type `id`, a STRUCT or UNION or a typedef of one. Members of struct type are
    /// opened if they are anonymous.
    ///
    /// # Errors
    /// If it is no such type, or malformed, or nested without end.
    pub fn new(types: &dyn Types, id: u32) -> Result<Layout, Error> {
        Layout::make(types, id, false)
    }

    /// As [`new`](Self::new), with all members of struct type opened.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn expanded(types: &dyn Types, id: u32) -> Result<Layout, Error> {
        Layout::make(types, id, true)
    }

    fn make(types: &dyn Types, id: u32, expand: bool) -> Result<Layout, Error> {
        let id = types.resolve(id)?;
        let shape = types.shape(id)?;
        if !is_composite(shape.kind) {
            return Err(Malformed::NoLayout {
                id,
                name: types.type_name(id),
            }
            .into());
        }
        let mut walk = Walk {
            types,
            expand,
            left: FIELDS,
        };
        let (fields, padding) = walk.members(id, 0, DEPTH)?;
        let mut holes = Vec::new();
        let mut all: Vec<&Field> = fields.iter().rev().collect();
        while let Some(field) = all.pop() {
            holes.extend((field.hole != 0).then_some(field.hole));
            all.extend(field.fields.iter().rev());
        }
        Ok(Layout {
            id,
            name: types.type_name(id),
            size: shape.size,
            align: types.align_of(id)?,
            union: shape.kind == Kind::Union,
            fields,
            holes,
            padding,
        })
    }

    /// As text, with a mark where a cache line of `line` bytes begins.
    pub fn text(&self, line: u32) -> String {
        let mut out = format!("{} {{\n", in_line(&self.name));
        let width = widest(&self.fields, 1).min(60);
        let mut text = Text {
            out: &mut out,
            width,
            line_bits: line.max(1).saturating_mul(8),
            next_line: line.max(1).saturating_mul(8),
        };
        text.fields(&self.fields, 1);
        self.write_sums(&mut out, line.max(1));
        out.push_str("};\n");
        out
    }

    fn write_sums(&self, out: &mut String, line: u32) {
        let lines = self.size.div_ceil(line);
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "\n    /* size: {}, alignment: {}, members: {}, cache lines: {lines}",
            self.size,
            self.align,
            self.fields.len(),
        );
        if !self.holes.is_empty() {
            let sum = self
                .holes
                .iter()
                .fold(0u32, |sum, &bits| sum.saturating_add(bits));
            let _ = write!(
                out,
                "\n       holes: {}, {} in all",
                self.holes.len(),
                Bits(sum)
            );
        }
        if self.padding != 0 {
            let _ = write!(out, "\n       padding at the end: {}", Bits(self.padding));
        }
        out.push_str(" */\n");
    }
}

struct Walk<'t> {
    types: &'t dyn Types,
    expand: bool,
    left: u32,
}

impl Walk<'_> {
    /// The members of `id`, which begins at bit `base`, and the bits left after the last.
    fn members(&mut self, id: u32, base: u32, depth: u32) -> Result<(Vec<Field>, u32), Error> {
        let shape = self.types.shape(id)?;
        let union = shape.kind == Kind::Union;
        let mut fields = Vec::new();
        // Up to where bits are used so far, counted in this struct.
        let mut used = 0u64;
        for member in self.types.members(id)? {
            self.left = self.left.checked_sub(1).ok_or(Error::TooMany { id })?;
            let bits = match member.bit_size {
                0 => 8 * u64::from(self.types.size_of(member.type_id)?),
                bits => bits.into(),
            };
            let start = u64::from(member.bit_offset);
            let hole = match union {
                true => 0,
                false => start.saturating_sub(used),
            };
            used = used.max(start + bits);
            let bit_offset = base
                .checked_add(member.bit_offset)
                .ok_or_else(|| Error::from(Malformed::MemberTooFar { id }))?;
            let resolved = self.types.resolve(member.type_id)?;
            let inner = self.types.shape(resolved)?;
            let open = is_composite(inner.kind)
                && member.bit_size == 0
                && (self.expand || member.name.is_empty() || inner.name.is_empty());
            let (inner, padding) = match (open, depth.checked_sub(1)) {
                (true, Some(depth)) => self.members(resolved, bit_offset, depth)?,
                (true, None) => {
                    return Err(too_deep(self.types, id));
                }
                (false, _) => (Vec::new(), 0),
            };
            let mut declaration = self.types.declaration(member.type_id, member.name);
            if member.bit_size != 0 {
                let _ = write!(declaration, ":{}", member.bit_size);
            }
            fields.push(Field {
                name: member.name.to_owned(),
                declaration,
                type_id: member.type_id,
                bit_offset,
                bits,
                bit_field: member.bit_size != 0,
                hole: u32::try_from(hole).unwrap_or(u32::MAX),
                fields: inner,
                padding,
            });
        }
        let padding = match union {
            true => 0,
            false => (8 * u64::from(shape.size)).saturating_sub(used),
        };
        Ok((fields, u32::try_from(padding).unwrap_or(u32::MAX)))
    }
}

/// The width of the longest declaration, indentation included.
fn widest(fields: &[Field], depth: usize) -> usize {
    let width = |field: &Field| {
        let own = match field.fields.is_empty() {
            true => 4 * depth + field.declaration.len() + 1,
            false => 0,
        };
        own.max(widest(&field.fields, depth + 1))
    };
    fields.iter().map(width).max().unwrap_or(0)
}

struct Text<'o> {
    out: &'o mut String,
    width: usize,
    line_bits: u32,
    /// The bit at which the next cache line begins.
    next_line: u32,
}

impl Text<'_> {
    // Writing to a String cannot fail, so results are dropped here.
    fn fields(&mut self, fields: &[Field], depth: usize) {
        let indent = "    ".repeat(depth);
        for field in fields {
            if field.hole != 0 {
                let _ = writeln!(self.out, "{indent}/* hole: {} */", Bits(field.hole));
            }
            self.cache_line(field, &indent);
            let declared = in_line(&field.declaration);
            if field.fields.is_empty() {
                let declaration = format!("{indent}{declared};");
                let place = Place(field);
                let _ = writeln!(
                    self.out,
                    "{declaration:<width$}  /* {place} */",
                    width = self.width
                );
                continue;
            }
            // `struct {…} a[2]` opens the braces that the declaration only hints at.
            let (head, tail) = match declared.split_once("{…}") {
                Some((head, tail)) => (head.trim_end(), tail),
                None => match declared.rsplit_once(' ') {
                    Some((head, tail)) => (head, tail),
                    None => (&*declared, ""),
                },
            };
            let _ = writeln!(self.out, "{indent}{head} {{");
            self.fields(&field.fields, depth + 1);
            if field.padding != 0 {
                let _ = writeln!(
                    self.out,
                    "{indent}    /* padding: {} */",
                    Bits(field.padding)
                );
            }
            let gap = if tail.is_empty() || tail.starts_with(' ') {
                ""
            } else {
                " "
            };
            let end = format!("{indent}}}{gap}{tail};");
            let place = Place(field);
            let _ = writeln!(self.out, "{end:<width$}  /* {place} */", width = self.width);
        }
    }

    fn cache_line(&mut self, field: &Field, indent: &str) {
        if field.bit_offset < self.next_line {
            return;
        }
        let line = field.bit_offset / self.line_bits;
        let start = line * self.line_bits;
        let into = (field.bit_offset - start) / 8;
        let _ = write!(self.out, "{indent}/* cache line {line}, byte {}", start / 8);
        let _ = match into {
            0 => writeln!(self.out, " */"),
            1 => writeln!(self.out, ", was 1 byte ago */"),
            _ => writeln!(self.out, ", was {into} bytes ago */"),
        };
        self.next_line = start.saturating_add(self.line_bits);
    }
}

/// `offset size`, in bytes; `offset:bit bits` of bit-fields.
struct Place<'f>(&'f Field);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Field {
            bit_offset, bits, ..
        } = self.0;
        match self.0.bit_field {
            true => write!(
                f,
                "{:>5}:{:<2} {bits:>4} {}",
                bit_offset / 8,
                bit_offset % 8,
                if *bits == 1 { "bit " } else { "bits" }
            ),
            false => write!(f, "{:>5}    {:>4}", bit_offset / 8, bits / 8),
        }
    }
}

/// A number of bits, in bytes as far as possible.
struct Bits(u32);

impl fmt::Display for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |n: u32| if n == 1 { "" } else { "s" };
        let (bytes, bits) = (self.0 / 8, self.0 % 8);
        match (bytes, bits) {
            (0, bits) => write!(f, "{bits} bit{}", plural(bits)),
            (bytes, 0) => write!(f, "{bytes} byte{}", plural(bytes)),
            (bytes, bits) => write!(
                f,
                "{bytes} byte{} and {bits} bit{}",
                plural(bytes),
                plural(bits)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Array, BtfBuilder, Composite, Int, Member, Type};

    fn member(name: &str, type_id: u32, bit_offset: u32, bit_size: u8) -> Member {
        Member {
            name: name.into(),
            type_id,
            bit_offset,
            bit_size,
        }
    }

    fn int(name: &str, size: u32) -> Type {
        Type::Int(Int::unsigned(name, size))
    }

    #[test]
    fn holes_padding_and_cache_lines() {
        let mut b = BtfBuilder::new();
        let byte = b.add(int("u8", 1));
        let long = b.add(int("u64", 8));
        let array = b.add(Type::Array(Array {
            type_id: byte,
            index_type_id: long,
            nelems: 60,
        }));
        let inner = b.add(Type::Union(Composite {
            name: String::new(),
            size: 8,
            members: vec![member("a", long, 0, 0), member("b", byte, 0, 0)],
        }));
        let id = b.add(Type::Struct(Composite {
            name: "all".into(),
            size: 96,
            members: vec![
                member("flag", byte, 0, 0),
                member("", inner, 64, 0),
                member("low", byte, 128, 3),
                member("high", byte, 132, 2),
                member("text", array, 136, 0),
                member("last", long, 640, 0),
            ],
        }));
        let layout = Layout::new(&b, id).expect("has a layout");
        assert_eq!(layout.holes, [56, 1, 2, 24]);
        assert_eq!((layout.size, layout.align, layout.padding), (96, 8, 64));
        assert_eq!(
            layout.text(64),
            "\
struct all {
    u8 flag;      /*     0       1 */
    /* hole: 7 bytes */
    union {
        u64 a;    /*     8       8 */
        u8 b;     /*     8       1 */
    };            /*     8       8 */
    u8 low:3;     /*    16:0     3 bits */
    /* hole: 1 bit */
    u8 high:2;    /*    16:4     2 bits */
    /* hole: 2 bits */
    u8 text[60];  /*    17      60 */
    /* hole: 3 bytes */
    /* cache line 1, byte 64, was 16 bytes ago */
    u64 last;     /*    80       8 */

    /* size: 96, alignment: 8, members: 6, cache lines: 2
       holes: 4, 10 bytes and 3 bits in all
       padding at the end: 8 bytes */
};
"
        );
        assert!(Layout::new(&b, long).is_err());
    }

    #[test]
    fn nesting_ends() {
        let mut b = BtfBuilder::new();
        let id = b.add(Type::Struct(Composite {
            name: String::new(),
            size: 8,
            members: vec![member("a", 1, 0, 0), member("b", 1, 0, 0)],
        }));
        assert!(Layout::new(&b, id).is_err());
    }
}
