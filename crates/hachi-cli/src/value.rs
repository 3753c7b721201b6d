//! Keys and values of maps, and globals, printed by their BTF types.

use std::fmt::Write;

use hachi_btf::Btf;
use hachi_btf::print::Value as Typed;
use serde_json::{Value, json};

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

/// `0a 00 00 01`.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 3);
    for (at, byte) in bytes.iter().enumerate() {
        let _ = write!(text, "{}{byte:02x}", if at == 0 { "" } else { " " });
    }
    text
}

/// A number (or `true`, `false`) as the bytes of a variable of `size` bytes; `None` if it does not
/// fit or is none.
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

#[cfg(test)]
mod tests {
    use super::*;
    use hachi_asm::Endian;
    use hachi_btf::{BtfBuilder, Int, Type};

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
}
