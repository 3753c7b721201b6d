//! What a program uses and the running system supplies: functions and variables of the kernel.
//!
//! Each is looked for when the first program that uses it is loaded: typed ones in the BTF of the
//! kernel and, only if it is not there, in that of modules; untyped ones in `/proc/kallsyms`. The
//! rules are libbpf's.

use std::os::fd::RawFd;

use hachi_asm::consts::BPF_PSEUDO_BTF_ID;
use hachi_btf::{Btf, Kind, Type, Types as _, core::declarations_agree};
use hachi_obj::{
    Extern, ExternKind, Insn, ProgramSpec, RelocationKind,
    core::{Absent, Poisoned, poison_kfunc},
};

use super::{Object, ProgramError};
use crate::{
    features::{self, Unsupported},
    kallsyms,
    kernel_btf::ModuleBtf,
};

/// What an extern is in the running system.
#[derive(Clone, Copy)]
enum Found<'k> {
    /// A type in the BTF of the kernel or a module.
    Btf {
        id: u32,
        module: Option<&'k ModuleBtf>,
    },
    Address(u64),
    /// Nothing, and it is weak.
    Nothing,
}

/// Why an extern cannot be used.
enum Trouble {
    Reason(String),
    Unsupported(Unsupported),
}

impl From<String> for Trouble {
    fn from(reason: String) -> Self {
        Trouble::Reason(reason)
    }
}

impl From<Unsupported> for Trouble {
    fn from(error: Unsupported) -> Self {
        Trouble::Unsupported(error)
    }
}

/// Writes what the system has into the instructions that want it. Returns the descriptors of
/// modules that calls refer to, by index (`fd_array`). Can be repeated.
pub(super) fn relocate(
    object: &Object,
    spec: &mut ProgramSpec,
) -> Result<Vec<RawFd>, ProgramError> {
    // The first index stands for the kernel itself.
    let mut modules: Vec<RawFd> = Vec::new();
    spec.poisoned
        .retain(|poisoned| matches!(poisoned.missing, Absent::Type(_)));
    for at in 0..spec.relocations.len() {
        let relocation = &spec.relocations[at];
        let slot = relocation.insn;
        let (name, is_call) = match &relocation.kind {
            RelocationKind::Kfunc { name } => (name, true),
            RelocationKind::Ksym { name } => (name, false),
            RelocationKind::GlobalData { map, offset } if map == ".kconfig" => {
                let unset = &object.externs.unset;
                match unset.iter().find(|unset| unset.offset == *offset) {
                    Some(unset) => {
                        return Err(ProgramError::unloadable(&spec.name, &*unset.reason));
                    }
                    None => continue,
                }
            }
            _ => continue,
        };
        let Some(wanted) = object.externs.list.iter().find(|of| of.name == *name) else {
            let reason =
                format!("it uses {name:?} of the kernel, which the object does not declare");
            return Err(ProgramError::unloadable(&spec.name, reason));
        };
        let found = find(object, wanted).map_err(|trouble| match trouble {
            Trouble::Reason(reason) => ProgramError::unloadable(&spec.name, reason),
            Trouble::Unsupported(error) => ProgramError::Unsupported {
                name: spec.name.clone(),
                error,
            },
        })?;
        let insns = spec.insns.get_mut(slot..).unwrap_or_default();
        let written = match is_call {
            true => write_call(insns, found, &mut modules),
            false => write_address(insns, found, wanted),
        };
        written.map_err(|reason| ProgramError::unloadable(&spec.name, reason))?;
        if is_call && matches!(found, Found::Nothing) {
            spec.poisoned.push(Poisoned {
                insn: slot,
                missing: Absent::Kfunc(wanted.name.clone()),
            });
        }
    }
    Ok(modules)
}

