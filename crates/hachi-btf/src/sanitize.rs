//! Rewrites types that an older kernel would refuse, without moving or renumbering anything.

use std::collections::HashSet;

use crate::{
    BtfBuilder, Composite, Enum, Int, Kind, Linkage, Member, Qualifier, Type, Typedef, Variant,
};

/// Which kinds of BTF the kernel at hand accepts. [`Features::default`] is a current kernel.
///
/// The replacements are libbpf's (`bpf_object__sanitize_btf`), so that a map or program looks the
/// same whichever loader made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Features {
    /// FUNC and FUNC_PROTO (Linux 5.0).
    pub func: bool,
    /// VAR and DATASEC (Linux 5.2).
    pub datasec: bool,
    /// FUNC with global linkage (Linux 5.6).
    pub func_global: bool,
    /// FLOAT (Linux 5.13).
    pub float: bool,
    /// DECL_TAG (Linux 5.16).
    pub decl_tag: bool,
    /// TYPE_TAG (Linux 5.17).
    pub type_tag: bool,
    /// ENUM64, and signed ENUMs (Linux 6.0).
    pub enum64: bool,
    /// A DATASEC name that starts with `?` (Linux 6.9).
    pub qmark_datasec: bool,
}

impl Default for Features {
    fn default() -> Features {
        Features {
            func: true,
            datasec: true,
            func_global: true,
            float: true,
            decl_tag: true,
            type_tag: true,
            enum64: true,
            qmark_datasec: true,
        }
    }
}

impl Features {
    /// Whether nothing needs to be rewritten whatever the types are.
    pub fn all(self) -> bool {
        self == Features::default()
    }
}

/// Replaces what the kernel doesn't know by something of the same size that it does. No kernel
/// takes
/// what is defined elsewhere (extern linkage): such FUNCs become static, such VARs leave their
/// DATASECs and become integers. Ids stay as they are; a placeholder may be added at the end.
pub fn sanitize(btf: &mut BtfBuilder, features: &Features) {
    let mut placeholder = None;
    let is_extern = |ty: &Type| matches!(ty, Type::Var(var) if var.linkage == Linkage::Extern);
    let elsewhere: HashSet<u32> = (1..=btf.len() as u32)
        .filter(|&id| btf.get(id).is_some_and(is_extern))
        .collect();
    let declared: HashSet<u32> = (1..=btf.len() as u32)
        .filter_map(|id| match btf.get(id) {
            Some(Type::Func(func)) if func.linkage == Linkage::Extern => Some(func.type_id),
            _ => None,
        })
        .collect();
    for id in 1..=btf.len() as u32 {
        let Some(ty) = btf.get(id) else { continue };
        let replacement = match ty {
            Type::Var(var) if !features.datasec || elsewhere.contains(&id) => {
                Some(filler(&var.name))
            }
            Type::DeclTag(tag) if !features.decl_tag => Some(filler(&tag.value)),
            Type::DataSec(sec) if !features.datasec => {
                let here = sec
                    .vars
                    .iter()
                    .filter(|var| !elsewhere.contains(&var.type_id));
                let members = here.map(|var| Member {
                    name: variable_name(btf, var.type_id),
                    type_id: var.type_id,
                    bit_offset: var.offset.saturating_mul(8),
                    bit_size: 0,
                });
                Some(Type::Struct(Composite {
                    name: sec.name.replace(['.', '?'], "_"),
                    size: sec.size,
                    members: members.collect(),
                }))
            }
            // Left with no variable, it is no section.
            Type::DataSec(sec)
                if !sec.vars.is_empty()
                    && sec.vars.iter().all(|var| elsewhere.contains(&var.type_id)) =>
            {
                Some(Type::Struct(Composite {
                    name: sec.name.replace(['.', '?'], "_"),
                    size: 0,
                    members: Vec::new(),
                }))
            }
            Type::DataSec(sec) if sec.vars.iter().any(|v| elsewhere.contains(&v.type_id)) => {
                let mut sec = sec.clone();
                sec.vars.retain(|var| !elsewhere.contains(&var.type_id));
                if !features.qmark_datasec && sec.name.starts_with('?') {
                    sec.name.replace_range(..1, "_");
                }
                Some(Type::DataSec(sec))
            }
            Type::DataSec(sec) if !features.qmark_datasec && sec.name.starts_with('?') => {
                let mut sec = sec.clone();
                sec.name.replace_range(..1, "_");
                Some(Type::DataSec(sec))
            }
            Type::FuncProto(proto) if !features.func => Some(Type::Enum(Enum {
                name: String::new(),
                size: 4,
                signed: false,
                // A parameter record becomes a variant record: its type id is now a value.
                variants: proto
                    .params
                    .iter()
                    .map(|p| Variant {
                        name: p.name.clone(),
                        value: p.type_id as i32,
                    })
                    .collect(),
            })),
            // Declarations may leave names out, the kernel wants them.
            Type::FuncProto(proto)
                if declared.contains(&id) && proto.params.iter().any(|p| p.name.is_empty()) =>
            {
                let mut proto = proto.clone();
                for (number, param) in proto.params.iter_mut().enumerate() {
                    // The last one without a type stands for `...`, which has no name.
                    if param.name.is_empty() && param.type_id != 0 {
                        param.name = format!("arg{number}");
                    }
                }
                Some(Type::FuncProto(proto))
            }
            Type::Func(func) if !features.func => Some(Type::Typedef(Typedef {
                name: func.name.clone(),
                type_id: func.type_id,
            })),
            Type::Func(func)
                if func.linkage == Linkage::Extern
                    || func.linkage == Linkage::Global && !features.func_global =>
            {
                let mut func = func.clone();
                func.linkage = Linkage::Static;
                Some(Type::Func(func))
            }
            // Anonymous, because C allows `float` as the name of no struct.
            Type::Float(float) if !features.float => Some(Type::Struct(Composite {
                name: String::new(),
                size: float.size,
                members: Vec::new(),
            })),
            Type::TypeTag(tag) if !features.type_tag => Some(Type::Const(Qualifier {
                type_id: tag.type_id,
            })),
            Type::Enum(e) if !features.enum64 && e.signed => {
                let mut e = e.clone();
                e.signed = false;
                Some(Type::Enum(e))
            }
            Type::Enum64(e) if !features.enum64 => {
                let (name, size) = (e.name.clone(), e.size);
                let names: Vec<String> = e.variants.iter().map(|v| v.name.clone()).collect();
                let type_id = *placeholder.get_or_insert_with(|| {
                    btf.add(Type::Int(Int::unsigned("enum64_placeholder", 1)))
                });
                Some(Type::Union(Composite {
                    name,
                    size,
                    members: names
                        .into_iter()
                        .map(|name| Member {
                            name,
                            type_id,
                            bit_offset: 0,
                            bit_size: 0,
                        })
                        .collect(),
                }))
            }
            _ => None,
        };
        if let (Some(new), Some(ty)) = (replacement, btf.get_mut(id)) {
            *ty = new;
        }
    }
}

/// An INT of one byte: small enough to stand in for a variable of any size. It keeps the name,
/// which the section's replacement then uses.
fn filler(name: &str) -> Type {
    Type::Int(Int::unsigned(name, 1))
}

fn variable_name(btf: &BtfBuilder, id: u32) -> String {
    // By now the VAR may have become a filler; its place in the section is what matters.
    match btf.get(id) {
        Some(ty) if matches!(ty.kind(), Kind::Var | Kind::Func | Kind::Int) => {
            ty.name().cloned().unwrap_or_default()
        }
        _ => String::new(),
    }
}
