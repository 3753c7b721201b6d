//! Maps of section `maps`, the form before BTF: each symbol is a struct of numbers.

use hachi_btf::{Btf, Kind, Types};

use super::btf::ObjectTypes;
use crate::elf::Elf;
use crate::error::MapFault;
use crate::image::{Image, MapPlace};
use crate::order::sort_by_number;
use crate::{Error, MapSpec, MapType, Pinning, Spec, Warning};

/// Type, key size, value size, capacity, flags.
const FIELDS: usize = 5;
/// Then an id, and how to pin it. What follows (the inner map, for iproute2) is not understood.
const KNOWN_FIELDS: usize = 7;

pub(super) fn defined(
    spec: &mut Spec,
    elf: &Elf<'_>,
    types: Option<&ObjectTypes>,
    image: &mut Image,
) -> Result<(), Error> {
    for (index, section) in elf.sections.iter().enumerate() {
        if section.name != "maps" && !section.name.starts_with("maps/") {
            continue;
        }
        let mut symbols: Vec<_> = elf
            .symbols
            .iter()
            .filter(|s| s.section == Some(index) && !s.is_section() && !s.name.is_empty())
            .collect();
        sort_by_number(&mut symbols, |s| s.value.into());
        for (i, symbol) in symbols.iter().enumerate() {
            let name = symbol.name;
            if spec.maps.iter().any(|map| map.name == name) {
                return Err(Error::map(name, MapFault::Duplicate));
            }
            // A symbol without a size reaches to the next one.
            let end = match symbol.size {
                0 => symbols
                    .get(i + 1)
                    .map_or(section.data.len() as u64, |s| s.value),
                size => symbol.value.saturating_add(size),
            };
            let (words, rest) = usize::try_from(symbol.value)
                .ok()
                .zip(usize::try_from(end).ok())
                .and_then(|(start, end)| section.data.get(start..end))
                .map(|bytes| bytes.as_chunks::<4>())
                .filter(|(words, _)| words.len() >= FIELDS)
                .ok_or_else(|| {
                    let section = section.name.to_owned();
                    Error::map(name, MapFault::CutShort { section })
                })?;
            let word = |i: usize| words.get(i).map_or(0, |w| elf.endian.u32(*w));
            let unknown = (KNOWN_FIELDS..words.len())
                .find(|&i| word(i) != 0)
                .or_else(|| rest.iter().any(|byte| *byte != 0).then_some(words.len()));
            if let Some(field) = unknown {
                spec.warnings.push(Warning::MapField {
                    map: name.to_owned(),
                    offset: 4 * field,
                });
            }
            let number = word(0);
            let kind = MapType::from_number(number)
                .ok_or_else(|| Error::map(name, MapFault::UnknownType { number }))?;
            let mut map = MapSpec::new(name, kind, word(1), word(2), word(3));
            map.flags = word(4);
            // Then an id and how to pin it, if the definition has them.
            map.pinning = match word(6) {
                0 => Pinning::None,
                _ => Pinning::ByName,
            };
            if let Some(types) = types {
                annotate(&types.btf(), &mut map);
            }
            spec.maps.push(map);
            image.maps.push(MapPlace {
                section: index as u32,
                offset: symbol.value,
                len: end - symbol.value,
                map: name.into(),
            });
        }
    }
    Ok(())
}

/// `BPF_ANNOTATE_KV_PAIR`: a struct `____btf_map_NAME` with members `key` and `value`.
fn annotate(btf: &Btf<'_>, map: &mut MapSpec) {
    let Some(id) = btf.find(&format!("____btf_map_{}", map.name), Kind::Struct) else {
        return;
    };
    let Ok(members) = btf.members(id) else { return };
    if let [key, value] = members.as_slice()
        && key.name == "key"
        && value.name == "value"
        && btf.size_of(key.type_id) == Ok(map.key_size)
        && btf.size_of(value.type_id) == Ok(map.value_size)
    {
        map.btf_key_type_id = key.type_id;
        map.btf_value_type_id = value.type_id;
    }
}
