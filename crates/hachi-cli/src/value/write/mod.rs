//! Values that people write: text and JSON become the bytes that a type asks for.

mod scalar;

use std::net::{IpAddr, Ipv4Addr};

use hachi_asm::Endian;
use hachi_btf::{Array, Int, Member, Type, Types};
use serde_json::{Map, Value};

use crate::near::did_you_mean;
use crate::output::count;
use scalar::{Range, address, characters, parse_enum, parse_float, parse_integer, single};

/// The bytes of a variable of this type and size that text stands for.
///
/// Of an integer any number that it can hold, of an enum one of its values or their names, `true`
/// and `false` of a bool; of an array of bytes an address (`10.0.0.1`, `fe80::1`,
/// `02:00:00:00:00:01`), of an array of characters the text; of structs, unions and arrays JSON, in
/// the form in which it is printed. After `hex:`, the bytes themselves. Without a type, any number
/// of that size will do, or bytes in hexadecimal.
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
    let mut bytes = vec![0; size];
    if let Some(hex) = text.strip_prefix("hex:") {
        bytes.copy_from_slice(&hex_bytes(hex, size)?);
        return Ok(bytes);
    }
    match types.filter(|_| type_id != 0) {
        Some(types) => {
            let encoder = Encoder { types, endian };
            encoder.check_size(type_id, size)?;
            match json(text)? {
                Some(value) => encoder.json(type_id, &value, &mut bytes, DEPTH)?,
                None => encoder.word(type_id, text.trim(), &mut bytes, DEPTH)?,
            }
        }
        None => untyped(text.trim(), &mut bytes, endian)?,
    }
    Ok(bytes)
}

/// The bytes that a JSON value stands for: what the other direction prints.
///
/// # Errors
/// Says which values there are.
pub fn from_json(
    types: Option<&dyn Types>,
    type_id: u32,
    size: usize,
    endian: Endian,
    value: &Value,
) -> Result<Vec<u8>, String> {
    let mut bytes = vec![0; size];
    match (types.filter(|_| type_id != 0), value) {
        // How values without a type are printed, and those that do not fit theirs.
        (None, Value::Array(elements)) => list_of_bytes(elements, &mut bytes)?,
        (None, value) => return parse(None, 0, size, endian, &scalar_text(value)?),
        (Some(types), value) => {
            let encoder = Encoder { types, endian };
            encoder.check_size(type_id, size)?;
            encoder.json(type_id, value, &mut bytes, DEPTH)?;
        }
    }
    Ok(bytes)
}

/// A key of a longest-prefix-match map as people write it: `10.0.0.0/8`, an address alone for all
/// of its bits, or the bytes in hexadecimal: `0a 00 00/17`. `endian` is that of the machine.
///
/// # Errors
/// Says what is wrong with it.
pub fn parse_prefix(size: usize, endian: Endian, text: &str) -> Result<Vec<u8>, String> {
    let data_size = size
        .checked_sub(4)
        .ok_or("the keys of the map are too short for prefixes")?;
    let (data, length) = match text.split_once('/') {
        Some((data, length)) => (data, Some(length)),
        None => (text, None),
    };
    let data = match (data.parse(), data_size) {
        (Ok(IpAddr::V4(address)), 4) => address.octets().to_vec(),
        (Ok(IpAddr::V6(address)), 16) => address.octets().to_vec(),
        (Ok(address), _) => {
            let bytes = count(data_size, "byte");
            return Err(format!(
                "the map has prefixes of {bytes}, and {address} is none"
            ));
        }
        (Err(_), _) => hex_bytes(data, data_size).map_err(|error| {
            format!("it must be like 10.0.0.0/8, fe80::/10 or 0a 00/16: {error}")
        })?,
    };
    let most = 8 * data_size;
    let length = match length {
        None => most,
        Some(text) => (text.parse().ok())
            .filter(|length| *length <= most)
            .ok_or_else(|| format!("the length of its prefix must be from 0 to {most}"))?,
    };
    let mut bytes = vec![0; 4];
    put(length as u128, &mut bytes, endian);
    bytes.extend(data);
    Ok(bytes)
}

