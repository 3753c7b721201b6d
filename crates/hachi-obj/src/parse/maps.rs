//! Maps of section `.maps`: structs whose *type* is the definition. A number N is a member that
//! points to an array of N elements, a key or value is a member that points to its type.

use std::{collections::HashSet, ops::Range};

use hachi_btf::{Btf, Kind, Type, Types};

use super::btf::ObjectTypes;
use crate::elf::Elf;
use crate::error::{BtfUser, EntryTarget, MapFault, MapPart, RelocationFault};
use crate::image::{Image, MapPlace};
use crate::order::sort_by_number;
use crate::{Error, InitialEntry, MapSpec, MapType, Pinning, Spec, Warning};

const SECTION: &str = ".maps";

pub(super) fn defined(
    spec: &mut Spec,
    elf: &Elf<'_>,
    types: Option<&ObjectTypes>,
    image: &mut Image,
) -> Result<(), Error> {
    let Some((index, section)) = elf.section(SECTION) else {
        return Ok(());
    };
    if section.size == 0 {
        return Ok(());
    }
    let missing = || Error::MissingBtf { by: BtfUser::Maps };
    let types = types.ok_or_else(missing)?;
    let (_, sec) = types.section(SECTION).ok_or_else(missing)?;
    let btf = &types.btf();
    let first = image.maps.len();
    let mut names = HashSet::new();
    for entry in &sec.vars {
        let Ok(Type::Var(var)) = btf.get(entry.type_id) else {
            continue;
        };
        let name = var.name;
        if !names.insert(name) {
            return Err(Error::map(name, MapFault::Duplicate));
        }
        let end = u64::from(entry.offset) + u64::from(entry.size);
        if end > section.size {
            return Err(Error::map(name, MapFault::OutsideSection));
        }
        let definition = btf.resolve(var.type_id).map_err(|e| in_map(name, e))?;
        let (mut map, values) = definition_of(btf, name, definition, false)?;
        let values = match values {
            Some(offset) => u64::from(entry.offset) + u64::from(offset),
            None => end,
        };
        // What other members are set to would be left out: their types alone mean something.
        let members = entry.offset..u32::try_from(values.min(end)).unwrap_or(u32::MAX);
        check_members(elf, index, name, members.clone())?;
        let bytes = section
            .data
            .get(members.start as usize..members.end as usize);
        if let Some(at) = bytes.and_then(|bytes| bytes.iter().position(|&byte| byte != 0)) {
            spec.warnings.push(Warning::MapField {
                map: name.to_owned(),
                offset: at,
            });
        }
        if values < end {
            let start = u32::try_from(values).unwrap_or(u32::MAX);
            map.entries = entries(elf, index, name, start, end)?;
        }
        image.maps.push(MapPlace {
            section: index as u32,
            offset: entry.offset.into(),
            len: entry.size.into(),
            map: name.into(),
        });
        spec.maps.push(map);
    }
    let places = &mut image.maps[first..];
    sort_by_number(places, |place| place.offset.into());
    // A symbol BTF doesn't mention would otherwise only fail where code uses it.
    for symbol in &elf.symbols {
        if symbol.section == Some(index) && !symbol.is_section() && !symbol.name.is_empty() {
            let after = places.partition_point(|place| place.offset <= symbol.value);
            let place = places[..after].last();
            if place.is_none_or(|place| symbol.value - place.offset >= place.len) {
                return Err(Error::map(symbol.name, MapFault::Undescribed));
            }
        }
    }
    Ok(())
}

fn in_map(name: &str, error: hachi_btf::Error) -> Error {
    Error::map(name, MapFault::Types(error))
}

