//! Values by their types: elements of maps, global variables.

use std::fmt::{self, Write as _};

use hachi_asm::Endian;

use super::quote::json_str;
use crate::{Array, Btf, Composite, DataSec, Int, Kind, Member, Type, Types as _};

/// How deep structs may nest; types cannot be deeper in practice.
const DEPTH: u32 = 24;
/// How many parts a value may have in all: members that overlap could make it endless.
const PARTS: u32 = 1 << 20;

/// A value with its structure.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// An integer without sign.
    Unsigned(u128),
    /// An integer with sign.
    Signed(i128),
    /// A truth value.
    Bool(bool),
    /// A floating-point number.
    Float(f64),
    /// A pointer, as the address it holds.
    Pointer(u64),
    /// An enum: the name of the value, `A|B` if it is made of flags, or none; and the number.
    Enum(Option<String>, i128),
    /// Elements of an array.
    Array(Vec<Value>),
    /// Elements of one byte each: perhaps a string.
    Bytes(Vec<u8>),
    /// Elements of C's `char`: a string, as a rule.
    Text(Vec<u8>),
    /// A struct or union with its members, or a section with its variables.
    Struct {
        /// Name of the type; empty if it has none.
        name: String,
        /// Name and value of each member, in the order of declaration.
        members: Vec<(String, Value)>,
    },
}

impl Value {
    /// Reads the value of type `id` that `bytes` begin with, which are in the byte order of the
    /// types. `None` if there are too few, or values cannot have that type.
    pub fn decode(btf: &Btf<'_>, id: u32, bytes: &[u8]) -> Option<Value> {
        let mut decoder = Decoder { btf, left: PARTS };
        decoder.decode(id, bytes, DEPTH)
    }

    /// As JSON: numbers as numbers (of more than 64 bits as strings), enum values by name, bytes as
    /// an array of numbers (those of C strings, too), structs as objects, Rust's tuples of one
    /// field as that field.
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out);
        out
    }

    // Writing to a String cannot fail, so results are dropped.
    fn write_json(&self, out: &mut String) {
        let list = |out: &mut String, items: &mut dyn Iterator<Item = &Value>| {
            out.push('[');
            for (at, item) in items.enumerate() {
                out.push_str(if at == 0 { "" } else { "," });
                item.write_json(out);
            }
            out.push(']');
        };
        match self {
            Value::Unsigned(number) => {
                let _ = match u64::try_from(*number) {
                    Ok(number) => write!(out, "{number}"),
                    Err(_) => write!(out, "\"{number}\""),
                };
            }
            Value::Signed(number) | Value::Enum(None, number) => {
                let _ = match i64::try_from(*number).is_ok() || u64::try_from(*number).is_ok() {
                    true => write!(out, "{number}"),
                    false => write!(out, "\"{number}\""),
                };
            }
            Value::Bool(value) => {
                let _ = write!(out, "{value}");
            }
            // JSON has no infinities.
            Value::Float(value) if !value.is_finite() => json_str(out, &value.to_string()),
            Value::Float(value) => {
                let _ = write!(out, "{value:?}");
            }
            Value::Pointer(address) => {
                let _ = write!(out, "{address}");
            }
            Value::Enum(Some(name), _) => json_str(out, name),
            Value::Array(elements) => list(out, &mut elements.iter()),
            Value::Bytes(bytes) | Value::Text(bytes) => {
                let _ = write!(out, "{bytes:?}");
            }
            // A type under another name.
            Value::Struct { members, .. } if members.len() == 1 && is_tuple(members) => {
                members[0].1.write_json(out);
            }
            Value::Struct { members, .. } => {
                out.push('{');
                for (at, (name, value)) in members.iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { "," });
                    json_str(out, name);
                    out.push(':');
                    value.write_json(out);
                }
                out.push('}');
            }
        }
    }
}

