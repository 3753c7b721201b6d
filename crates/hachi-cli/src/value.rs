//! Keys and values of maps, and globals, printed by their BTF types.

use std::fmt::Write;

use hachi_btf::{Btf, Type, Types};
use serde_json::{Map, Value, json};

/// How deep structures may nest before the rest is printed as bytes; types cannot be deeper in practice.
const DEPTH: u32 = 24;

/// Bytes as JSON by their type; as a list of bytes where type and size do not fit.
pub fn to_json(btf: Option<&Btf<'_>>, type_id: u32, bytes: &[u8]) -> Value {
    btf.filter(|_| type_id != 0)
        .and_then(|btf| decode(btf, type_id, bytes, DEPTH))
        .map_or_else(|| json!(bytes), |decoded| decoded.json())
}

/// Bytes as text in the way Rust's `Debug` would print the value; in hexadecimal without a type.
pub fn to_text(btf: Option<&Btf<'_>>, type_id: u32, bytes: &[u8]) -> String {
    let decoded = btf
        .filter(|_| type_id != 0)
        .and_then(|btf| decode(btf, type_id, bytes, DEPTH));
    match decoded {
        Some(decoded) => {
            let mut text = String::new();
            decoded.write(&mut text);
            text
        }
        None => hex(bytes),
    }
}

/// `0a 00 00 01`.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 3);
    for (at, byte) in bytes.iter().enumerate() {
        let _ = write!(text, "{}{byte:02x}", if at == 0 { "" } else { " " });
    }
    text
}

/// A number (or `true`, `false`) as the bytes of a variable of `size` bytes; `None` if it does not fit or is none.
pub fn parse_number(text: &str, size: usize, endian: hachi_asm::Endian) -> Option<Vec<u8>> {
    if !matches!(size, 1 | 2 | 4 | 8) {
        return None;
    }
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let magnitude: i128 = match (text, digits.strip_prefix("0x")) {
        ("true", _) => 1,
        ("false", _) => 0,
        (_, Some(hex)) => u64::from_str_radix(hex, 16).ok()?.into(),
        (_, None) => digits.parse::<u64>().ok()?.into(),
    };
    let number = if negative { -magnitude } else { magnitude };
    let bits = 8 * size as u32;
    // Signed or unsigned is for the program to know; either must fit.
    if number >= 1i128 << bits || number < -(1i128 << (bits - 1)) {
        return None;
    }
    let mut bytes = number.to_le_bytes()[..size].to_vec();
    if endian == hachi_asm::Endian::Big {
        bytes.reverse();
    }
    Some(bytes)
}

/// A value with its structure.
enum Decoded {
    Unsigned(u128),
    Signed(i128),
    Bool(bool),
    Float(f64),
    Pointer(u64),
    /// A variant's name, or the number where there is none.
    Variant(Option<String>, i128),
    Array(Vec<Decoded>),
    /// One-byte elements: perhaps a string.
    Bytes(Vec<u8>),
    /// Type name and members.
    Struct(String, Vec<(String, Decoded)>),
}

fn decode(btf: &Btf<'_>, type_id: u32, bytes: &[u8], depth: u32) -> Option<Decoded> {
    let depth = depth.checked_sub(1)?;
    let id = btf.resolve(type_id).ok()?;
    match btf.get(id).ok()? {
        Type::Int(int) => {
            let bytes = bytes.get(..int.size as usize)?;
            let number = unsigned(btf, bytes)?;
            Some(match (int.bool, int.signed) {
                (true, _) => Decoded::Bool(number != 0),
                (_, true) => Decoded::Signed(sign_extend(number, 8 * int.size)),
                _ => Decoded::Unsigned(number),
            })
        }
        Type::Float(float) => match float.size {
            4 => Some(Decoded::Float(
                f32::from_bits(unsigned(btf, bytes.get(..4)?)? as u32).into(),
            )),
            8 => Some(Decoded::Float(f64::from_bits(
                unsigned(btf, bytes.get(..8)?)? as u64,
            ))),
            _ => None,
        },
        Type::Ptr(_) => Some(Decoded::Pointer(unsigned(btf, bytes.get(..8)?)? as u64)),
        Type::Enum(e) => {
            let number = unsigned(btf, bytes.get(..e.size as usize)?)?;
            let number = match e.signed {
                true => sign_extend(number, 8 * e.size),
                false => number as i128,
            };
            let name = e.variants.iter().find(|variant| match e.signed {
                true => i128::from(variant.value) == number,
                false => i128::from(variant.value as u32) == number,
            });
            Some(Decoded::Variant(
                name.map(|variant| variant.name.to_string()),
                number,
            ))
        }
        Type::Enum64(e) => {
            let number = unsigned(btf, bytes.get(..e.size as usize)?)?;
            let name = e
                .variants
                .iter()
                .find(|variant| u128::from(variant.value) == number)
                .map(|variant| variant.name.to_string());
            let number = match e.signed {
                true => sign_extend(number, 8 * e.size),
                false => number as i128,
            };
            Some(Decoded::Variant(name, number))
        }
        Type::Array(array) => {
            let size = btf.size_of(array.type_id).ok()? as usize;
            let all = bytes.get(..size.checked_mul(array.nelems as usize)?)?;
            if size == 1 && is_byte(btf, array.type_id) {
                return Some(Decoded::Bytes(all.to_vec()));
            }
            if size == 0 {
                return Some(Decoded::Array(Vec::new()));
            }
            all.chunks_exact(size)
                .map(|element| decode(btf, array.type_id, element, depth))
                .collect::<Option<_>>()
                .map(Decoded::Array)
        }
        Type::Struct(composite) | Type::Union(composite) => {
            let bytes = bytes.get(..composite.size as usize)?;
            let mut members = Vec::new();
            for member in &composite.members {
                let value = match member.bit_size {
                    0 => decode(
                        btf,
                        member.type_id,
                        bytes.get(member.bit_offset as usize / 8..)?,
                        depth,
                    )?,
                    bits => bit_field(btf, bytes, member.bit_offset, bits.into())?,
                };
                members.push((member.name.to_string(), value));
            }
            Some(Decoded::Struct(composite.name.to_string(), members))
        }
        _ => None,
    }
}

