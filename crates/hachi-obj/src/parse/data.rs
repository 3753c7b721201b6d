//! Sections of global variables: each becomes an array map of one value.

use std::collections::HashSet;

use hachi_btf::{Linkage, Type};
use object::elf::SHT_NOBITS;

use super::btf::ObjectTypes;
use super::{data_kind, holds_data};
use crate::elf::Elf;
use crate::error::ElfFault;
use crate::flags::{BPF_F_MMAPABLE, BPF_F_RDONLY_PROG};
use crate::image::{Holds, Image};
use crate::order::{pair, sort_by_number};
use crate::{DataKind, Error, GlobalVar, MapSpec, MapType, Spec, Warning};

pub(super) fn sections(
    spec: &mut Spec,
    elf: &Elf<'_>,
    types: Option<&ObjectTypes>,
    image: &mut Image,
) -> Result<(), Error> {
    let mut made: Vec<MapSpec> = Vec::new();
    for (index, section) in elf.sections.iter().enumerate() {
        let Some(kind) = data_kind(section) else {
            continue;
        };
        let name = section.name;
        // The size of .bss isn't bounded by the file's; the kernel allows less than 2 GiB.
        let size = u32::try_from(section.size)
            .ok()
            .filter(|&size| size <= i32::MAX as u32)
            .ok_or_else(|| ElfFault::SectionSize {
                section: name.to_owned(),
                size: section.size,
            })?;
        if kind == DataKind::Arena {
            let arena = spec.maps.iter_mut().find(|m| m.kind == MapType::Arena);
            let arena = arena.ok_or_else(|| ElfFault::NoArena {
                section: name.to_owned(),
            })?;
            arena.contents = Some(section.data.to_vec());
            arena.data = Some(kind);
            holds_data(image, index, &arena.name, section.size);
            continue;
        }
        if made.iter().any(|map| map.name == name) {
            let section = name.to_owned();
            return Err(ElfFault::TwoSections { section }.into());
        }
        let array = match kind {
            DataKind::Percpu => MapType::PercpuArray,
            _ => MapType::Array,
        };
        let mut map = MapSpec::new(name, array, 4, size, 1);
        map.data = Some(kind);
        map.contents = (section.kind != SHT_NOBITS).then(|| section.data.to_vec());
        if kind == DataKind::Rodata {
            map.flags |= BPF_F_RDONLY_PROG;
        }
        if let Some(types) = types
            && let Some((id, sec)) = types.section(name)
        {
            let btf = types.btf();
            map.btf_value_type_id = id;
            // As libbpf: worth mapping if there is a variable that others may want to see.
            let visible = sec.vars.iter().any(|var| {
                matches!(btf.get(var.type_id), Ok(Type::Var(v)) if v.linkage != Linkage::Static)
            });
            // Per-CPU arrays cannot be mapped.
            if visible && kind != DataKind::Percpu {
                map.flags |= BPF_F_MMAPABLE;
            }
        }
        if let Some(first) = section.relocations.first() {
            spec.warnings.push(Warning::Addresses {
                section: name.to_owned(),
                symbol: elf.symbol_name(&elf.symbols[first.symbol]).to_owned(),
            });
        }
        holds_data(image, index, name, section.size);
        made.push(map);
    }
    // Global data comes first: it is what programs most likely need created before they load.
    spec.maps.splice(0..0, made);
    Ok(())
}

/// Lists the variables: from BTF, and from the symbols what BTF doesn't mention.
pub(super) fn globals(spec: &mut Spec, elf: &Elf<'_>, types: Option<&ObjectTypes>, image: &Image) {
    // By section, then BTF's before the symbols'.
    let mut vars: Vec<(usize, GlobalVar)> = Vec::new();
    let mut known = HashSet::new();
    let fits = |index: usize, offset: u32, size: u32| {
        u64::from(offset) + u64::from(size) <= elf.sections[index].size
    };
    for (index, section) in image.sections.iter().enumerate() {
        let Holds::Data(map, _) = &section.holds else {
            continue;
        };
        let found = types.map_or_else(Vec::new, |types| {
            from_btf(types, elf.sections[index].name, map)
        });
        for var in found {
            if fits(index, var.offset, var.size) {
                known.insert((index, var.offset, var.size));
                vars.push((index, var));
            }
        }
    }
    for symbol in &elf.symbols {
        let Some(index) = symbol.section else {
            continue;
        };
        let Holds::Data(map, _) = &image.sections[index].holds else {
            continue;
        };
        if symbol.kind != object::elf::STT_OBJECT || symbol.name.is_empty() {
            continue;
        }
        let (Ok(offset), Ok(size)) = (u32::try_from(symbol.value), u32::try_from(symbol.size))
        else {
            continue;
        };
        // A variable in BTF may go by a nicer name than its symbol.
        if !known.contains(&(index, offset, size)) && fits(index, offset, size) {
            let var = GlobalVar {
                name: symbol.name.to_owned(),
                map: map.to_string(),
                offset,
                size,
                type_id: 0,
            };
            vars.push((index, var));
        }
    }
    sort_by_number(&mut vars, |(index, var)| pair(*index, var.offset.into()));
    spec.globals = vars.into_iter().map(|(_, var)| var).collect();
}

fn from_btf(types: &ObjectTypes, section: &str, map: &str) -> Vec<GlobalVar> {
    let Some((_, section)) = types.section(section) else {
        return Vec::new();
    };
    let btf = types.btf();
    let vars = section
        .vars
        .iter()
        .filter_map(|var| match btf.get(var.type_id) {
            Ok(Type::Var(v)) => Some(GlobalVar {
                name: v.name.to_owned(),
                map: map.to_owned(),
                offset: var.offset,
                size: var.size,
                type_id: v.type_id,
            }),
            _ => None,
        });
    vars.collect()
}