fn find<'k>(object: &'k Object, wanted: &Extern) -> Result<Found<'k>, Trouble> {
    let (local, kind, what) = match wanted.kind {
        ExternKind::Kfunc { proto } => (proto, Kind::Func, "function"),
        ExternKind::Ksym {
            type_id: Some(type_id),
        } => (type_id, Kind::Var, "variable"),
        _ => return untyped(object, wanted),
    };
    let name = wanted.kernel_name();
    let found = match object.kernel_btf.find(name, kind) {
        Ok(found) => found,
        Err(_) if wanted.weak => None,
        Err(error) => {
            let reason = format!(
                "it uses the kernel {what} {name:?}, for which it needs the kernel's types: {error}"
            );
            return Err(reason.into());
        }
    };
    let Some(found) = found else {
        if wanted.weak {
            return Ok(Found::Nothing);
        }
        let near = match object.kernel_btf.running() {
            Ok(btf) => btf.hint("", name, kind),
            Err(_) => String::new(),
        };
        let reason = format!(
            "it uses the kernel {what} {name:?}, which neither this kernel nor a loaded module has (in BTF){near}; if it can do without, declare it as weak, and ask before using it"
        );
        return Err(reason.into());
    };
    let types = match found.module {
        Some(module) => module.btf.types(),
        None => object.kernel_btf.running()?.types(),
    };
    let feature = match found.module {
        None => &features::KFUNC,
        Some(_) => &features::MODULE_KFUNC,
    };
    let there = Found::Btf {
        id: found.id,
        module: found.module,
    };
    let difference = compare(object, local, types, found.id)?;
    match (difference, kind) {
        (None, Kind::Func) => match feature.require_with(&object.rights) {
            Ok(()) => Ok(there),
            Err(_) if wanted.weak => Ok(Found::Nothing),
            Err(error) => Err(error.into()),
        },
        (None, _) => Ok(there),
        // A function of another type is another function. (So says libbpf; of variables not.)
        (Some(_), Kind::Func) if wanted.weak => Ok(Found::Nothing),
        (Some((declared, actual)), _) => Err(Trouble::Reason(format!(
            "it uses the kernel {what} {name:?} as `{declared}`, and on this kernel it is `{actual}`; declare it as the kernel does (`hachi bindgen` writes declarations)"
        ))),
    }
}

/// If a declaration does not fit what the kernel has: both in C.
fn compare(
    object: &Object,
    local: u32,
    types: &Btf<'_>,
    id: u32,
) -> Result<Option<(String, String)>, String> {
    let Some(core) = &object.core else {
        return Err("the object has no types that say what its externs are".to_owned());
    };
    let text = |error: &dyn std::fmt::Display| format!("its types cannot be compared: {error}");
    let own = core.types().map_err(|error| text(&error))?;
    let target = match types.get(id).map_err(|error| text(&error))? {
        Type::Func(f) => f.type_id,
        Type::Var(v) => v.type_id,
        _ => id,
    };
    let agree = declarations_agree(&own, local, types, target).map_err(|error| text(&error))?;
    // Parameters without a name got one for the kernel's sake.
    let declared = || {
        own.type_name(local)
            .replace(" dummy_ksym", "")
            .replace("dummy_ksym", "")
    };
    Ok((!agree).then(|| (declared(), types.type_name(target))))
}

fn untyped<'k>(object: &'k Object, wanted: &Extern) -> Result<Found<'k>, Trouble> {
    let name = &wanted.name;
    match object.externs.address(wanted) {
        Ok(Some(address)) => Ok(Found::Address(address)),
        Ok(None) if wanted.weak => Ok(Found::Nothing),
        Ok(None) => Err(Trouble::Reason(format!(
            "it uses the kernel symbol {name:?}, which {} does not have; if it can do without, declare it as weak, which gives address 0 then",
            kallsyms::FILE
        ))),
        Err(error) => Err(Trouble::Reason(format!(
            "it uses the kernel symbol {name:?}: {error}"
        ))),
    }
}

fn write_call(
    insns: &mut [Insn],
    found: Found<'_>,
    modules: &mut Vec<RawFd>,
) -> Result<(), String> {
    let [insn, ..] = insns else {
        return Err(beyond());
    };
    match found {
        Found::Btf { id, module } => {
            let index = match module {
                None => 0,
                Some(module) => index_of(modules, module.raw_fd()?)?,
            };
            insn.imm = id as i32;
            insn.off = index;
        }
        Found::Nothing | Found::Address(_) => poison_kfunc(insn),
    }
    Ok(())
}

fn index_of(modules: &mut Vec<RawFd>, fd: RawFd) -> Result<i16, String> {
    if modules.is_empty() {
        // Index 0 means the kernel itself, whatever is there.
        modules.push(0);
    }
    let known = modules[1..].iter().position(|&other| other == fd);
    let index = match known {
        Some(at) => at + 1,
        None => {
            modules.push(fd);
            modules.len() - 1
        }
    };
    i16::try_from(index).map_err(|_| "it calls functions of more than 32767 modules".to_owned())
}

fn write_address(insns: &mut [Insn], found: Found<'_>, wanted: &Extern) -> Result<(), String> {
    let [first, second, ..] = insns else {
        return Err(beyond());
    };
    let is_function = matches!(wanted.kind, ExternKind::Kfunc { .. });
    let (src, low, high) = match found {
        // What is asked is whether it exists.
        Found::Btf { .. } if is_function && !features::KFUNC_ADDRESS.is_supported() => (0, 1, 0),
        Found::Btf { id, module } => {
            let fd = match module {
                None => 0,
                Some(module) => module.raw_fd()?,
            };
            (BPF_PSEUDO_BTF_ID, id as i32, fd)
        }
        Found::Address(address) => (0, address as i32, (address >> 32) as i32),
        Found::Nothing => (0, 0, 0),
    };
    first.src = src;
    first.imm = low;
    second.imm = high;
    Ok(())
}

fn beyond() -> String {
    "a relocation lies beyond its end".to_owned()
}
