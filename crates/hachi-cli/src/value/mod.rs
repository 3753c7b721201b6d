//! Keys and values of maps, and globals, read and written by their BTF types.

mod write;

use std::fmt::Write;
use std::net::IpAddr;

use hachi_btf::print::Value as Typed;
use hachi_btf::{Btf, Type, Types};
use serde_json::{Value, json};

pub use write::{bytes, from_json, parse, parse_prefix};

/// How deep newtypes may be nested, so that hostile types come to an end.
const DEPTH: u32 = 16;

/// Bytes as JSON by their type; as a list of bytes where type and size do not fit.
pub fn to_json(btf: Option<&Btf<'_>>, type_id: u32, bytes: &[u8]) -> Value {
    decode(btf, type_id, bytes)
        .and_then(|value| serde_json::from_str(&value.to_json()).ok())
        .unwrap_or_else(|| json!(bytes))
}

/// Bytes as text in the way Rust's `Debug` would print the value; in hexadecimal without a type.
pub fn to_text(btf: Option<&Btf<'_>>, type_id: u32, bytes: &[u8]) -> String {
    match (decode(btf, type_id, bytes), bytes) {
        (Some(value), _) => value.to_string(),
        // One byte alone would be read as a decimal number.
        (None, [_]) => format!("0x{}", hex(bytes)),
        (None, _) => hex(bytes),
    }
}

fn decode(btf: Option<&Btf<'_>>, type_id: u32, bytes: &[u8]) -> Option<Typed> {
    Typed::decode(btf.filter(|_| type_id != 0)?, type_id, bytes)
}

/// A value that is the sum of others.
pub struct Sum(Typed);

impl Sum {
    pub fn text(&self) -> String {
        self.0.to_string()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.0.to_json()).unwrap_or(Value::Null)
    }
}

/// The sum of values of a type, member by member; of numbers without a type, too. `None` if they
/// are not numbers.
pub fn sum<'v>(
    btf: Option<&Btf<'_>>,
    type_id: u32,
    values: impl IntoIterator<Item = &'v [u8]>,
) -> Option<Sum> {
    let number = |bytes: &[u8]| {
        let mut all = [0; 16];
        // The kernel's byte order is that of this machine.
        let at = if cfg!(target_endian = "big") {
            16 - bytes.len()
        } else {
            0
        };
        all.get_mut(at..at + bytes.len())?.copy_from_slice(bytes);
        Some(Typed::Unsigned(u128::from_ne_bytes(all)))
    };
    let mut total: Option<Typed> = None;
    for bytes in values {
        let value = match type_id {
            0 if matches!(bytes.len(), 1 | 2 | 4 | 8) => number(bytes)?,
            0 => return None,
            _ => decode(btf, type_id, bytes)?,
        };
        total = Some(match total {
            // What has no sum has none alone, either.
            None => add(value.clone(), value.clone()).map(|_| value)?,
            Some(total) => add(total, value)?,
        });
    }
    total.map(Sum)
}

fn add(a: Typed, b: Typed) -> Option<Typed> {
    Some(match (a, b) {
        (Typed::Unsigned(a), Typed::Unsigned(b)) => Typed::Unsigned(a.saturating_add(b)),
        (Typed::Signed(a), Typed::Signed(b)) => Typed::Signed(a.saturating_add(b)),
        (Typed::Float(a), Typed::Float(b)) => Typed::Float(a + b),
        (Typed::Array(a), Typed::Array(b)) if a.len() == b.len() => {
            let sums = a.into_iter().zip(b).map(|(a, b)| add(a, b));
            Typed::Array(sums.collect::<Option<_>>()?)
        }
        (Typed::Struct { name, members: a }, Typed::Struct { members: b, .. })
            if a.len() == b.len() && !a.is_empty() =>
        {
            let sums = a.into_iter().zip(b);
            let sums = sums.map(|((name, a), (_, b))| Some((name, add(a, b)?)));
            let members = sums.collect::<Option<_>>()?;
            Typed::Struct { name, members }
        }
        _ => return None,
    })
}

/// What a type is called: `u32`, `Flow`, `[u8; 4]`, `*sk_buff`; `None` if it cannot be read.
pub fn type_name(types: &dyn Types, id: u32) -> Option<String> {
    name_of(types, id, DEPTH)
}

fn name_of(types: &dyn Types, id: u32, depth: u32) -> Option<String> {
    let depth = depth.checked_sub(1)?;
    if id == 0 {
        return Some("void".to_owned());
    }
    Some(match types.decode(id).ok()? {
        Type::Ptr(to) => format!("*{}", name_of(types, to.type_id, depth)?),
        Type::Array(array) => {
            format!(
                "[{}; {}]",
                name_of(types, array.type_id, depth)?,
                array.nelems
            )
        }
        Type::Const(to) | Type::Volatile(to) | Type::Restrict(to) => {
            name_of(types, to.type_id, depth)?
        }
        ty => match ty.name() {
            Some(name) if !name.is_empty() => name.to_string(),
            _ => match ty {
                Type::Union(_) => "union".to_owned(),
                Type::Struct(_) => "struct".to_owned(),
                Type::Enum(_) | Type::Enum64(_) => "enum".to_owned(),
                _ => return None,
            },
        },
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use hachi_asm::Endian;
    use hachi_btf::{BtfBuilder, Composite, Int, Member};

    #[test]
    fn values_without_a_type_are_bytes() {
        let mut btf = BtfBuilder::new();
        let id = btf.add(Type::Int(Int::unsigned("u32", 4)));
        let bytes = btf.encode(Endian::Little).unwrap();
        let btf = Btf::parse(&bytes).unwrap();
        assert_eq!(to_text(Some(&btf), id, &[1, 1, 0, 0]), "257");
        assert_eq!(to_json(Some(&btf), id, &[1, 1, 0, 0]), json!(257));
        // Too short for the type.
        assert_eq!(to_text(Some(&btf), id, &[7, 0, 0]), "07 00 00");
        assert_eq!(to_json(Some(&btf), id, &[7, 0, 0]), json!([7, 0, 0]));
        assert_eq!(to_text(None, 0, &[1, 255]), "01 ff");
        assert_eq!(to_text(None, 0, &[16]), "0x10");
    }

    #[test]
    fn prefixes_are_addresses_where_their_type_can_be_one() {
        let mut btf = BtfBuilder::new();
        let u8 = btf.add(Type::Int(Int::unsigned("u8", 1)));
        let u16 = btf.add(Type::Int(Int::unsigned("u16", 2)));
        let u32 = btf.add(Type::Int(Int::unsigned("u32", 4)));
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
}
