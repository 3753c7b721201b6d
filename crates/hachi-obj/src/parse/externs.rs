//! Externs: symbols that are undefined in ELF and described in BTF, in section `.kconfig` or
//! `.ksyms`.

use std::collections::HashMap;

use hachi_btf::{Btf, DataSec, Linkage, Type, Types as _};

use super::btf::{ObjectTypes, failed};
use crate::elf::{Elf, Symbol};
use crate::error::RelocationFault;
use crate::flags::BPF_F_RDONLY_PROG;
use crate::kconfig::KconfigType;
use crate::order::sort_by_number;
use crate::{DataKind, Error, Extern, ExternKind, MapSpec, MapType, Spec};

/// How long a text may be, in bytes.
const MAX_TEXT: u32 = 4096;

/// The symbols that are undefined, by name.
type Undefined<'e, 'a> = HashMap<&'a str, &'e Symbol<'a>>;

pub(super) fn collect(
    spec: &mut Spec,
    elf: &Elf<'_>,
    types: &mut ObjectTypes,
) -> Result<(), Error> {
    let has = |name| types.section(name).is_some();
    if !has(".ksyms") && !has(".kconfig") {
        return Ok(());
    }
    let mut undefined = Undefined::new();
    for symbol in elf.symbols.iter().filter(|s| s.undefined && !s.is_local()) {
        undefined.entry(symbol.name).or_insert(symbol);
    }
    if let Some((id, sec)) = types.section(".ksyms") {
        ksyms(&types.btf(), &sec, &undefined, &mut spec.externs)?;
        quieten_ksyms(types, id);
    }
    if let Some((id, sec)) = types.section(".kconfig") {
        let size = kconfig(&types.btf(), &sec, &undefined, &mut spec.externs)?;
        if size > 0 {
            let mut map = MapSpec::new(".kconfig", MapType::Array, 4, size, 1);
            map.flags = BPF_F_RDONLY_PROG;
            map.data = Some(DataKind::Kconfig);
            map.contents = Some(vec![0; size as usize]);
            map.btf_value_type_id = id;
            spec.maps.push(map);
        }
        place_kconfig(types, id, &spec.externs, size);
    }
    Ok(())
}

fn ksyms(
    btf: &Btf<'_>,
    sec: &DataSec<&str>,
    undefined: &Undefined<'_, '_>,
    out: &mut Vec<Extern>,
) -> Result<(), Error> {
    for entry in &sec.vars {
        let btf_id = entry.type_id;
        let (name, kind) = match btf.get(btf_id) {
            Ok(Type::Func(f)) => (f.name, ExternKind::Kfunc { proto: f.type_id }),
            Ok(Type::Var(v)) => {
                let target = btf.resolve(v.type_id).map_err(failed)?;
                let type_id = (target != 0).then_some(v.type_id);
                (v.name, ExternKind::Ksym { type_id })
            }
            _ => continue,
        };
        // Declared but unused ones have no symbol.
        if let Some(symbol) = undefined.get(name) {
            out.push(Extern {
                name: name.to_owned(),
                weak: symbol.is_weak(),
                btf_id,
                kind,
            });
        }
    }
    Ok(())
}

/// The kernel accepts neither externs nor functions in a DATASEC: as libbpf does, describe them
/// as `int` variables.
fn quieten_ksyms(types: &mut ObjectTypes, id: u32) {
    let btf = types.btf();
    let Ok(Type::DataSec(sec)) = btf.get(id) else {
        return;
    };
    let mut vars = sec.vars;
    // Of each variable: whether it is a function, and then its FUNC_PROTO.
    let kinds: Vec<Option<u32>> = vars
        .iter()
        .map(|var| match btf.get(var.type_id) {
            Ok(Type::Func(f)) => Some(f.type_id),
            _ => None,
        })
        .collect();
    let is_int = |id: &u32| matches!(btf.get(*id), Ok(Type::Int(i)) if i.size == 4 && i.bits == 32);
    let int = (1..=btf.last_id()).find(is_int);
    drop(btf);
    let patch = &mut types.patch;
    let int = int.unwrap_or_else(|| {
        let name = patch.add_string("int");
        patch.add_int(name, 4)
    });
    let mut dummy = None;
    let mut offset = 0;
    for (var, proto) in vars.iter_mut().zip(kinds) {
        patch.set_linkage(var.type_id, Linkage::Global);
        match proto {
            Some(proto) => {
                let (name, dummy) = *dummy.get_or_insert_with(|| {
                    let name = patch.add_string("dummy_ksym");
                    (name, patch.add_var(name, int, Linkage::Global))
                });
                // Declarations may leave names out, the kernel wants them.
                patch.name_params(proto, name);
                var.type_id = dummy;
            }
            None => patch.set_var_type(var.type_id, int),
        }
        var.offset = offset;
        var.size = 4;
        offset += 4;
    }
    patch.set_section_vars(id, &vars);
    patch.set_section_size(id, offset);
}