/// Reads the struct `id`. Also gives the offset of the flexible array `values` in bytes.
fn definition_of(
    btf: &Btf<'_>,
    name: &str,
    id: u32,
    inner: bool,
) -> Result<(MapSpec, Option<u32>), Error> {
    let fail = |fault| Err(Error::map(name, fault));
    let Ok(Type::Struct(definition)) = btf.get(id) else {
        return fail(MapFault::NotAStruct {
            ty: btf.type_name(id),
        });
    };
    let mut map = MapSpec::new(name, MapType::Hash, 0, 0, 0);
    let mut kind = None;
    let mut values = None;
    for member in &definition.members {
        let number = || number(btf, name, member.name, member.type_id);
        let number32 = || {
            u32::try_from(number()?).map_err(|_| {
                let member = member.name.to_owned();
                Error::map(name, MapFault::TooLarge { member })
            })
        };
        match member.name {
            "type" => kind = Some(number32()?),
            "max_entries" => map.max_entries = number32()?,
            "map_flags" => map.flags = number32()?,
            "numa_node" => map.numa_node = Some(number32()?),
            "map_extra" => map.map_extra = number()?,
            "key_size" => set_size(name, MapPart::Key, &mut map.key_size, number32()?)?,
            "value_size" => set_size(name, MapPart::Value, &mut map.value_size, number32()?)?,
            "key" => {
                let id = pointee(btf, name, "key", member.type_id)?;
                let size = btf.size_of(id).map_err(|e| in_map(name, e))?;
                set_size(name, MapPart::Key, &mut map.key_size, size)?;
                map.btf_key_type_id = id;
            }
            "value" => {
                let id = pointee(btf, name, "value", member.type_id)?;
                let size = btf.size_of(id).map_err(|e| in_map(name, e))?;
                set_size(name, MapPart::Value, &mut map.value_size, size)?;
                map.btf_value_type_id = id;
            }
            "pinning" => {
                map.pinning = match number32()? {
                    0 => Pinning::None,
                    1 if !inner => Pinning::ByName,
                    1 => return fail(MapFault::InnerPinned),
                    number => return fail(MapFault::Pinning { number }),
                }
            }
            "values" if !inner => {
                values = Some(member.bit_offset / 8);
                map.inner = inner_map(btf, name, member.type_id)?;
                set_size(name, MapPart::Value, &mut map.value_size, 4)?;
                // Without a key type it is an array.
                if map.key_size == 0 {
                    map.key_size = 4;
                }
            }
            other => {
                return fail(MapFault::UnknownMember {
                    member: other.to_owned(),
                });
            }
        }
    }
    let Some(number) = kind else {
        return fail(MapFault::NoType);
    };
    match MapType::from_number(number) {
        Some(kind) => map.kind = kind,
        None => return fail(MapFault::UnknownType { number }),
    }
    if map.inner.is_some() && !matches!(map.kind, MapType::ArrayOfMaps | MapType::HashOfMaps) {
        return fail(MapFault::CannotHoldMaps { kind: map.kind });
    }
    Ok((map, values))
}

/// `key` and `key_size` may both be given, and must agree.
fn set_size(name: &str, part: MapPart, slot: &mut u32, size: u32) -> Result<(), Error> {
    if *slot != 0 && *slot != size {
        let fault = MapFault::TwoSizes {
            part,
            first: *slot,
            second: size,
        };
        return Err(Error::map(name, fault));
    }
    *slot = size;
    Ok(())
}

/// What the pointer member refers to.
fn pointee(btf: &Btf<'_>, map: &str, member: &str, id: u32) -> Result<u32, Error> {
    let resolved = btf.resolve(id).map_err(|e| in_map(map, e))?;
    match btf.get(resolved) {
        Ok(Type::Ptr(ptr)) => Ok(ptr.type_id),
        _ => Err(Error::map(
            map,
            MapFault::NotAPointer {
                member: member.to_owned(),
                ty: btf.type_name(id),
            },
        )),
    }
}