/// On one line, as Rust's `Debug` would print it. Bytes that are most likely a name are printed as
/// one.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Unsigned(number) => write!(f, "{number}"),
            Value::Signed(number) | Value::Enum(None, number) => write!(f, "{number}"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Float(value) => write!(f, "{value:?}"),
            Value::Pointer(address) => write!(f, "{address:#x}"),
            Value::Enum(Some(name), _) => f.write_str(name),
            Value::Bytes(bytes) => match as_text(bytes) {
                Some(text) => write!(f, "{text:?}"),
                None => write!(f, "{bytes:?}"),
            },
            Value::Text(bytes) => f.write_str(&quoted(c_string(bytes).unwrap_or(bytes))),
            Value::Array(elements) => {
                f.write_str("[")?;
                for (at, element) in elements.iter().enumerate() {
                    f.write_str(if at == 0 { "" } else { ", " })?;
                    element.fmt(f)?;
                }
                f.write_str("]")
            }
            Value::Struct { name, members } if is_tuple(members) => {
                write!(f, "{name}(")?;
                for (at, (_, value)) in members.iter().enumerate() {
                    f.write_str(if at == 0 { "" } else { ", " })?;
                    value.fmt(f)?;
                }
                f.write_str(")")
            }
            Value::Struct { name, members } => {
                f.write_str(name)?;
                f.write_str(if name.is_empty() { "{" } else { " {" })?;
                for (at, (name, value)) in members.iter().enumerate() {
                    f.write_str(if at == 0 { " " } else { ", " })?;
                    if !name.is_empty() {
                        write!(f, "{name}: ")?;
                    }
                    value.fmt(f)?;
                }
                f.write_str(if members.is_empty() { "}" } else { " }" })
            }
        }
    }
}

/// Whether Rust shows a struct as what is in it: an atomic, a cell, a number that is never zero.
/// (The linker writes `UnsafeCell<u64>` as `UnsafeCell_u64`.)
fn is_transparent(composite: &Composite<&str>) -> bool {
    const NAMES: &[&str] = &[
        "Atomic",
        "Cell_",
        "NonZero",
        "Saturating_",
        "SyncUnsafeCell_",
        "UnsafeCell_",
        "Wrapping_",
    ];
    let is_one = matches!(
        &composite.members[..],
        [member] if member.bit_offset == 0
            && member.bit_size == 0
            && matches!(member.name, "__0" | "value" | "v")
    );
    is_one && NAMES.iter().any(|name| composite.name.starts_with(name))
}

/// Whether these are the fields of a tuple of Rust's: `__0`, `__1`, …
fn is_tuple(members: &[(String, Value)]) -> bool {
    let is_numbered = |(at, (name, _)): (usize, &(String, Value))| {
        name.strip_prefix("__")
            .is_some_and(|number| number == at.to_string())
    };
    !members.is_empty() && members.iter().enumerate().all(is_numbered)
}

/// What is before the zeros at the end of an array; `None` if there is a zero in it, too.
fn c_string(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    let text = &bytes[..end];
    (!text.contains(&0)).then_some(text)
}

/// In quotes, with escapes as Rust has them; bytes that are no UTF-8 as `\xff`.
fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\'' => text.push(c),
                c => text.extend(c.escape_debug()),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text.push('"');
    text
}