/// Lays out the values: the most aligned first, then by size and name, as libbpf does.
fn kconfig(
    btf: &Btf<'_>,
    sec: &DataSec<&str>,
    undefined: &Undefined<'_, '_>,
    out: &mut Vec<Extern>,
) -> Result<u32, Error> {
    struct Entry {
        align: u32,
        size: u32,
        name: String,
        weak: bool,
        btf_id: u32,
        type_id: u32,
        ty: KconfigType,
    }
    let mut entries = Vec::new();
    for entry in &sec.vars {
        let Ok(Type::Var(v)) = btf.get(entry.type_id) else {
            continue;
        };
        let Some(symbol) = undefined.get(v.name) else {
            continue;
        };
        let size = btf.size_of(v.type_id).map_err(failed)?;
        let ty = kconfig_type(btf, v.type_id).map_err(failed)?;
        let ty = ty.ok_or_else(|| Error::Relocation {
            section: ".kconfig".into(),
            offset: 0,
            symbol: v.name.to_owned(),
            fault: RelocationFault::OptionType {
                ty: btf.type_name(v.type_id),
            },
        })?;
        entries.push(Entry {
            ty,
            align: btf.align_of(v.type_id).map_err(failed)?,
            size,
            name: v.name.to_owned(),
            weak: symbol.is_weak(),
            btf_id: entry.type_id,
            type_id: v.type_id,
        });
    }
    entries.sort_by(|a, b| {
        (b.align.cmp(&a.align))
            .then(a.size.cmp(&b.size))
            .then(a.name.cmp(&b.name))
    });
    let mut end: u32 = 0;
    for e in entries {
        let offset = end.next_multiple_of(e.align.max(1));
        end = offset + e.size;
        out.push(Extern {
            name: e.name,
            weak: e.weak,
            btf_id: e.btf_id,
            kind: ExternKind::Kconfig {
                type_id: e.type_id,
                ty: e.ty,
                offset,
                size: e.size,
            },
        });
    }
    Ok(end)
}

/// What a type holds (`find_kcfg_type` of libbpf); `None` if it is for no option.
fn kconfig_type(btf: &Btf<'_>, id: u32) -> Result<Option<KconfigType>, hachi_btf::Error> {
    let id = btf.resolve(id)?;
    let size = btf.size_of(id)?;
    Ok(match btf.get(id)? {
        Type::Int(int) => match size {
            1 if int.bool => Some(KconfigType::Bool),
            1 => Some(KconfigType::Char { signed: int.signed }),
            2 | 4 | 8 if !int.bool => Some(KconfigType::Int { signed: int.signed }),
            _ => None,
        },
        Type::Enum(of) if size == 4 && of.name == "libbpf_tristate" => Some(KconfigType::Tristate),
        Type::Array(array) if (1..=MAX_TEXT).contains(&size) => {
            match kconfig_type(btf, array.type_id)? {
                Some(KconfigType::Char { .. }) => Some(KconfigType::Text),
                _ => None,
            }
        }
        _ => None,
    })
}

fn place_kconfig(types: &mut ObjectTypes, id: u32, externs: &[Extern], size: u32) {
    let Ok(Type::DataSec(sec)) = types.btf().get(id) else {
        return;
    };
    let mut vars = sec.vars;
    vars.retain_mut(|entry| {
        let found = externs.iter().find(|e| e.btf_id == entry.type_id);
        match found.map(|e| e.kind) {
            Some(ExternKind::Kconfig { offset, size, .. }) => {
                (entry.offset, entry.size) = (offset, size);
                true
            }
            _ => false,
        }
    });
    sort_by_number(&mut vars, |entry| entry.offset.into());
    for entry in &vars {
        types.patch.set_linkage(entry.type_id, Linkage::Global);
    }
    types.patch.set_section_vars(id, &vars);
    types.patch.set_section_size(id, size);
}
