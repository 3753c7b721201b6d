//! Maps of section `.maps`: structs whose *type* is the definition. A number N is a member that
//! points to an array of N elements, a key or value is a member that points to its type.

use hachi_btf::{BtfBuilder, Kind, Type, Types};

use super::{MapPlace, Places};
use crate::elf::Elf;
use crate::{Error, InitialEntry, MapSpec, MapType, Pinning, Spec};

const SECTION: &str = ".maps";

pub(super) fn defined(spec: &mut Spec, elf: &Elf<'_>, places: &mut Places) -> Result<(), Error> {
    let Some((index, section)) = elf.section(SECTION) else {
        return Ok(());
    };
    if section.size == 0 {
        return Ok(());
    }
    let missing = || Error::MissingBtf {
        what: "section .maps".into(),
    };
    let btf = spec.btf.as_ref().ok_or_else(missing)?;
    let (_, sec) = btf.datasec(SECTION).ok_or_else(missing)?;
    for entry in &sec.vars {
        let Some(Type::Var(var)) = btf.get(entry.type_id) else {
            continue;
        };
        let name = var.name.as_str();
        if spec.maps.iter().any(|map| map.name == name) {
            return Err(Error::map(name, "there are two maps of this name"));
        }
        let end = u64::from(entry.offset) + u64::from(entry.size);
        if end > section.size {
            return Err(Error::map(name, "BTF places it outside of section .maps"));
        }
        let definition = btf.resolve(var.type_id).map_err(|e| in_map(name, e))?;
        let (mut map, values) = definition_of(btf, name, definition, false)?;
        if let Some(values_offset) = values {
            let start = u64::from(entry.offset) + u64::from(values_offset);
            map.entries = entries(elf, index, name, start, end)?;
            // Relocations are in whatever order the compiler wrote them.
            map.entries
                .sort_by_cached_key(|entry| u64::from(entry.index));
        }
        places.maps.push(MapPlace {
            section: index,
            offset: entry.offset.into(),
            len: entry.size.into(),
            map: name.to_owned(),
        });
        spec.maps.push(map);
    }
    // A symbol BTF doesn't mention would otherwise only fail where code uses it.
    for symbol in &elf.symbols {
        let known = |p: &MapPlace| (p.offset..p.offset + p.len).contains(&symbol.value);
        if symbol.section == Some(index)
            && !symbol.is_section()
            && !symbol.name.is_empty()
            && !places.maps.iter().any(known)
        {
            return Err(Error::map(
                symbol.name,
                "section .maps has it, but BTF does not describe it",
            ));
        }
    }
    Ok(())
}

fn in_map(name: &str, error: hachi_btf::Error) -> Error {
    Error::map(name, error.to_string())
}

/// Reads the struct `id`. Also gives the offset of the flexible array `values` in bytes.
fn definition_of(
    btf: &BtfBuilder,
    name: &str,
    id: u32,
    inner: bool,
) -> Result<(MapSpec, Option<u32>), Error> {
    let fail = |why: String| Err(Error::map(name, why));
    let Some(Type::Struct(definition)) = btf.get(id) else {
        return fail(format!(
            "its definition is of type '{}', not a struct",
            btf.type_name(id)
        ));
    };
    let mut map = MapSpec::new(name, MapType::Hash, 0, 0, 0);
    let mut kind = None;
    let mut values = None;
    for member in &definition.members {
        let number = || number(btf, name, &member.name, member.type_id);
        let number32 = || {
            u32::try_from(number()?)
                .map_err(|_| Error::map(name, format!("{} is larger than 32 bits", member.name)))
        };
        match member.name.as_str() {
            "type" => kind = Some(number32()?),
            "max_entries" => map.max_entries = number32()?,
            "map_flags" => map.flags = number32()?,
            "numa_node" => map.numa_node = Some(number32()?),
            "map_extra" => map.map_extra = number()?,
            "key_size" => set_size(name, "key", &mut map.key_size, number32()?)?,
            "value_size" => set_size(name, "value", &mut map.value_size, number32()?)?,
            "key" => {
                let id = pointee(btf, name, "key", member.type_id)?;
                let size = btf.size_of(id).map_err(|e| in_map(name, e))?;
                set_size(name, "key", &mut map.key_size, size)?;
                map.btf_key_type_id = id;
            }
            "value" => {
                let id = pointee(btf, name, "value", member.type_id)?;
                let size = btf.size_of(id).map_err(|e| in_map(name, e))?;
                set_size(name, "value", &mut map.value_size, size)?;
                map.btf_value_type_id = id;
            }
            "pinning" => {
                map.pinning = match number32()? {
                    0 => Pinning::None,
                    1 if !inner => Pinning::ByName,
                    1 => return fail("an inner map cannot be pinned".into()),
                    other => {
                        return fail(format!(
                            "pinning {other} is unknown; 0 is none, 1 is by name"
                        ));
                    }
                }
            }
            "values" if !inner => {
                values = Some(member.bit_offset / 8);
                map.inner = inner_map(btf, name, member.type_id)?;
                set_size(name, "value", &mut map.value_size, 4)?;
                // Without a key type it is an array.
                if map.key_size == 0 {
                    map.key_size = 4;
                }
            }
            other => {
                return fail(format!(
                    "its definition has a member '{other}', which Hachi does not know"
                ));
            }
        }
    }
    let Some(number) = kind else {
        return fail("its definition has no member 'type'".into());
    };
    match MapType::from_number(number) {
        Some(kind) => map.kind = kind,
        None => return fail(format!("it is of type {number}, which Hachi does not know")),
    }
    if map.inner.is_some() && !matches!(map.kind, MapType::ArrayOfMaps | MapType::HashOfMaps) {
        return fail(format!(
            "a map of type {} cannot hold maps",
            map.kind.name()
        ));
    }
    Ok((map, values))
}