/// JSON, where text can be nothing else.
fn json(text: &str) -> Result<Option<Value>, String> {
    match text.trim_start().starts_with(['{', '[', '"']) {
        true => serde_json::from_str(text)
            .map(Some)
            .map_err(|error| format!("it is not JSON: {error}")),
        false => Ok(None),
    }
}

/// Any number of bytes in hexadecimal.
///
/// # Errors
/// If it is something else.
pub fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let digits = text.bytes().filter(u8::is_ascii_hexdigit).count();
    let prefixes = text.matches("0x").count();
    hex_bytes(text, digits.saturating_sub(prefixes) / 2)
        .map_err(|_| "it must be bytes in hexadecimal, such as 0a 00 ff".to_owned())
}

/// Bytes in hexadecimal: `0a 00 00 01`, `0a:00:00:01`, `0a000001`, each with `0x` before it or not.
fn hex_bytes(text: &str, size: usize) -> Result<Vec<u8>, String> {
    let wrong = || {
        let bytes = count(size, "byte");
        format!(
            "it must be {bytes} in hexadecimal, such as {}",
            ["0a"; 4][..size.clamp(1, 4)].join(" ")
        )
    };
    let mut bytes = Vec::with_capacity(size);
    for word in text.split([' ', ':', ',']).filter(|word| !word.is_empty()) {
        let digits = word.strip_prefix("0x").unwrap_or(word);
        let digits = match digits.len() {
            1 => format!("0{digits}"),
            _ => digits.to_owned(),
        };
        if digits.len() % 2 != 0 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        for at in (0..digits.len()).step_by(2) {
            bytes.push(u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_| wrong())?);
        }
    }
    match bytes.len() == size {
        true => Ok(bytes),
        false => Err(format!(
            "{}; these are {}",
            wrong(),
            count(bytes.len(), "byte")
        )),
    }
}

/// Without a type: a number of the size, or else bytes.
fn untyped(text: &str, out: &mut [u8], endian: Endian) -> Result<(), String> {
    match parse_integer(text, out.len(), &Range::any(out.len())) {
        Ok(number) => put(number as u128, out, endian),
        Err(error) => match hex_bytes(text, out.len()) {
            Ok(bytes) => out.copy_from_slice(&bytes),
            Err(in_bytes) => {
                let is_number = matches!(out.len(), 1 | 2 | 4 | 8);
                return Err(if is_number { error } else { in_bytes });
            }
        },
    }
    Ok(())
}

/// A number in the byte order of its type; it fits.
fn put(number: u128, out: &mut [u8], endian: Endian) {
    let bytes = number.to_le_bytes();
    let length = out.len().min(bytes.len());
    out[..length].copy_from_slice(&bytes[..length]);
    if endian == Endian::Big {
        out.reverse();
    }
}

fn list_of_bytes(elements: &[Value], out: &mut [u8]) -> Result<(), String> {
    if elements.len() != out.len() {
        let wanted = count(out.len(), "byte");
        return Err(format!("it has {wanted}, and {} are given", elements.len()));
    }
    for (byte, element) in out.iter_mut().zip(elements) {
        *byte = element
            .as_u64()
            .and_then(|number| u8::try_from(number).ok())
            .ok_or_else(|| format!("{element} is not a byte"))?;
    }
    Ok(())
}

/// A value of JSON without parts, as the text of it.
fn scalar_text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(value) => Ok(value.to_string()),
        other => Err(format!("it is one value, and {other} is none")),
    }
}

/// How deep types may be nested, so that hostile ones come to an end.
const DEPTH: u32 = 24;

const MALFORMED: &str = "its types contradict each other";

struct Encoder<'t> {
    types: &'t dyn Types,
    endian: Endian,
}