fn is_byte(btf: &Btf<'_>, type_id: u32) -> bool {
    btf.resolve(type_id)
        .and_then(|id| btf.get(id))
        .is_ok_and(|ty| matches!(ty, Type::Int(int) if !int.bool && !int.signed || int.char))
}

fn unsigned(btf: &Btf<'_>, bytes: &[u8]) -> Option<u128> {
    if bytes.len() > 16 {
        return None;
    }
    let fold = |number: u128, byte: &u8| number << 8 | u128::from(*byte);
    Some(match btf.endian() {
        hachi_asm::Endian::Little => bytes.iter().rev().fold(0, fold),
        hachi_asm::Endian::Big => bytes.iter().fold(0, fold),
    })
}

fn sign_extend(number: u128, bits: u32) -> i128 {
    let unused = 128u32.saturating_sub(bits);
    match bits {
        0 => 0,
        _ => (number << unused) as i128 >> unused,
    }
}

/// A bit-field, of up to 64 bits, at a bit offset from the start of the structure.
fn bit_field(btf: &Btf<'_>, bytes: &[u8], offset: u32, bits: u32) -> Option<Decoded> {
    let (first, last) = (offset / 8, (offset + bits).div_ceil(8));
    let number = unsigned(btf, bytes.get(first as usize..last as usize)?)?;
    let shift = match btf.endian() {
        hachi_asm::Endian::Little => offset % 8,
        hachi_asm::Endian::Big => last * 8 - (offset + bits),
    };
    Some(Decoded::Unsigned(number >> shift & ((1u128 << bits) - 1)))
}

impl Decoded {
    fn json(&self) -> Value {
        match self {
            // JSON readers keep 53 bits; wider numbers than 64 bits become strings.
            Decoded::Unsigned(number) => {
                u64::try_from(*number).map_or_else(|_| json!(number.to_string()), |n| json!(n))
            }
            Decoded::Signed(number) => {
                i64::try_from(*number).map_or_else(|_| json!(number.to_string()), |n| json!(n))
            }
            Decoded::Bool(value) => json!(value),
            Decoded::Float(value) => json!(value),
            Decoded::Pointer(address) => json!(address),
            Decoded::Variant(Some(name), _) => json!(name),
            Decoded::Variant(None, number) => Decoded::Signed(*number).json(),
            Decoded::Array(elements) => Value::Array(elements.iter().map(Decoded::json).collect()),
            Decoded::Bytes(bytes) => json!(bytes),
            Decoded::Struct(_, members) => Value::Object(
                members
                    .iter()
                    .map(|(name, value)| (name.clone(), value.json()))
                    .collect::<Map<_, _>>(),
            ),
        }
    }

    fn write(&self, out: &mut String) {
        // Writing to a String cannot fail.
        let _ = match self {
            Decoded::Unsigned(number) => write!(out, "{number}"),
            Decoded::Signed(number) | Decoded::Variant(None, number) => write!(out, "{number}"),
            Decoded::Bool(value) => write!(out, "{value}"),
            Decoded::Float(value) => write!(out, "{value:?}"),
            Decoded::Pointer(address) => write!(out, "{address:#x}"),
            Decoded::Variant(Some(name), _) => write!(out, "{name}"),
            Decoded::Bytes(bytes) => match as_text(bytes) {
                Some(text) => write!(out, "{text:?}"),
                None => write!(out, "{bytes:?}"),
            },
            Decoded::Array(elements) => {
                out.push('[');
                for (at, element) in elements.iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { ", " });
                    element.write(out);
                }
                out.push(']');
                Ok(())
            }
            Decoded::Struct(name, members) => {
                out.push_str(name);
                out.push_str(if name.is_empty() { "{" } else { " {" });
                for (at, (name, value)) in members.iter().enumerate() {
                    out.push_str(if at == 0 { " " } else { ", " });
                    if !name.is_empty() {
                        out.push_str(name);
                        out.push_str(": ");
                    }
                    value.write(out);
                }
                out.push_str(if members.is_empty() { "}" } else { " }" });
                Ok(())
            }
        };
    }
}

