//! Entries of a map as JSON: numbers, strings of text, lists and objects by the types of its keys
//! and values, or lists of bytes.

use hachi_asm::Endian;
use hachi_btf::{Btf, Type, Types as _};
use hachi_obj::MapSpec;
use serde_json::Value;

/// A key and its value.
type Entry = (Vec<u8>, Vec<u8>);

/// The entries of a document: a list of objects with `key` and `value`, as `hachi map dump --json`
/// prints them.
///
/// # Errors
/// Says which entry is wrong, and why.
pub fn read(
    document: &Value,
    map: &MapSpec,
    types: Option<&Btf<'_>>,
    endian: Endian,
) -> Result<Vec<Entry>, String> {
    let list = document.get("entries").unwrap_or(document);
    let list = list
        .as_array()
        .ok_or("expected a list of objects with `key` and `value`")?;
    let one = |(at, entry): (usize, &Value)| {
        let part = |name: &str, type_id: u32, size: u32| {
            let value = entry
                .get(name)
                .ok_or_else(|| format!("entry {at} has no `{name}`"))?;
            let mut bytes = vec![0; size as usize];
            let types = types.filter(|_| type_id != 0).map(|types| (types, type_id));
            write(value, types, endian, &mut bytes)
                .map_err(|why| format!("entry {at}, {name}: {why}"))?;
            Ok::<_, String>(bytes)
        };
        Ok((
            part("key", map.btf_key_type_id, map.key_size)?,
            part("value", map.btf_value_type_id, map.value_size)?,
        ))
    };
    list.iter().enumerate().map(one).collect()
}

/// How deep types may be nested, so that hostile ones come to an end.
const DEPTH: u32 = 32;

fn write(
    value: &Value,
    typed: Option<(&Btf<'_>, u32)>,
    endian: Endian,
    to: &mut [u8],
) -> Result<(), String> {
    match value {
        Value::Object(_) if typed.is_none() => {
            Err("the object does not say what its type is; give a list of bytes".to_owned())
        }
        Value::Array(bytes) if typed.is_none() => raw(bytes, to),
        // A list of bytes will do whatever the type.
        Value::Array(bytes) if bytes.len() == to.len() && !is_array(typed) => raw(bytes, to),
        _ => match typed {
            Some((types, type_id)) => by_type(value, types, type_id, endian, to, DEPTH),
            None => number(value, endian, to),
        },
    }
}

fn is_array(typed: Option<(&Btf<'_>, u32)>) -> bool {
    let Some((types, id)) = typed else {
        return false;
    };
    let decoded = types.resolve(id).and_then(|id| types.decode(id));
    matches!(decoded, Ok(Type::Array(_)))
}

fn raw(bytes: &[Value], to: &mut [u8]) -> Result<(), String> {
    if bytes.len() != to.len() {
        return Err(format!(
            "{} bytes are given, and it has {}",
            bytes.len(),
            to.len()
        ));
    }
    for (byte, to) in bytes.iter().zip(to) {
        let byte = byte.as_u64().and_then(|byte| u8::try_from(byte).ok());
        *to = byte.ok_or("a byte is a number from 0 to 255")?;
    }
    Ok(())
}

fn number(value: &Value, endian: Endian, to: &mut [u8]) -> Result<(), String> {
    let number = match value {
        Value::Bool(value) => i128::from(*value),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => number.into(),
            (None, Some(number)) => number.into(),
            (None, None) => return Err(format!("{number} is not a whole number")),
        },
        other => return Err(format!("{other} is not a number")),
    };
    let bits = to.len().min(15) as u32 * 8;
    if number >= 1 << bits || number < -(1 << bits.saturating_sub(1)) {
        return Err(format!("{number} does not fit into {} bytes", to.len()));
    }
    let mut bytes = number.to_le_bytes();
    let len = to.len();
    let bytes = bytes.get_mut(..len).ok_or("it is too large for a number")?;
    if endian == Endian::Big {
        bytes.reverse();
    }
    to.copy_from_slice(bytes);
    Ok(())
}

fn by_type(
    value: &Value,
    types: &Btf<'_>,
    id: u32,
    endian: Endian,
    to: &mut [u8],
    depth: u32,
) -> Result<(), String> {
    let depth = depth
        .checked_sub(1)
        .ok_or("its type is nested too deeply")?;
    let malformed = |error: hachi_btf::Error| error.to_string();
    let id = types.resolve(id).map_err(malformed)?;
    match types.decode(id).map_err(malformed)? {
        Type::Struct(fields) => {
            // The only field of a newtype needs no name.
            if let ([only], false) = (&fields.members[..], value.is_object()) {
                return by_type(value, types, only.type_id, endian, to, depth);
            }
            let object = value
                .as_object()
                .ok_or_else(|| format!("{value} is not an object"))?;
            for name in object.keys() {
                if !fields.members.iter().any(|member| member.name == *name) {
                    return Err(format!("it has no field {name}"));
                }
            }
            for member in &fields.members {
                let Some(value) = object.get(member.name.to_string().as_str()) else {
                    return Err(format!("field {:?} is missing", member.name));
                };
                if member.bit_size != 0 || member.bit_offset % 8 != 0 {
                    return Err(format!("field {:?} is a bit-field", member.name));
                }
                let size = types.size_of(member.type_id).map_err(malformed)? as usize;
                let at = (member.bit_offset / 8) as usize;
                let to = to.get_mut(at..).and_then(|to| to.get_mut(..size));
                let to = to.ok_or("its type is larger than it is")?;
                by_type(value, types, member.type_id, endian, to, depth)
                    .map_err(|why| format!("field {:?}: {why}", member.name))?;
            }
            Ok(())
        }
        Type::Array(array) => {
            let list = value
                .as_array()
                .ok_or_else(|| format!("{value} is not a list"))?;
            if list.len() != array.nelems as usize {
                let (given, wanted) = (list.len(), array.nelems);
                return Err(format!("{given} elements are given, and it has {wanted}"));
            }
            let size = types.size_of(array.type_id).map_err(malformed)? as usize;
            for (at, value) in list.iter().enumerate() {
                let to = to.get_mut(at * size..).and_then(|to| to.get_mut(..size));
                let to = to.ok_or("its type is larger than it is")?;
                by_type(value, types, array.type_id, endian, to, depth)?;
            }
            Ok(())
        }
        _ => number(value, endian, to),
    }
}
