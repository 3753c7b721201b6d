//! Keys and values of maps, and globals, printed by their BTF types.

use std::fmt::Write;
use std::net::IpAddr;

use hachi_asm::Endian;
use hachi_btf::print::Value as Typed;
use hachi_btf::{Btf, Type, Types};
use serde_json::{Value, json};

use crate::output::count;

/// Bytes as JSON by their type; as a list of bytes where type and size do not fit.
pub fn to_json(btf: Option<&Btf<'_>>, type_id: u32, bytes: &[u8]) -> Value {
    decode(btf, type_id, bytes)
        .and_then(|value| serde_json::from_str(&value.to_json()).ok())
        .unwrap_or_else(|| json!(bytes))
}

/// Bytes as text in the way Rust's `Debug` would print the value; in hexadecimal without a type.
pub fn to_text(btf: Option<&Btf<'_>>, type_id: u32, bytes: &[u8]) -> String {
    decode(btf, type_id, bytes).map_or_else(|| hex(bytes), |value| value.to_string())
}

fn decode(btf: Option<&Btf<'_>>, type_id: u32, bytes: &[u8]) -> Option<Typed> {
    Typed::decode(btf.filter(|_| type_id != 0)?, type_id, bytes)
}

/// A key of a longest-prefix-match map: `10.0.0.0/8`, `fe80::/10` where its data can be an address
/// by size and type, else the bytes in hexadecimal: `0a 00 00/17`.
pub fn prefix(btf: Option<&Btf<'_>>, type_id: u32, key: &[u8]) -> String {
    let Some((length, data)) = key.split_first_chunk::<4>() else {
        return hex(key);
    };
    // The kernel's byte order is that of this machine.
    let length = u32::from_ne_bytes(*length);
    let is_address = btf.filter(|_| type_id != 0).is_some_and(|btf| {
        prefix_data(btf, type_id).is_some_and(|data| is_address(btf, data, DEPTH))
    });
    let address = match is_address {
        true => <[u8; 4]>::try_from(data)
            .map(IpAddr::from)
            .or_else(|_| <[u8; 16]>::try_from(data).map(IpAddr::from))
            .ok(),
        false => None,
    };
    match address {
        Some(address) => format!("{address}/{length}"),
        None => format!("{}/{length}", hex(data)),
    }
}

/// The type of what follows the length of a prefix.
fn prefix_data(btf: &Btf<'_>, id: u32) -> Option<u32> {
    match btf.get(btf.resolve(id).ok()?).ok()? {
        Type::Struct(key) => match &key.members[..] {
            [_, data] if data.bit_offset == 32 && data.bit_size == 0 => Some(data.type_id),
            _ => None,
        },
        _ => None,
    }
}

