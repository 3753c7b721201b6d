//! Sections of global variables: each becomes an array map of one value.

use hachi_btf::{BtfBuilder, Linkage, Type};

use super::{Places, data_kind};
use crate::elf::Elf;
use crate::map::{BPF_F_MMAPABLE, BPF_F_RDONLY_PROG};
use crate::{DataKind, Error, GlobalVar, MapSpec, MapType, Spec};

pub(super) fn sections(spec: &mut Spec, elf: &Elf<'_>, places: &mut Places) -> Result<(), Error> {
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
            .ok_or_else(|| Error::elf(format!("section {name} has {} bytes", section.size)))?;
        if kind == DataKind::Arena {
            let arena = spec.maps.iter_mut().find(|m| m.kind == MapType::Arena);
            let arena = arena.ok_or_else(|| {
                Error::elf(format!(
                    "section {name} needs a map of type arena, and there is none"
                ))
            })?;
            arena.contents = Some(section.data.to_vec());
            arena.data = Some(kind);
            places.data.push((index, arena.name.clone()));
            continue;
        }
        if made.iter().any(|map| map.name == name) {
            return Err(Error::elf(format!("there are two sections named {name}")));
        }
        let mut map = MapSpec::new(name, MapType::Array, 4, size, 1);
        map.data = Some(kind);
        map.contents = (kind != DataKind::Bss).then(|| section.data.to_vec());
        if kind == DataKind::Rodata {
            map.flags |= BPF_F_RDONLY_PROG;
        }
        if let Some(btf) = &spec.btf
            && let Some((id, sec)) = btf.datasec(name)
        {
            map.btf_value_type_id = id;
            // As libbpf: worth mapping if there is a variable that others may want to see.
            let visible = sec.vars.iter().any(|var| {
                matches!(btf.get(var.type_id), Some(Type::Var(v)) if v.linkage != Linkage::Static)
            });
            if visible {
                map.flags |= BPF_F_MMAPABLE;
            }
        }
        if !section.relocations.is_empty() {
            spec.warnings.push(format!(
                "section {name} holds addresses (of {}), which no loader fills in: they will read as offsets",
                elf.symbol_name(&elf.symbols[section.relocations[0].symbol])
            ));
        }
        places.data.push((index, name.to_owned()));
        made.push(map);
    }
    // Global data comes first: it is what programs most likely need created before they load.
    spec.maps.splice(0..0, made);
    Ok(())
}

/// Lists the variables: from BTF, and from the symbols what BTF doesn't mention.
pub(super) fn globals(spec: &mut Spec, elf: &Elf<'_>, places: &Places) {
    for (index, map) in &places.data {
        let size = elf.sections[*index].size;
        let fits = |offset: u32, len: u32| u64::from(offset) + u64::from(len) <= size;
        let mut vars: Vec<GlobalVar> = Vec::new();
        if let Some(btf) = &spec.btf {
            vars.extend(from_btf(btf, elf.sections[*index].name, map));
        }
        vars.retain(|var| fits(var.offset, var.size));
        let known = vars.len();
        for symbol in &elf.symbols {
            if symbol.section != Some(*index)
                || symbol.kind != object::elf::STT_OBJECT
                || symbol.name.is_empty()
            {
                continue;
            }
            let (Ok(offset), Ok(size)) = (u32::try_from(symbol.value), u32::try_from(symbol.size))
            else {
                continue;
            };
            // A variable in BTF may go by a nicer name than its symbol.
            let listed = vars[..known]
                .iter()
                .any(|v| v.offset == offset && v.size == size);
            if !listed && fits(offset, size) {
                vars.push(GlobalVar {
                    name: symbol.name.to_owned(),
                    map: map.clone(),
                    offset,
                    size,
                    type_id: 0,
                });
            }
        }
        vars.sort_by_cached_key(|var| var.offset);
        spec.globals.append(&mut vars);
    }
}

fn from_btf(btf: &BtfBuilder, section: &str, map: &str) -> Vec<GlobalVar> {
    let Some((_, sec)) = btf.datasec(section) else {
        return Vec::new();
    };
    let vars = sec
        .vars
        .iter()
        .filter_map(|var| match btf.get(var.type_id) {
            Some(Type::Var(v)) => Some(GlobalVar {
                name: v.name.clone(),
                map: map.to_owned(),
                offset: var.offset,
                size: var.size,
                type_id: v.type_id,
            }),
            _ => None,
        });
    vars.collect()
}