/// `key` and `key_size` may both be given, and must agree.
fn set_size(name: &str, what: &str, slot: &mut u32, size: u32) -> Result<(), Error> {
    if *slot != 0 && *slot != size {
        return Err(Error::map(
            name,
            format!("its {what} is given as {slot} and as {size} bytes"),
        ));
    }
    *slot = size;
    Ok(())
}

/// What the pointer member refers to.
fn pointee(btf: &BtfBuilder, map: &str, member: &str, id: u32) -> Result<u32, Error> {
    let resolved = btf.resolve(id).map_err(|e| in_map(map, e))?;
    match btf.get(resolved) {
        Some(Type::Ptr(ptr)) => Ok(ptr.type_id),
        _ => Err(Error::map(
            map,
            format!(
                "member '{member}' is of type '{}', not a pointer",
                btf.type_name(id)
            ),
        )),
    }
}

/// A number is the length of the array that the member points to; or, for 64 bits, the value of
/// the only variant of the enum it is of.
fn number(btf: &BtfBuilder, map: &str, member: &str, id: u32) -> Result<u64, Error> {
    let resolved = btf.resolve(id).map_err(|e| in_map(map, e))?;
    let target = match btf.get(resolved) {
        Some(Type::Ptr(ptr)) => btf.resolve(ptr.type_id).map_err(|e| in_map(map, e))?,
        _ => resolved,
    };
    match btf.get(target) {
        Some(Type::Array(array)) => Ok(array.nelems.into()),
        Some(Type::Enum(e)) if e.variants.len() == 1 => Ok(e.variants[0].value as u32 as u64),
        Some(Type::Enum64(e)) if e.variants.len() == 1 => Ok(e.variants[0].value),
        _ => Err(Error::map(
            map,
            format!(
                "member '{member}' is of type '{}'; a number N is expected as a pointer to an array of N elements (the __uint macro of bpf_helpers.h)",
                btf.type_name(id)
            ),
        )),
    }
}

/// The type of `values`: a flexible array of pointers to inner map definitions, or to functions.
fn inner_map(btf: &BtfBuilder, name: &str, id: u32) -> Result<Option<Box<MapSpec>>, Error> {
    let fail = || {
        Error::map(
            name,
            format!(
                "member 'values' is of type '{}', not an array of pointers to maps or programs",
                btf.type_name(id)
            ),
        )
    };
    let resolve = |id| btf.resolve(id).map_err(|e| in_map(name, e));
    let Some(Type::Array(array)) = btf.get(resolve(id)?) else {
        return Err(fail());
    };
    let Some(Type::Ptr(ptr)) = btf.get(resolve(array.type_id)?) else {
        return Err(fail());
    };
    let target = resolve(ptr.type_id)?;
    match btf.shape(target).map(|shape| shape.kind) {
        Ok(Kind::FuncProto) => Ok(None),
        Ok(Kind::Struct) => {
            let (map, _) = definition_of(btf, &format!("{name}.inner"), target, true)?;
            Ok(Some(Box::new(map)))
        }
        _ => Err(fail()),
    }
}

/// What the flexible array at `start..end` is filled with.
fn entries(
    elf: &Elf<'_>,
    section: usize,
    map: &str,
    start: u64,
    end: u64,
) -> Result<Vec<InitialEntry>, Error> {
    let relocations = elf.sections[section].relocations.iter();
    let inside = relocations.filter(|r| (start..end).contains(&r.offset));
    inside
        .map(|reloc| {
            let symbol = &elf.symbols[reloc.symbol];
            let at = reloc.offset - start;
            if !at.is_multiple_of(8) || symbol.name.is_empty() {
                return Err(Error::Relocation {
                    section: SECTION.into(),
                    offset: reloc.offset,
                    symbol: elf.symbol_name(symbol).to_owned(),
                    why: format!(
                        "an initial value of map '{map}' must be the address of a global map or program"
                    ),
                });
            }
            Ok(InitialEntry {
                index: (at / 8) as u32,
                target: symbol.name.to_owned(),
            })
        })
        .collect()
}

/// That every initial value is a map or program of this object.
pub(super) fn check_entries(spec: &Spec) -> Result<(), Error> {
    for map in &spec.maps {
        for entry in &map.entries {
            let target = entry.target.as_str();
            let known = match map.inner {
                Some(_) => spec.maps.iter().any(|m| m.name == target),
                None => spec.programs.iter().any(|p| p.name == target),
            };
            if !known {
                let what = if map.inner.is_some() {
                    "map"
                } else {
                    "program"
                };
                return Err(Error::map(
                    &map.name,
                    format!(
                        "entry {} is '{target}', which is no {what} of this object",
                        entry.index
                    ),
                ));
            }
        }
    }
    Ok(())
}