impl Encoder<'_> {
    /// Whether values of that type have that size, as the map or section says.
    fn check_size(&self, id: u32, size: usize) -> Result<(), String> {
        let of_type = self.types.size_of(id).map_err(|error| error.to_string())? as usize;
        match of_type == size {
            true => Ok(()),
            false => Err(format!(
                "its type has {}, but it has {size}; `hex:` and its bytes will do",
                count(of_type, "byte")
            )),
        }
    }

    fn decode(&self, id: u32) -> Result<(u32, Type<&str>), String> {
        let malformed = |error: hachi_btf::Error| error.to_string();
        let id = self.types.resolve(id).map_err(malformed)?;
        Ok((id, self.types.decode(id).map_err(malformed)?))
    }

    fn size(&self, id: u32) -> Result<usize, String> {
        let size = self.types.size_of(id).map_err(|error| error.to_string())?;
        Ok(size as usize)
    }

    /// A value that is written as one word.
    fn word(&self, id: u32, text: &str, out: &mut [u8], depth: u32) -> Result<(), String> {
        let depth = depth
            .checked_sub(1)
            .ok_or("its type is nested too deeply")?;
        let (id, ty) = self.decode(id)?;
        match &ty {
            Type::Struct(newtype) if is_newtype(&newtype.members) => {
                // The same bytes under another name.
                let inner = newtype.members[0].type_id;
                let size = self.size(inner)?;
                let within = out.get_mut(..size).ok_or(MALFORMED)?;
                self.word(inner, text, within, depth)?;
                if newtype.name.starts_with("NonZero") && out.iter().all(|byte| *byte == 0) {
                    return Err("it must not be zero".into());
                }
                Ok(())
            }
            Type::Struct(composite) | Type::Union(composite) => {
                let members = composite.members.iter().map(|member| member.name);
                // `in6_addr` and its like.
                match address(text, out.len()) {
                    Some(bytes) if matches!(ty, Type::Union(_)) => {
                        out.copy_from_slice(&bytes);
                        Ok(())
                    }
                    _ => Err(shape_of(members)),
                }
            }
            Type::Array(array) => self.array_word(array, text, out),
            _ => self.scalar(id, &ty, text, out),
        }
    }

    fn array_word(&self, array: &Array, text: &str, out: &mut [u8]) -> Result<(), String> {
        if self.is_char(array.type_id) {
            return characters(text, out);
        }
        if self.size(array.type_id)? == 1 {
            if let Some(bytes) = address(text, out.len()) {
                out.copy_from_slice(&bytes);
                return Ok(());
            }
            out.copy_from_slice(&hex_bytes(text, out.len()).map_err(|error| {
                format!("{error}; or text in quotes, or an address where it can be one")
            })?);
            return Ok(());
        }
        if let Some(bytes) = address(text, out.len()) {
            out.copy_from_slice(&bytes);
            return Ok(());
        }
        let elements = count(array.nelems as usize, "element");
        Err(format!(
            "it is an array of {elements}: write it as JSON, such as [1, 2]"
        ))
    }

    /// Whether it is C's `char`, signed or not.
    fn is_char(&self, id: u32) -> bool {
        self.decode(id).is_ok_and(|(_, ty)| {
            matches!(ty, Type::Int(int) if int.size == 1 && (int.char || int.name == "char"))
        })
    }

    /// A number, an enum, a truth value.
    fn scalar(&self, id: u32, ty: &Type<&str>, text: &str, out: &mut [u8]) -> Result<(), String> {
        let size = self.size(id)?;
        let out = out.get_mut(..size).ok_or(MALFORMED)?;
        let number = match ty {
            // An address in a word is in the order of the network.
            Type::Int(int) if int.size == 4 && !int.bool && text.parse::<Ipv4Addr>().is_ok() => {
                if let Some(bytes) = address(text, 4) {
                    out.copy_from_slice(&bytes);
                }
                return Ok(());
            }
            Type::Int(int) if size == 16 => return self.wide(int, text, out),
            ty => self.number(ty, 8 * size as u32, text)?,
        };
        put(number as u128, out, self.endian);
        Ok(())
    }

    fn wide(&self, int: &Int<&str>, text: &str, out: &mut [u8]) -> Result<(), String> {
        let number = match int.signed {
            true => text.parse::<i128>().ok().map(|number| number as u128),
            false => match text.strip_prefix("0x") {
                Some(digits) => u128::from_str_radix(digits, 16).ok(),
                None => text.parse().ok(),
            },
        };
        put(
            number.ok_or("it must be a number of 128 bits")?,
            out,
            self.endian,
        );
        Ok(())
    }

    /// The number that text is for a type of one number, of that many bits.
    fn number(&self, ty: &Type<&str>, bits: u32, text: &str) -> Result<i128, String> {
        let size = (bits as usize).div_ceil(8).next_power_of_two();
        match ty {
            Type::Int(int) if int.bool => match text {
                "true" | "1" => Ok(1),
                "false" | "0" => Ok(0),
                _ => Err("a bool is true or false".into()),
            },
            // Of Rust: a character of C has one byte.
            Type::Int(int) if int.name == "char" && size == 4 => {
                let number = match single(text) {
                    Some(c) => u32::from(c).into(),
                    None => parse_integer(text, size, &Range::of(bits, false))?,
                };
                match u32::try_from(number).ok().and_then(char::from_u32) {
                    Some(_) => Ok(number),
                    None => Err("it is the number of no character".into()),
                }
            }
            Type::Int(int) if int.char => parse_integer(text, size, &Range::any(size)),
            Type::Int(int) => parse_integer(text, size, &Range::of(bits, int.signed)),
            Type::Ptr(_) => parse_integer(text, size, &Range::of(bits, false)),
            Type::Float(_) => parse_float(text, size),
            Type::Enum(ty) => {
                let value = |value: i32| match ty.signed {
                    true => i128::from(value),
                    false => i128::from(value as u32),
                };
                let variants = ty.variants.iter().map(|v| (v.name, value(v.value)));
                parse_enum(text, variants.collect())
            }
            Type::Enum64(ty) => {
                let value = |value: u64| match ty.signed {
                    true => i128::from(value as i64),
                    false => i128::from(value),
                };
                let variants = ty.variants.iter().map(|v| (v.name, value(v.value)));
                parse_enum(text, variants.collect())
            }
            _ => Err("values of its type cannot be written".into()),
        }
    }

    fn json(&self, id: u32, value: &Value, out: &mut [u8], depth: u32) -> Result<(), String> {
        let depth = depth
            .checked_sub(1)
            .ok_or("its type is nested too deeply")?;
        let (id, ty) = self.decode(id)?;
        match (&ty, value) {
            (Type::Array(array), Value::Array(elements)) => {
                self.array_json(array, elements, out, depth)
            }
            (Type::Array(array), Value::String(text)) if self.size(array.type_id)? == 1 => {
                match address(text, out.len()).filter(|_| !self.is_char(array.type_id)) {
                    Some(bytes) => out.copy_from_slice(&bytes),
                    None => characters(text, out)?,
                }
                Ok(())
            }
            (Type::Array(array), _) => {
                let elements = count(array.nelems as usize, "element");
                Err(format!("it is an array of {elements}, and {value} is none"))
            }
            (Type::Struct(composite), Value::Object(given)) => {
                self.members(&composite.members, given, out, depth, true)
            }
            (Type::Union(composite), Value::Object(given)) => {
                self.members(&composite.members, given, out, depth, false)
            }
            (Type::Struct(composite), _) if is_newtype(&composite.members) => {
                let inner = composite.members[0].type_id;
                let size = self.size(inner)?;
                self.json(inner, value, out.get_mut(..size).ok_or(MALFORMED)?, depth)
            }
            (Type::Struct(composite) | Type::Union(composite), _) => {
                Err(shape_of(composite.members.iter().map(|member| member.name)))
            }
            (Type::DataSec(section), Value::Object(given)) => {
                let mut members = Vec::new();
                for var in &section.vars {
                    let shape = self.types.shape(var.type_id).map_err(|e| e.to_string())?;
                    members.push(Member {
                        name: shape.name,
                        type_id: shape.type_id,
                        bit_offset: var.offset.saturating_mul(8),
                        bit_size: 0,
                    });
                }
                self.members(&members, given, out, depth, true)
            }
            (Type::DataSec(section), _) => {
                let vars = section.vars.iter();
                let names = vars.filter_map(|var| self.types.shape(var.type_id).ok());
                let names: Vec<String> = names.map(|shape| shape.name.to_owned()).collect();
                Err(shape_of(names.iter().map(String::as_str)))
            }
            _ => self.scalar(id, &ty, &scalar_text(value)?, out),
        }
    }

    fn array_json(
        &self,
        array: &Array,
        elements: &[Value],
        out: &mut [u8],
        depth: u32,
    ) -> Result<(), String> {
        if elements.len() != array.nelems as usize {
            let wanted = count(array.nelems as usize, "element");
            return Err(format!(
                "it is an array of {wanted}, and {} are given",
                elements.len()
            ));
        }
        let size = self.size(array.type_id)?;
        if size == 0 {
            return Ok(());
        }
        for (at, element) in elements.iter().enumerate() {
            let place = out.get_mut(at * size..(at + 1) * size).ok_or(MALFORMED)?;
            self.json(array.type_id, element, place, depth)
                .map_err(|error| format!("element {at}: {error}"))?;
        }
        Ok(())
    }

    /// The members of a struct, each of which must be given, or of a union, of which one must.
    fn members(
        &self,
        members: &[Member<&str>],
        given: &Map<String, Value>,
        out: &mut [u8],
        depth: u32,
        all: bool,
    ) -> Result<(), String> {
        let (mut found, mut missing) = (0, None);
        let mut known: Vec<&str> = Vec::new();
        for member in members {
            // Members of an anonymous one are written as if they were its own, too.
            let value = match given.get(member.name) {
                Some(value) => value.clone(),
                None if member.name.is_empty() => {
                    let names = self.types.members(member.type_id).unwrap_or_default();
                    let within = names.iter().filter_map(|inner| {
                        let value = given.get(inner.name)?;
                        Some((inner.name.to_owned(), value.clone()))
                    });
                    let within: Map<String, Value> = within.collect();
                    if within.is_empty() {
                        continue;
                    }
                    known.extend(
                        given
                            .keys()
                            .map(String::as_str)
                            .filter(|k| within.contains_key(*k)),
                    );
                    Value::Object(within)
                }
                None => {
                    missing = missing.or(Some(member.name).filter(|_| all));
                    continue;
                }
            };
            known.push(member.name);
            found += 1;
            let before = out.to_vec();
            self.member(member, &value, out, depth)
                .map_err(|error| format!("{}: {error}", member.name))?;
            // What a union is printed as has all its members, of the same bytes.
            if !all && found > 1 && before != out {
                return Err(format!(
                    "it is a union: {} contradicts another member; give one alone",
                    member.name
                ));
            }
        }
        if let Some(unknown) = given.keys().find(|name| !known.contains(&name.as_str())) {
            let names = members.iter().map(|member| member.name);
            let help = did_you_mean(unknown, names.clone()).unwrap_or_else(|| shape_of(names));
            return Err(format!("it has no member {unknown}: {help}"));
        }
        match (found, missing) {
            (_, Some(name)) => Err(format!("its member {name} is missing")),
            (0, _) if !all && !members.is_empty() => {
                Err(shape_of(members.iter().map(|member| member.name)))
            }
            _ => Ok(()),
        }
    }

    fn member(
        &self,
        member: &Member<&str>,
        value: &Value,
        out: &mut [u8],
        depth: u32,
    ) -> Result<(), String> {
        let at = member.bit_offset as usize;
        if member.bit_size == 0 {
            let size = self.size(member.type_id)?;
            let place = out.get_mut(at / 8..at / 8 + size).ok_or(MALFORMED)?;
            return self.json(member.type_id, value, place, depth);
        }
        let bits = usize::from(member.bit_size);
        let (_, ty) = self.decode(member.type_id)?;
        let number = self.number(&ty, bits as u32, &scalar_text(value)?)?;
        if number >> bits > 0 || number < -(1 << (bits - 1)) {
            return Err(format!("{number} does not fit into {bits} bits"));
        }
        for bit in 0..bits {
            let (byte, shift) = match self.endian {
                Endian::Little => ((at + bit) / 8, (at + bit) % 8),
                Endian::Big => {
                    let from_start = at + bits - 1 - bit;
                    (from_start / 8, 7 - from_start % 8)
                }
            };
            let byte = out.get_mut(byte).ok_or(MALFORMED)?;
            *byte = *byte & !(1 << shift) | ((number >> bit & 1) as u8) << shift;
        }
        Ok(())
    }
}

/// Whether a struct is another type under another name.
fn is_newtype(members: &[Member<&str>]) -> bool {
    matches!(members, [member] if member.bit_offset == 0 && member.bit_size == 0)
}

/// What an object must have.
fn shape_of<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<String> = names.map(|name| format!("\"{name}\": …")).collect();
    format!("write it as JSON: {{{}}}", names.join(", "))
}

#[cfg(test)]
mod tests;
