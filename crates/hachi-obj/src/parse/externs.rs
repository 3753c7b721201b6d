//! Externs: symbols that are undefined in ELF and described in BTF, in section `.kconfig` or
//! `.ksyms`.

use hachi_btf::{BtfBuilder, DataSec, Int, Linkage, Type, Types, Var};

use crate::elf::{Elf, Symbol};
use crate::kconfig::KconfigType;
use crate::map::BPF_F_RDONLY_PROG;
use crate::{DataKind, Error, Extern, ExternKind, MapSpec, MapType, Spec};

/// How long a text may be, in bytes.
const MAX_TEXT: u32 = 4096;

pub(super) fn collect(spec: &mut Spec, elf: &Elf<'_>) -> Result<(), Error> {
    let Some(btf) = &mut spec.btf else {
        return Ok(());
    };
    let undefined = |name: &str| {
        elf.symbols
            .iter()
            .find(|s| s.undefined && !s.is_local() && s.name == name)
    };
    if let Some((id, sec)) = btf.datasec(".ksyms") {
        let sec = sec.clone();
        ksyms(btf, &sec, undefined, &mut spec.externs)?;
        quieten_ksyms(btf, id, sec);
    }
    if let Some((id, sec)) = btf.datasec(".kconfig") {
        let sec = sec.clone();
        let size = kconfig(btf, &sec, undefined, &mut spec.externs)?;
        if size > 0 {
            let mut map = MapSpec::new(".kconfig", MapType::Array, 4, size, 1);
            map.flags = BPF_F_RDONLY_PROG;
            map.data = Some(DataKind::Kconfig);
            map.contents = Some(vec![0; size as usize]);
            map.btf_value_type_id = id;
            spec.maps.push(map);
        }
        place_kconfig(btf, id, sec, &spec.externs, size);
    }
    Ok(())
}

fn ksyms<'e>(
    btf: &BtfBuilder,
    sec: &DataSec,
    undefined: impl Fn(&str) -> Option<&'e Symbol<'e>>,
    out: &mut Vec<Extern>,
) -> Result<(), Error> {
    for entry in &sec.vars {
        let btf_id = entry.type_id;
        let (name, kind) = match btf.get(btf_id) {
            Some(Type::Func(f)) => (&f.name, ExternKind::Kfunc { proto: f.type_id }),
            Some(Type::Var(v)) => {
                let target = btf.resolve(v.type_id).map_err(in_btf)?;
                let type_id = (target != 0).then_some(v.type_id);
                (&v.name, ExternKind::Ksym { type_id })
            }
            _ => continue,
        };
        // Declared but unused ones have no symbol.
        if let Some(symbol) = undefined(name) {
            out.push(Extern {
                name: name.clone(),
                weak: symbol.is_weak(),
                btf_id,
                kind,
            });
        }
    }
    Ok(())
}

fn in_btf(source: hachi_btf::Error) -> Error {
    Error::Btf {
        section: ".BTF",
        source,
    }
}

/// The kernel accepts neither externs nor functions in a DATASEC: as libbpf does, describe them
/// as `int` variables.
fn quieten_ksyms(btf: &mut BtfBuilder, id: u32, mut sec: DataSec) {
    let int = (1..=btf.len() as u32)
        .find(|&id| matches!(btf.get(id), Some(Type::Int(i)) if i.size == 4 && i.bits == 32));
    let int = int.unwrap_or_else(|| btf.add(Type::Int(Int::new("int", 4, true))));
    let mut dummy = None;
    let mut offset = 0;
    for entry in &mut sec.vars {
        match btf.get_mut(entry.type_id) {
            Some(Type::Func(f)) => {
                f.linkage = Linkage::Global;
                let proto = f.type_id;
                if let Some(Type::FuncProto(proto)) = btf.get_mut(proto) {
                    // Declarations may leave names out, the kernel wants them.
                    for param in proto.params.iter_mut().filter(|p| p.type_id != 0) {
                        if param.name.is_empty() {
                            param.name = "dummy_ksym".into();
                        }
                    }
                }
                entry.type_id = *dummy.get_or_insert_with(|| {
                    btf.add(Type::Var(Var {
                        name: "dummy_ksym".into(),
                        type_id: int,
                        linkage: Linkage::Global,
                    }))
                });
            }
            Some(Type::Var(v)) => {
                v.linkage = Linkage::Global;
                v.type_id = int;
            }
            _ => {}
        }
        entry.offset = offset;
        entry.size = 4;
        offset += 4;
    }
    sec.size = offset;
    if let Some(ty) = btf.get_mut(id) {
        *ty = Type::DataSec(sec);
    }
}

/// Lays out the values: the most aligned first, then by size and name, as libbpf does.
fn kconfig<'e>(
    btf: &BtfBuilder,
    sec: &DataSec,
    undefined: impl Fn(&str) -> Option<&'e Symbol<'e>>,
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
        let Some(Type::Var(v)) = btf.get(entry.type_id) else {
            continue;
        };
        let Some(symbol) = undefined(&v.name) else {
            continue;
        };
        let size = btf.size_of(v.type_id).map_err(in_btf)?;
        let ty = kconfig_type(btf, v.type_id).map_err(in_btf)?;
        let ty = ty.ok_or_else(|| Error::Relocation {
            section: ".kconfig".into(),
            offset: 0,
            symbol: v.name.clone(),
            why: format!(
                "a value of type '{}' cannot hold a configuration option; use an integer, bool, char array or enum libbpf_tristate",
                btf.type_name(v.type_id)
            ),
        })?;
        entries.push(Entry {
            ty,
            align: btf.align_of(v.type_id).map_err(in_btf)?,
            size,
            name: v.name.clone(),
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
fn kconfig_type(btf: &BtfBuilder, id: u32) -> Result<Option<KconfigType>, hachi_btf::Error> {
    let id = btf.resolve(id)?;
    let size = btf.size_of(id)?;
    Ok(match btf.get(id) {
        Some(Type::Int(int)) => match size {
            1 if int.bool => Some(KconfigType::Bool),
            1 => Some(KconfigType::Char { signed: int.signed }),
            2 | 4 | 8 if !int.bool => Some(KconfigType::Int { signed: int.signed }),
            _ => None,
        },
        Some(Type::Enum(of)) if size == 4 && of.name == "libbpf_tristate" => {
            Some(KconfigType::Tristate)
        }
        Some(Type::Array(array)) if (1..=MAX_TEXT).contains(&size) => {
            match kconfig_type(btf, array.type_id)? {
                Some(KconfigType::Char { .. }) => Some(KconfigType::Text),
                _ => None,
            }
        }
        _ => None,
    })
}

fn place_kconfig(btf: &mut BtfBuilder, id: u32, mut sec: DataSec, externs: &[Extern], size: u32) {
    sec.size = size;
    sec.vars.retain_mut(|entry| {
        let found = externs.iter().find(|e| e.btf_id == entry.type_id);
        match found.map(|e| e.kind) {
            Some(ExternKind::Kconfig { offset, size, .. }) => {
                (entry.offset, entry.size) = (offset, size);
                true
            }
            _ => false,
        }
    });
    sec.vars.sort_by_cached_key(|entry| u64::from(entry.offset));
    for entry in &sec.vars {
        if let Some(Type::Var(v)) = btf.get_mut(entry.type_id) {
            v.linkage = Linkage::Global;
        }
    }
    if let Some(ty) = btf.get_mut(id) {
        *ty = Type::DataSec(sec);
    }
}
