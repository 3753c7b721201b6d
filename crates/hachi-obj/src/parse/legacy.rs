//! Maps of section `maps`, the form before BTF: each symbol is a struct of numbers.

use hachi_btf::{BtfBuilder, Kind, Types};

use super::{MapPlace, Places};
use crate::elf::Elf;
use crate::{Error, MapSpec, MapType, Pinning, Spec};

/// Type, key size, value size, capacity, flags.
const FIELDS: usize = 5;

pub(super) fn defined(spec: &mut Spec, elf: &Elf<'_>, places: &mut Places) -> Result<(), Error> {
    for (index, section) in elf.sections.iter().enumerate() {
        if section.name != "maps" && !section.name.starts_with("maps/") {
            continue;
        }
        let mut symbols: Vec<_> = elf
            .symbols
            .iter()
            .filter(|s| s.section == Some(index) && !s.is_section() && !s.name.is_empty())
            .collect();
        symbols.sort_by_cached_key(|s| s.value);
        for (i, symbol) in symbols.iter().enumerate() {
            let name = symbol.name;
            if spec.maps.iter().any(|map| map.name == name) {
                return Err(Error::map(name, "there are two maps of this name"));
            }
            // A symbol without a size reaches to the next one.
            let end = match symbol.size {
                0 => symbols
                    .get(i + 1)
                    .map_or(section.data.len() as u64, |s| s.value),
                size => symbol.value.saturating_add(size),
            };
            let words = usize::try_from(symbol.value)
                .ok()
                .zip(usize::try_from(end).ok())
                .and_then(|(start, end)| section.data.get(start..end))
                .map(|bytes| bytes.as_chunks::<4>().0)
                .filter(|words| words.len() >= FIELDS)
                .ok_or_else(|| {
                    Error::map(
                        name,
                        format!("its definition in section {} is cut short", section.name),
                    )
                })?;
            let word = |i: usize| words.get(i).map_or(0, |w| elf.endian.u32(*w));
            let kind = MapType::from_number(word(0)).ok_or_else(|| {
                Error::map(
                    name,
                    format!("it is of type {}, which Hachi does not know", word(0)),
                )
            })?;
            let mut map = MapSpec::new(name, kind, word(1), word(2), word(3));
            map.flags = word(4);
            // Then an id and how to pin it, if the definition has them.
            map.pinning = match word(6) {
                0 => Pinning::None,
                _ => Pinning::ByName,
            };
            if let Some(btf) = &spec.btf {
                annotate(btf, &mut map);
            }
            spec.maps.push(map);
            places.maps.push(MapPlace {
                section: index,
                offset: symbol.value,
                len: end - symbol.value,
                map: name.to_owned(),
            });
        }
    }
    Ok(())
}

/// `BPF_ANNOTATE_KV_PAIR`: a struct `____btf_map_NAME` with members `key` and `value`.
fn annotate(btf: &BtfBuilder, map: &mut MapSpec) {
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
