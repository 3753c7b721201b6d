//! Single values as people write them: numbers, names of an enum, text, addresses.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::output::count;

/// Text in an array of characters, with zeros after it.
pub(super) fn characters(text: &str, out: &mut [u8]) -> Result<(), String> {
    let Some(place) = out.get_mut(..text.len()) else {
        let room = count(out.len(), "byte");
        return Err(format!(
            "it has room for {room}, and the text is {}",
            text.len()
        ));
    };
    place.copy_from_slice(text.as_bytes());
    Ok(())
}

/// The only character of a text, unless it is a digit.
pub(super) fn single(text: &str) -> Option<char> {
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(c), None) if !c.is_ascii_digit() => Some(c),
        _ => None,
    }
}

/// An address of that many bytes, in the order of the network.
pub(super) fn address(text: &str, size: usize) -> Option<Vec<u8>> {
    match size {
        4 => text
            .parse::<Ipv4Addr>()
            .ok()
            .map(|address| address.octets().to_vec()),
        16 => text
            .parse::<Ipv6Addr>()
            .ok()
            .map(|address| address.octets().to_vec()),
        6 => {
            let bytes: Option<Vec<u8>> = text
                .split(':')
                .map(|byte| {
                    u8::from_str_radix(byte, 16)
                        .ok()
                        .filter(|_| byte.len() <= 2)
                })
                .collect();
            bytes.filter(|bytes| bytes.len() == 6)
        }
        _ => None,
    }
}

/// How many values of an enum a message names.
const NAMED: usize = 12;

pub(super) fn parse_enum(text: &str, variants: Vec<(&str, i128)>) -> Result<i128, String> {
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
pub(super) struct Range {
    least: i128,
    greatest: i128,
}

impl Range {
    pub(super) fn of(bits: u32, signed: bool) -> Range {
        let bits = bits.clamp(1, 64);
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
    pub(super) fn any(size: usize) -> Range {
        let bits = 8 * size.min(8) as u32;
        Range {
            least: Range::of(bits, true).least,
            greatest: Range::of(bits, false).greatest,
        }
    }
}

pub(super) fn parse_integer(text: &str, size: usize, range: &Range) -> Result<i128, String> {
    if !matches!(size, 1 | 2 | 4 | 8) {
        return Err(not_a_number(size));
    }
    let number = match text {
        "true" => Some(1),
        "false" => Some(0),
        text => digits(text),
    };
    // In hexadecimal the bits are meant, of negative numbers, too.
    let bits = Range::any(size).greatest;
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
pub(super) fn digits(text: &str) -> Option<i128> {
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

pub(super) fn not_a_number(size: usize) -> String {
    format!("it has {}, which is no number's size", count(size, "byte"))
}

pub(super) fn parse_float(text: &str, size: usize) -> Result<i128, String> {
    let failed = |_| "it must be a number such as 0.5".to_owned();
    match size {
        4 => Ok(text.parse::<f32>().map_err(failed)?.to_bits().into()),
        8 => Ok(text.parse::<f64>().map_err(failed)?.to_bits().into()),
        _ => Err(not_a_number(size)),
    }
}