/// Whether values of a type are bytes or words without more structure, as addresses are.
fn is_address(btf: &Btf<'_>, id: u32, depth: u32) -> bool {
    let Some(depth) = depth.checked_sub(1) else {
        return false;
    };
    let Ok(ty) = btf.resolve(id).and_then(|id| btf.get(id)) else {
        return false;
    };
    match ty {
        Type::Int(int) => !int.bool && matches!(int.size, 1 | 4 | 8 | 16),
        Type::Array(array) => is_address(btf, array.type_id, depth),
        // `in_addr`, `in6_addr` with its union of views, Rust's newtypes.
        Type::Struct(ty) if ty.members.len() == 1 => is_address(btf, ty.members[0].type_id, depth),
        Type::Union(ty) => ty
            .members
            .iter()
            .any(|member| is_address(btf, member.type_id, depth)),
        _ => false,
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

/// The bytes of a variable of this type and size that text stands for: of an integer any number
/// that it can hold, of an enum one of its values or their names, `true` and `false` of a bool.
/// Without a type, any number of that size will do.
///
/// # Errors
/// Says which values there are.
pub fn parse(
    types: Option<&dyn Types>,
    type_id: u32,
    size: usize,
    endian: Endian,
    text: &str,
) -> Result<Vec<u8>, String> {
    let number = match types.filter(|_| type_id != 0) {
        Some(types) => parse_typed(types, type_id, size, text)?,
        None => parse_integer(text, size, &Range::any(size))?,
    };
    let mut bytes = number.to_le_bytes();
    let bytes = bytes.get_mut(..size).ok_or_else(|| not_settable(size))?;
    if endian == Endian::Big {
        bytes.reverse();
    }
    Ok(bytes.to_vec())
}

fn not_settable(size: usize) -> String {
    let bytes = count(size, "byte");
    format!("it has {bytes}, and only single numbers, enums and truth values can be set")
}

/// How deep newtypes may be nested, so that hostile types come to an end.
const DEPTH: u32 = 16;

fn parse_typed(types: &dyn Types, id: u32, size: usize, text: &str) -> Result<i128, String> {
    let mut id = id;
    let mut may_be_zero = true;
    for _ in 0..DEPTH {
        let malformed = |error: hachi_btf::Error| error.to_string();
        id = types.resolve(id).map_err(malformed)?;
        let ty = types.decode(id).map_err(malformed)?;
        let number = match ty {
            Type::Struct(newtype) => match &newtype.members[..] {
                // The same bytes under another name.
                [member] if member.bit_offset == 0 && member.bit_size == 0 => {
                    may_be_zero &= !newtype.name.starts_with("NonZero");
                    id = member.type_id;
                    continue;
                }
                _ => return Err(not_settable(size)),
            },
            Type::Int(int) if int.bool => match text {
                "true" | "1" => 1,
                "false" | "0" => 0,
                _ => return Err("a bool is true or false".into()),
            },
            // Of Rust: a character of C has one byte.
            Type::Int(int) if int.name == "char" && size == 4 => {
                let number = parse_integer(text, size, &Range::of(size, false))?;
                match u32::try_from(number).ok().and_then(char::from_u32) {
                    Some(_) => number,
                    None => return Err("it is the number of no character".into()),
                }
            }
            Type::Int(int) if int.char => parse_integer(text, size, &Range::any(size))?,
            Type::Int(int) => parse_integer(text, size, &Range::of(size, int.signed))?,
            Type::Ptr(_) => parse_integer(text, size, &Range::of(size, false))?,
            Type::Float(_) => parse_float(text, size)?,
            Type::Enum(ty) => {
                let value = |value: i32| match ty.signed {
                    true => i128::from(value),
                    false => i128::from(value as u32),
                };
                let variants = ty.variants.iter().map(|v| (v.name, value(v.value)));
                parse_enum(text, variants.collect())?
            }
            Type::Enum64(ty) => {
                let value = |value: u64| match ty.signed {
                    true => i128::from(value as i64),
                    false => i128::from(value),
                };
                let variants = ty.variants.iter().map(|v| (v.name, value(v.value)));
                parse_enum(text, variants.collect())?
            }
            _ => return Err(not_settable(size)),
        };
        return match number {
            0 if !may_be_zero => Err("it must not be zero".into()),
            number => Ok(number),
        };
    }
    Err("its type is nested too deeply".into())
}

/// How many values of an enum a message names.
const NAMED: usize = 12;

fn parse_enum(text: &str, variants: Vec<(&str, i128)>) -> Result<i128, String> {
    let number = digits(text);
    let found = variants
        .iter()
        .find(|(name, value)| *name == text || Some(*value) == number);
    if let Some((_, value)) = found {
        return Ok(*value);
    }
    let mut values: Vec<String> = variants
        .iter()
        .take(NAMED)
        .map(|(name, value)| format!("{name} ({value})"))
        .collect();
    if variants.len() > NAMED {
        values.push(format!("{} more", variants.len() - NAMED));
    }
    Err(match values.as_slice() {
        [] => "the enum has no values".into(),
        values => format!("its values are {}", values.join(", ")),
    })
}

/// Numbers that fit.
struct Range {
    least: i128,
    greatest: i128,
}

impl Range {
    fn of(size: usize, signed: bool) -> Range {
        let bits = 8 * size.clamp(1, 8) as u32;
        match signed {
            true => Range {
                least: -(1 << (bits - 1)),
                greatest: (1 << (bits - 1)) - 1,
            },
            false => Range {
                least: 0,
                greatest: (1 << bits) - 1,
            },
        }
    }

    /// Signed or unsigned is for the program to know.
    fn any(size: usize) -> Range {
        Range {
            least: Range::of(size, true).least,
            greatest: Range::of(size, false).greatest,
        }
    }
}

fn parse_integer(text: &str, size: usize, range: &Range) -> Result<i128, String> {
    if !matches!(size, 1 | 2 | 4 | 8) {
        return Err(not_settable(size));
    }
    let number = match text {
        "true" => Some(1),
        "false" => Some(0),
        text => digits(text),
    };
    // In hexadecimal the bits are meant, of negative numbers, too.
    let bits = Range::of(size, false).greatest;
    match number {
        Some(number) if (range.least..=range.greatest).contains(&number) => Ok(number),
        Some(number) if text.starts_with("0x") && number <= bits => Ok(number),
        Some(_) => Err(format!(
            "it must be from {} to {}",
            range.least, range.greatest
        )),
        None => Err(
            "it must be a number, in decimal or in hexadecimal after 0x, or true or false".into(),
        ),
    }
}

/// A number as people write it, of at most 64 bits.
fn digits(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    // `parse` takes a sign of its own.
    let digits = digits.replace('_', "");
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let magnitude: i128 = match digits.strip_prefix("0x") {
        Some(hex) if hex.starts_with(|c: char| c.is_ascii_hexdigit()) => {
            u64::from_str_radix(hex, 16).ok()?.into()
        }
        Some(_) => return None,
        None => digits.parse::<u64>().ok()?.into(),
    };
    Some(if negative { -magnitude } else { magnitude })
}

fn parse_float(text: &str, size: usize) -> Result<i128, String> {
    let failed = |_| "it must be a number such as 0.5".to_owned();
    match size {
        4 => Ok(text.parse::<f32>().map_err(failed)?.to_bits().into()),
        8 => Ok(text.parse::<f64>().map_err(failed)?.to_bits().into()),
        _ => Err(not_settable(size)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hachi_btf::{BtfBuilder, Composite, Enum, Enum64, Float, Int, Member, Variant};

    #[test]
    fn what_has_no_type_is_bytes() {
        let mut btf = BtfBuilder::new();
        let id = btf.add(Type::Int(Int::new("u32", 4, false)));
        let bytes = btf.encode(Endian::Little).unwrap();
        let btf = Btf::parse(&bytes).unwrap();
        assert_eq!(to_text(Some(&btf), id, &[1, 1, 0, 0]), "257");
        assert_eq!(to_json(Some(&btf), id, &[1, 1, 0, 0]), json!(257));
        // Too short for the type.
        assert_eq!(to_text(Some(&btf), id, &[7, 0, 0]), "07 00 00");
        assert_eq!(to_json(Some(&btf), id, &[7, 0, 0]), json!([7, 0, 0]));
        assert_eq!(to_text(None, 0, &[1, 255]), "01 ff");
    }

    #[test]
    fn prefixes_are_addresses_where_their_type_can_be_one() {
        let mut btf = BtfBuilder::new();
        let u8 = btf.add(Type::Int(Int::new("u8", 1, false)));
        let u16 = btf.add(Type::Int(Int::new("u16", 2, false)));
        let u32 = btf.add(Type::Int(Int::new("u32", 4, false)));
        let mut array = |type_id, nelems| {
            btf.add(Type::Array(hachi_btf::Array {
                type_id,
                index_type_id: u32,
                nelems,
            }))
        };
        let (four, sixteen, words, ports) =
            (array(u8, 4), array(u8, 16), array(u32, 4), array(u16, 2));
        let mut key = |data, size: u32| {
            let member = |name: &str, type_id, bit_offset| Member {
                name: name.into(),
                type_id,
                bit_offset,
                bit_size: 0,
            };
            btf.add(Type::Struct(Composite {
                name: "Key".into(),
                size: 4 + size,
                members: vec![member("prefixlen", u32, 0), member("data", data, 32)],
            }))
        };
        let keys = [
            key(four, 4),
            key(u32, 4),
            key(sixteen, 16),
            key(words, 16),
            key(ports, 4),
        ];
        let bytes = btf.encode(Endian::Little).unwrap();
        let btf = Btf::parse(&bytes).unwrap();
        let show = |id, length: u32, data: &[u8]| {
            prefix(Some(&btf), id, &[&length.to_ne_bytes(), data].concat())
        };
        let link_local = [0xfe80_u16, 0, 0, 0, 0, 0, 0, 1]
            .map(u16::to_be_bytes)
            .concat();
        assert_eq!(show(keys[0], 8, &[10, 0, 0, 0]), "10.0.0.0/8");
        assert_eq!(show(keys[1], 32, &[192, 168, 0, 1]), "192.168.0.1/32");
        assert_eq!(show(keys[2], 10, &link_local), "fe80::1/10");
        assert_eq!(show(keys[3], 0, &[0; 16]), "::/0");
        assert_eq!(show(keys[4], 16, &[0, 80, 0, 0]), "00 50 00 00/16");
        // Without a type, or with one that does not fit.
        assert_eq!(show(0, 8, &[10, 0, 0, 0]), "0a 00 00 00/8");
        assert_eq!(show(u16, 8, &[10, 0, 0, 0]), "0a 00 00 00/8");
        assert_eq!(show(keys[0], 8, &[10, 0]), "0a 00/8");
        assert_eq!(prefix(None, 0, &[1, 2]), "01 02");
    }

    #[test]
    fn without_a_type_any_number_of_the_size_will_do() {
        let parse = |text, size| parse(None, 0, size, Endian::Little, text).ok();
        assert_eq!(parse("1", 1), Some(vec![1]));
        assert_eq!(parse("0x1234", 2), Some(vec![0x34, 0x12]));
        assert_eq!(parse("-1", 4), Some(vec![255; 4]));
        assert_eq!(parse("true", 1), Some(vec![1]));
        assert_eq!(parse("1_000", 2), Some(vec![0xe8, 3]));
        assert_eq!(parse("18446744073709551615", 8), Some(vec![255; 8]));
        for (text, size) in [
            ("256", 1),
            ("-129", 1),
            ("many", 4),
            ("1", 3),
            ("1", 0),
            ("1", 16),
            ("", 4),
            ("-", 4),
            ("--1", 4),
            ("+1", 4),
            ("0x", 4),
            ("0x-1", 4),
            ("18446744073709551616", 8),
        ] {
            assert_eq!(parse(text, size), None, "{text} in {size} bytes");
        }
        let big = super::parse(None, 0, 2, Endian::Big, "0x1234");
        assert_eq!(big, Ok(vec![0x12, 0x34]));
    }

    fn variants<V: Copy>(values: &[(&str, V)]) -> Vec<Variant<V>> {
        let variant = |(name, value): &(&str, V)| Variant {
            name: (*name).to_owned(),
            value: *value,
        };
        values.iter().map(variant).collect()
    }

    #[test]
    fn the_type_says_which_values_there_are() {
        let mut btf = BtfBuilder::new();
        let i8 = btf.add(Type::Int(Int::new("i8", 1, true)));
        let u8 = btf.add(Type::Int(Int::new("u8", 1, false)));
        let bool = btf.add(Type::Int(Int {
            bool: true,
            ..Int::new("bool", 1, false)
        }));
        let char = btf.add(Type::Int(Int::new("char", 4, false)));
        let float = btf.add(Type::Float(Float {
            name: "f64".into(),
            size: 8,
        }));
        let mode = btf.add(Type::Enum(Enum {
            name: "Mode".into(),
            size: 1,
            signed: true,
            variants: variants(&[("Off", 1), ("On", 2), ("Broken", -1)]),
        }));
        let wide = btf.add(Type::Enum64(Enum64 {
            name: "Wide".into(),
            size: 8,
            signed: false,
            variants: variants(&[("MOST", u64::MAX)]),
        }));
        let newtype = |name: &str, type_id| {
            Type::Struct(Composite {
                name: name.into(),
                size: 1,
                members: vec![Member {
                    name: "__0".into(),
                    type_id,
                    bit_offset: 0,
                    bit_size: 0,
                }],
            })
        };
        let level = btf.add(newtype("Level", mode));
        let nonzero = btf.add(newtype("NonZero<u8>", u8));
        let itself = btf.last_id() + 1;
        btf.add(newtype("Itself", itself));
        let parse = |id, size, text| parse(Some(&btf), id, size, Endian::Little, text);
        for (id, size, text, bytes) in [
            (i8, 1, "-128", vec![0x80]),
            (i8, 1, "0xff", vec![0xff]),
            (u8, 1, "255", vec![0xff]),
            (bool, 1, "true", vec![1]),
            (bool, 1, "0", vec![0]),
            (char, 4, "0x41", vec![0x41, 0, 0, 0]),
            (float, 8, "0.5", 0.5f64.to_le_bytes().to_vec()),
            (mode, 1, "On", vec![2]),
            (mode, 1, "2", vec![2]),
            (mode, 1, "Broken", vec![0xff]),
            (mode, 1, "-1", vec![0xff]),
            (level, 1, "Off", vec![1]),
            (nonzero, 1, "7", vec![7]),
            (wide, 8, "MOST", vec![0xff; 8]),
        ] {
            assert_eq!(parse(id, size, text), Ok(bytes), "{text}");
        }
        for (id, size, text, why) in [
            (i8, 1, "128", "from -128 to 127"),
            (u8, 1, "-1", "from 0 to 255"),
            (u8, 1, "0x100", "from 0 to 255"),
            (bool, 1, "2", "true or false"),
            (char, 4, "0xd800", "no character"),
            (float, 8, "half", "number"),
            (mode, 1, "7", "Off (1), On (2), Broken (-1)"),
            (mode, 1, "on", "Off (1), On (2), Broken (-1)"),
            (level, 1, "0", "Off (1), On (2), Broken (-1)"),
            (nonzero, 1, "0", "not be zero"),
            (wide, 8, "1", "MOST (18446744073709551615)"),
            (itself, 1, "1", "nested"),
            (99, 1, "1", ""),
        ] {
            let error = parse(id, size, text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