/// Bytes that are most likely a name: some printable characters, then nothing but zeros. Short arrays are
/// more often addresses.
fn as_text(bytes: &[u8]) -> Option<&str> {
    let end = bytes
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(bytes.len());
    let (text, rest) = bytes.split_at(end);
    let printable = text
        .iter()
        .all(|byte| byte.is_ascii_graphic() || *byte == b' ');
    (bytes.len() >= 8 && text.len() >= 2 && printable && rest.iter().all(|byte| *byte == 0))
        .then(|| std::str::from_utf8(text).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hachi_asm::Endian;
    use hachi_btf::{Array, BtfBuilder, Composite, Enum, Int, Member, Variant};

    fn int(name: &str, size: u32, signed: bool, bool: bool) -> Type {
        Type::Int(Int {
            name: name.into(),
            size,
            bits: (size * 8) as u8,
            offset: 0,
            signed,
            char: false,
            bool,
        })
    }

    fn member(name: &str, type_id: u32, bit_offset: u32, bit_size: u8) -> Member {
        Member {
            name: name.into(),
            type_id,
            bit_offset,
            bit_size,
        }
    }

    /// `struct Event { source: [u8; 4], count: u64, delta: i32, ok: bool, kind: Kind, low: u8:3 }`
    fn event() -> (Vec<u8>, u32) {
        let mut btf = BtfBuilder::new();
        let u8_ = btf.add(int("u8", 1, false, false));
        let u64_ = btf.add(int("u64", 8, false, false));
        let i32_ = btf.add(int("i32", 4, true, false));
        let bool_ = btf.add(int("bool", 1, false, true));
        let four = btf.add(Type::Array(Array {
            type_id: u8_,
            index_type_id: i32_,
            nelems: 4,
        }));
        let kind = btf.add(Type::Enum(Enum {
            name: "Kind".into(),
            size: 1,
            signed: false,
            variants: vec![Variant {
                name: "Drop".into(),
                value: 1,
            }],
        }));
        let event = btf.add(Type::Struct(Composite {
            name: "Event".into(),
            size: 24,
            members: vec![
                member("count", u64_, 0, 0),
                member("source", four, 64, 0),
                member("delta", i32_, 96, 0),
                member("ok", bool_, 128, 0),
                member("kind", kind, 136, 0),
                member("low", u8_, 145, 3),
            ],
        }));
        (btf.encode(Endian::Little).unwrap(), event)
    }

    #[test]
    fn structures_print_by_their_types() {
        let (bytes, id) = event();
        let btf = Btf::parse(&bytes).unwrap();
        let mut value = vec![0u8; 24];
        value[0] = 7;
        value[8..12].copy_from_slice(&[10, 0, 0, 1]);
        value[12..16].copy_from_slice(&(-2i32).to_le_bytes());
        value[16] = 1;
        value[17] = 1;
        value[18] = 0b1010;
        assert_eq!(
            to_text(Some(&btf), id, &value),
            "Event { count: 7, source: [10, 0, 0, 1], delta: -2, ok: true, kind: Drop, low: 5 }"
        );
        assert_eq!(
            to_json(Some(&btf), id, &value),
            json!({"count": 7, "source": [10, 0, 0, 1], "delta": -2, "ok": true, "kind": "Drop", "low": 5})
        );
        // Too short for the type: the bytes themselves.
        assert_eq!(to_text(Some(&btf), id, &value[..3]), "07 00 00");
        assert_eq!(to_text(None, 0, &[1, 255]), "01 ff");
    }

    #[test]
    fn numbers_for_globals() {
        let parse = |text, size| parse_number(text, size, Endian::Little);
        assert_eq!(parse("1", 1), Some(vec![1]));
        assert_eq!(parse("0x1234", 2), Some(vec![0x34, 0x12]));
        assert_eq!(
            parse_number("0x1234", 2, Endian::Big),
            Some(vec![0x12, 0x34])
        );
        assert_eq!(parse("-1", 4), Some(vec![255; 4]));
        assert_eq!(parse("true", 1), Some(vec![1]));
        assert_eq!(parse("18446744073709551615", 8), Some(vec![255; 8]));
        assert_eq!(parse("256", 1), None);
        assert_eq!(parse("-129", 1), None);
        assert_eq!(parse("many", 4), None);
        assert_eq!(parse("1", 3), None);
    }

    #[test]
    fn names_in_byte_arrays() {
        assert_eq!(as_text(b"sshd\0\0\0\0\0\0\0\0\0\0\0\0"), Some("sshd"));
        assert_eq!(as_text(b"ABCD"), None);
        assert_eq!(as_text(b"ab\0cd\0\0\0"), None);
        assert_eq!(as_text(&[0; 16]), None);
    }
}
