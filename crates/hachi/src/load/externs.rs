//! What a program uses and the running system supplies: functions and variables of the kernel.
//!
//! Each is looked for when the first program that uses it is loaded: typed ones in the BTF of the
//! kernel and, only if it is not there, in that of modules; untyped ones in `/proc/kallsyms`. The
//! rules are libbpf's.

use hachi_btf::{Btf, Kind, Type, Types as _, core::declarations_agree};
use hachi_obj::{
    Extern, ExternKind, OwnedBtf,
    link::{Kfunc, Ksym},
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

impl Trouble {
    fn of(self, program: &str) -> ProgramError {
        match self {
            Trouble::Reason(reason) => ProgramError::unloadable(program, reason),
            Trouble::Unsupported(error) => ProgramError::Unsupported {
                name: program.to_owned(),
                error,
            },
        }
    }
}

/// What a call of a kernel function becomes; `None` if it is missing and weak.
pub(super) fn kfunc(
    object: &Object,
    program: &str,
    name: &str,
) -> Result<Option<Kfunc>, ProgramError> {
    let found = declared(object, name).and_then(|wanted| find(object, wanted));
    let kfunc = found.and_then(|found| match found {
        Found::Btf { id, module } => Ok(Some(Kfunc {
            btf_id: id,
            module: module.map(ModuleBtf::raw_fd).transpose()?,
        })),
        Found::Nothing | Found::Address(_) => Ok(None),
    });
    kfunc.map_err(|trouble| trouble.of(program))
}

/// The address of a kernel variable, or of a kernel function.
pub(super) fn ksym(object: &Object, program: &str, name: &str) -> Result<Ksym, ProgramError> {
    let address = |wanted: &Extern| {
        let is_function = matches!(wanted.kind, ExternKind::Kfunc { .. });
        Ok(match find(object, wanted)? {
            // What is asked is whether it exists.
            Found::Btf { .. } if is_function && !features::KFUNC_ADDRESS.is_supported() => {
                Ksym::Address(1)
            }
            Found::Btf { id, module } => Ksym::Typed {
                btf_id: id,
                module: module.map_or(Ok(0), ModuleBtf::raw_fd)?,
            },
            Found::Address(address) => Ksym::Address(address),
            Found::Nothing => Ksym::Address(0),
        })
    };
    let found = declared(object, name).and_then(address);
    found.map_err(|trouble: Trouble| trouble.of(program))
}

fn declared<'o>(object: &'o Object, name: &str) -> Result<&'o Extern, Trouble> {
    let found = object.externs.list.iter().find(|of| of.name == name);
    found.ok_or_else(|| {
        format!("it uses {name:?} of the kernel, which the object does not declare").into()
    })
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
        None => object
            .kernel_btf
            .running()
            .map_err(|e| e.to_string())?
            .types(),
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
    let own = object.btf.types.as_ref().map(OwnedBtf::types);
    let own = own.ok_or("the object has no types that say what its externs are")?;
    let text = |error: &dyn std::fmt::Display| format!("its types cannot be compared: {error}");
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