/// Bytes that are most likely a name: some printable characters, then nothing but zeros. Short
/// arrays are more often addresses.
fn as_text(bytes: &[u8]) -> Option<&str> {
    let end = bytes.iter().position(|byte| *byte == 0);
    let (text, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
    let printable = text
        .iter()
        .all(|byte| byte.is_ascii_graphic() || *byte == b' ');
    (bytes.len() >= 8 && text.len() >= 2 && printable && rest.iter().all(|byte| *byte == 0))
        .then(|| std::str::from_utf8(text).ok())
        .flatten()
}

struct Decoder<'b, 'a> {
    btf: &'b Btf<'a>,
    left: u32,
}

impl Decoder<'_, '_> {
    fn decode(&mut self, id: u32, bytes: &[u8], depth: u32) -> Option<Value> {
        let depth = depth.checked_sub(1)?;
        self.left = self.left.checked_sub(1)?;
        let id = self.btf.resolve(id).ok()?;
        match self.btf.get(id).ok()? {
            Type::Int(int) => {
                let bytes = bytes.get(..int.size as usize)?;
                // Old compilers made bit-fields of integers that are not as wide as they are long.
                let bits = match int.bits {
                    0 => 8 * int.size,
                    bits => u32::from(bits).min(8 * int.size),
                };
                self.int(&int, self.bits(bytes, int.offset.into(), bits)?, bits)
            }
            Type::Float(float) => {
                let number = self.number(bytes.get(..float.size as usize)?)?;
                match float.size {
                    4 => Some(Value::Float(f32::from_bits(number as u32).into())),
                    8 => Some(Value::Float(f64::from_bits(number as u64))),
                    _ => None,
                }
            }
            Type::Ptr(_) => {
                let size = self.btf.pointer_size() as usize;
                Some(Value::Pointer(self.number(bytes.get(..size)?)? as u64))
            }
            ty @ (Type::Enum(_) | Type::Enum64(_)) => {
                let size = self.btf.size_of(id).ok()?;
                let number = self.number(bytes.get(..size as usize)?)?;
                Some(enum_value(&ty, number, 8 * size))
            }
            Type::Array(array) => self.array(&array, bytes, depth),
            Type::Struct(cell) if is_transparent(&cell) => {
                self.decode(cell.members[0].type_id, bytes, depth)
            }
            Type::Struct(composite) | Type::Union(composite) => {
                let bytes = bytes.get(..composite.size as usize)?;
                let mut members = Vec::new();
                for member in &composite.members {
                    let value = self.member(member, bytes, depth)?;
                    members.push((member.name.to_owned(), value));
                }
                Some(Value::Struct {
                    name: composite.name.to_owned(),
                    members,
                })
            }
            Type::Var(var) => self.decode(var.type_id, bytes, depth),
            Type::DataSec(section) => self.section(&section, bytes, depth),
            _ => None,
        }
    }

    fn member(&mut self, member: &Member<&str>, bytes: &[u8], depth: u32) -> Option<Value> {
        let bits = u32::from(member.bit_size);
        if bits == 0 {
            let start = member.bit_offset as usize / 8;
            return self.decode(member.type_id, bytes.get(start..)?, depth);
        }
        let number = self.bits(bytes, member.bit_offset, bits)?;
        let id = self.btf.resolve(member.type_id).ok()?;
        match self.btf.get(id).ok()? {
            Type::Int(int) => self.int(&int, number, bits),
            ty => Some(enum_value(&ty, number, bits)),
        }
    }

    fn array(&mut self, array: &Array, bytes: &[u8], depth: u32) -> Option<Value> {
        let size = self.btf.size_of(array.type_id).ok()? as usize;
        let all = bytes.get(..size.checked_mul(array.nelems as usize)?)?;
        if size == 1 && self.is_char(array.type_id) {
            return Some(Value::Text(all.to_vec()));
        }
        if size == 1 && self.is_byte(array.type_id) {
            return Some(Value::Bytes(all.to_vec()));
        }
        if size == 0 {
            return Some(Value::Array(Vec::new()));
        }
        all.chunks_exact(size)
            .map(|element| self.decode(array.type_id, element, depth))
            .collect::<Option<_>>()
            .map(Value::Array)
    }

    fn section(&mut self, section: &DataSec<&str>, bytes: &[u8], depth: u32) -> Option<Value> {
        let mut members = Vec::new();
        for var in &section.vars {
            let shape = self.btf.shape(var.type_id).ok()?;
            let (name, start) = (shape.name.to_owned(), var.offset as usize);
            if shape.kind == Kind::Var {
                let value = self.decode(shape.type_id, bytes.get(start..)?, depth)?;
                members.push((name, value));
            }
        }
        Some(Value::Struct {
            name: section.name.to_owned(),
            members,
        })
    }

    /// Whether it is C's `char`, signed or not.
    fn is_char(&self, id: u32) -> bool {
        self.btf
            .resolve(id)
            .and_then(|id| self.btf.get(id))
            .is_ok_and(|ty| matches!(ty, Type::Int(int) if int.char || int.name == "char"))
    }

    fn is_byte(&self, id: u32) -> bool {
        self.btf
            .resolve(id)
            .and_then(|id| self.btf.get(id))
            .is_ok_and(|ty| matches!(ty, Type::Int(int) if !int.bool && !int.signed))
    }

    fn int(&self, int: &Int<&str>, number: u128, bits: u32) -> Option<Value> {
        Some(match (int.bool, int.signed) {
            (true, _) => Value::Bool(number != 0),
            (_, true) => Value::Signed(sign_extend(number, bits)),
            _ => Value::Unsigned(number),
        })
    }

    /// Up to 128 bits as a number.
    fn number(&self, bytes: &[u8]) -> Option<u128> {
        if bytes.len() > 16 {
            return None;
        }
        let fold = |number: u128, byte: &u8| number << 8 | u128::from(*byte);
        Some(match self.btf.endian() {
            Endian::Little => bytes.iter().rev().fold(0, fold),
            Endian::Big => bytes.iter().fold(0, fold),
        })
    }

    /// `bits` bits, at a bit offset.
    fn bits(&self, bytes: &[u8], offset: u32, bits: u32) -> Option<u128> {
        let end = offset.checked_add(bits)?;
        let (first, last) = (offset / 8, end.div_ceil(8));
        let number = self.number(bytes.get(first as usize..last as usize)?)?;
        let shift = match self.btf.endian() {
            Endian::Little => offset % 8,
            Endian::Big => last * 8 - end,
        };
        let mask = u128::MAX.checked_shr(128 - bits.min(128)).unwrap_or(0);
        Some(number >> shift & mask)
    }
}

fn sign_extend(number: u128, bits: u32) -> i128 {
    let unused = 128u32.saturating_sub(bits);
    match bits {
        0 => 0,
        _ => (number << unused) as i128 >> unused,
    }
}

fn enum_value(ty: &Type<&str>, number: u128, bits: u32) -> Value {
    let (signed, variants): (bool, Vec<(&str, i128)>) = match ty {
        Type::Enum(e) => {
            let value = |value: i32| match e.signed {
                true => value.into(),
                false => i128::from(value as u32),
            };
            let variants = e.variants.iter().map(|v| (v.name, value(v.value)));
            (e.signed, variants.collect())
        }
        Type::Enum64(e) => {
            let value = |value: u64| match e.signed {
                true => i128::from(value as i64),
                false => value.into(),
            };
            let variants = e.variants.iter().map(|v| (v.name, value(v.value)));
            (e.signed, variants.collect())
        }
        _ => (false, Vec::new()),
    };
    let number = match signed {
        true => sign_extend(number, bits),
        false => number as i128,
    };
    let exact = variants.iter().find(|(_, value)| *value == number);
    let name = match exact {
        Some((name, _)) => Some((*name).to_owned()),
        None => flags(&variants, number),
    };
    Value::Enum(name, number)
}

/// The names of the flags that make up the number, if the values of the enum are flags: one bit
/// each.
fn flags(variants: &[(&str, i128)], number: i128) -> Option<String> {
    let is_flag = |value: i128| value > 0 && value & (value - 1) == 0;
    // Consecutive small numbers have single bits among them, too.
    if number <= 0
        || variants
            .iter()
            .any(|&(_, value)| value != 0 && !is_flag(value))
    {
        return None;
    }
    let set: Vec<&(&str, i128)> = variants
        .iter()
        .filter(|(_, value)| number & value != 0)
        .collect();
    let covered = set.iter().fold(0, |all, (_, value)| all | value);
    let names: Vec<&str> = set.iter().map(|(name, _)| *name).collect();
    (covered == number).then(|| names.join("|"))
}

#[cfg(test)]
#[path = "value_tests.rs"]
mod tests;
