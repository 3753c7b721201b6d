//! What a program uses and the running system supplies: functions and variables of the kernel.
//!
//! Each is looked for when the first program that uses it is loaded: typed ones in the BTF of the
//! kernel and, only if it is not there, in that of modules; untyped ones in `/proc/kallsyms`. The
//! rules are libbpf's.

use std::os::fd::RawFd;

use hachi_btf::{Btf, Kind, Type, Types as _, core::declarations_agree};
use hachi_obj::{
    Extern, ExternKind, OwnedBtf,
    link::{Kfunc, Ksym},
};

use super::{ExternProblem, Object, ProgramError, SymbolKind, Unloadable};
use crate::{
    features::{self, Unsupported},
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
    Problem(SymbolKind, String, ExternProblem),
    Unsupported(Unsupported),
}

impl From<Unsupported> for Trouble {
    fn from(error: Unsupported) -> Self {
        Trouble::Unsupported(error)
    }
}

impl Trouble {
    /// With an extern of the object's.
    fn with(wanted: &Extern, problem: ExternProblem) -> Self {
        let (kind, name) = match wanted.kind {
            ExternKind::Kfunc { .. } => (SymbolKind::Function, wanted.kernel_name()),
            ExternKind::Ksym { type_id: Some(_) } => (SymbolKind::Variable, wanted.kernel_name()),
            _ => (SymbolKind::Symbol, wanted.name.as_str()),
        };
        Trouble::Problem(kind, name.to_owned(), problem)
    }

    fn of(self, program: &str) -> ProgramError {
        match self {
            Trouble::Problem(kind, name, problem) => ProgramError::unloadable(
                program,
                Unloadable::Extern {
                    kind,
                    name,
                    problem,
                },
            ),
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
    let kfunc = |wanted| {
        Ok(match find(object, wanted)? {
            Found::Btf { id, module } => {
                let module = module.map(|of| module_fd(wanted, of)).transpose()?;
                Some(Kfunc::new(id, module))
            }
            Found::Nothing | Found::Address(_) => None,
        })
    };
    let found = declared(object, name).and_then(kfunc);
    found.map_err(|trouble: Trouble| trouble.of(program))
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
                module: module.map_or(Ok(0), |of| module_fd(wanted, of))?,
            },
            Found::Address(address) => Ksym::Address(address),
            Found::Nothing => Ksym::Address(0),
        })
    };
    let found = declared(object, name).and_then(address);
    found.map_err(|trouble: Trouble| trouble.of(program))
}

fn module_fd(wanted: &Extern, module: &ModuleBtf) -> Result<RawFd, Trouble> {
    let fd = module.raw_fd();
    fd.map_err(|error| Trouble::with(wanted, error.into()))
}

fn declared<'o>(object: &'o Object, name: &str) -> Result<&'o Extern, Trouble> {
    let found = object.externs.list.iter().find(|of| of.name == name);
    found.ok_or_else(|| {
        Trouble::Problem(
            SymbolKind::Symbol,
            name.to_owned(),
            ExternProblem::Undeclared,
        )
    })
}

fn find<'k>(object: &'k Object, wanted: &Extern) -> Result<Found<'k>, Trouble> {
    let problem = |problem| Trouble::with(wanted, problem);
    let (local, kind) = match wanted.kind {
        ExternKind::Kfunc { proto } => (proto, Kind::Func),
        ExternKind::Ksym {
            type_id: Some(type_id),
        } => (type_id, Kind::Var),
        _ => return untyped(object, wanted).map_err(problem),
    };
    let name = wanted.kernel_name();
    let found = match object.kernel_btf.find(name, kind) {
        Ok(found) => found,
        Err(_) if wanted.weak => None,
        Err(error) => return Err(problem(error.into())),
    };
    let Some(found) = found else {
        if wanted.weak {
            return Ok(Found::Nothing);
        }
        let similar = match object.kernel_btf.running() {
            Ok(btf) => btf.similar("", name, kind),
            Err(_) => Vec::new(),
        };
        return Err(problem(ExternProblem::Missing { similar }));
    };
    let types = match found.module {
        Some(module) => module.btf.types(),
        None => match object.kernel_btf.running() {
            Ok(btf) => btf.types(),
            Err(error) => return Err(problem(error.into())),
        },
    };
    let feature = match found.module {
        None => &features::KFUNC,
        Some(_) => &features::MODULE_KFUNC,
    };
    let there = Found::Btf {
        id: found.id,
        module: found.module,
    };
    let difference = compare(object, local, types, found.id).map_err(problem)?;
    match (difference, kind) {
        (None, Kind::Func) => match feature.require_with(&object.rights) {
            Ok(()) => Ok(there),
            Err(_) if wanted.weak => Ok(Found::Nothing),
            Err(error) => Err(error.into()),
        },
        (None, _) => Ok(there),
        // A function of another type is another function. (So says libbpf; of variables not.)
        (Some(_), Kind::Func) if wanted.weak => Ok(Found::Nothing),
        (Some((declared, actual)), _) => {
            Err(problem(ExternProblem::Different { declared, actual }))
        }
    }
}

/// If a declaration does not fit what the kernel has: both in C.
fn compare(
    object: &Object,
    local: u32,
    types: &Btf<'_>,
    id: u32,
) -> Result<Option<(String, String)>, ExternProblem> {
    let own = object.btf.types.as_ref().map(OwnedBtf::types);
    let own = own.ok_or(ExternProblem::Untyped)?;
    let target = match types
        .get(id)
        .map_err(|error| ExternProblem::Incomparable(error.into()))?
    {
        Type::Func(f) => f.type_id,
        Type::Var(v) => v.type_id,
        _ => id,
    };
    let agree =
        declarations_agree(&own, local, types, target).map_err(ExternProblem::Incomparable)?;
    // Parameters without a name got one for the kernel's sake.
    let declared = || {
        own.type_name(local)
            .replace(" dummy_ksym", "")
            .replace("dummy_ksym", "")
    };
    Ok((!agree).then(|| (declared(), types.type_name(target))))
}

fn untyped<'k>(object: &'k Object, wanted: &Extern) -> Result<Found<'k>, ExternProblem> {
    match object.externs.address(wanted) {
        Ok(Some(address)) => Ok(Found::Address(address)),
        Ok(None) if wanted.weak => Ok(Found::Nothing),
        Ok(None) => Err(ExternProblem::NoAddress),
        Err(problem) => Err(problem),
    }
}