/// A number is the length of the array that the member points to; or, for 64 bits, the value of
/// the only variant of the enum it is of.
fn number(btf: &Btf<'_>, map: &str, member: &str, id: u32) -> Result<u64, Error> {
    let resolved = btf.resolve(id).map_err(|e| in_map(map, e))?;
    let target = match btf.get(resolved) {
        Ok(Type::Ptr(ptr)) => btf.resolve(ptr.type_id).map_err(|e| in_map(map, e))?,
        _ => resolved,
    };
    match btf.get(target) {
        Ok(Type::Array(array)) => Ok(array.nelems.into()),
        Ok(Type::Enum(e)) if e.variants.len() == 1 => Ok(e.variants[0].value as u32 as u64),
        Ok(Type::Enum64(e)) if e.variants.len() == 1 => Ok(e.variants[0].value),
        _ => Err(Error::map(
            map,
            MapFault::NotANumber {
                member: member.to_owned(),
                ty: btf.type_name(id),
            },
        )),
    }
}

/// The type of `values`: a flexible array of pointers to inner map definitions, or to functions.
fn inner_map(btf: &Btf<'_>, name: &str, id: u32) -> Result<Option<Box<MapSpec>>, Error> {
    let fail = || {
        let ty = btf.type_name(id);
        Error::map(name, MapFault::Values { ty })
    };
    let resolve = |id| btf.resolve(id).map_err(|e| in_map(name, e));
    let Ok(Type::Array(array)) = btf.get(resolve(id)?) else {
        return Err(fail());
    };
    let Ok(Type::Ptr(ptr)) = btf.get(resolve(array.type_id)?) else {
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

/// Refuses addresses in members other than `values`.
fn check_members(
    elf: &Elf<'_>,
    section: usize,
    map: &str,
    members: Range<u32>,
) -> Result<(), Error> {
    let mut inside = elf.sections[section]
        .relocations
        .range(members.start, members.end);
    match inside.next() {
        None => Ok(()),
        Some(relocation) => Err(Error::Relocation {
            section: SECTION.to_owned(),
            offset: relocation.offset.into(),
            symbol: elf.symbol_name(&elf.symbols[relocation.symbol]).to_owned(),
            fault: RelocationFault::MapMember {
                map: map.to_owned(),
            },
        }),
    }
}

/// What the flexible array at `start..end` is filled with, by index.
fn entries(
    elf: &Elf<'_>,
    section: usize,
    map: &str,
    start: u32,
    end: u64,
) -> Result<Vec<InitialEntry>, Error> {
    let end = u32::try_from(end).unwrap_or(u32::MAX);
    let inside = elf.sections[section].relocations.range(start, end);
    inside
        .map(|relocation| {
            let symbol = &elf.symbols[relocation.symbol];
            let at = relocation.offset - start;
            if !at.is_multiple_of(8) || symbol.name.is_empty() {
                return Err(Error::Relocation {
                    section: SECTION.to_owned(),
                    offset: relocation.offset.into(),
                    symbol: elf.symbol_name(symbol).to_owned(),
                    fault: RelocationFault::InitialValue {
                        map: map.to_owned(),
                    },
                });
            }
            Ok(InitialEntry {
                index: at / 8,
                target: symbol.name.to_owned(),
            })
        })
        .collect()
}

/// That every initial value is a map or program of this object.
pub(super) fn check_entries(spec: &Spec) -> Result<(), Error> {
    if spec.maps.iter().all(|map| map.entries.is_empty()) {
        return Ok(());
    }
    let maps: HashSet<&str> = spec.maps.iter().map(|map| map.name.as_str()).collect();
    let programs = spec.programs.iter().map(|program| program.name.as_str());
    let programs: HashSet<&str> = programs.collect();
    for map in &spec.maps {
        let (known, kind) = match map.inner {
            Some(_) => (&maps, EntryTarget::Map),
            None => (&programs, EntryTarget::Program),
        };
        for entry in &map.entries {
            if !known.contains(entry.target.as_str()) {
                let fault = MapFault::UnknownEntry {
                    index: entry.index,
                    target: entry.target.clone(),
                    kind,
                };
                return Err(Error::map(&map.name, fault));
            }
        }
    }
    Ok(())
}
