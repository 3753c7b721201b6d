//! One module out of all bitcode inputs.

use std::collections::BTreeSet;

use super::Job;
use crate::{
    Code, Diagnostic,
    llvm::{self, Context, Module},
};

fn is_big_endian(module: Module) -> bool {
    module.layout().starts_with('E')
}

/// Reads and joins everything, pulling in those archive members that define what is still
/// undefined.
pub(super) fn read(context: Context, job: &Job) -> Result<Module, Vec<Diagnostic>> {
    let mut all: Option<Module> = None;
    let mut add = |name: &str, module: Module| match all {
        None => {
            all = Some(module);
            Ok(module)
        }
        Some(whole) => {
            // rustc leaves layouts unset in modules without code.
            if module.triple().is_empty() {
                module.set_target(&whole.triple(), &whole.layout());
            }
            // LLVM would only warn.
            if is_big_endian(whole) != is_big_endian(module) {
                return Err(vec![Diagnostic::error(
                    Code::BYTE_ORDER,
                    format!(
                        "cannot link `{name}`, which was compiled for `{}`, with code for `{}`: \
                         their bytes are in different orders",
                        module.triple(),
                        whole.triple()
                    ),
                )]);
            }
            whole.link(module).map(|()| whole).map_err(|message| {
                vec![Diagnostic::error(
                    Code::INPUT_CONFLICT,
                    format!("cannot link `{name}`: {message}"),
                )]
            })
        }
    };
    for (name, data) in &job.modules {
        let module = context
            .read_bitcode(data, name, false)
            .map_err(|message| unreadable(name, &message))?;
        add(name, module)?;
    }

    let mut members = Vec::new();
    for (name, data) in job.archives.iter().flatten() {
        let module = context
            .read_bitcode(data, name, true)
            .map_err(|message| unreadable(name, &message))?;
        members.push((name, module, defined(module)));
    }
    // An archive alone is linked whole: there is nothing yet that could need a member.
    if job.modules.is_empty() {
        for (name, module, _) in members.drain(..) {
            add(name, module)?;
        }
    }
    let Some(whole) = all else {
        return Ok(context.empty_module());
    };
    loop {
        let wanted = undefined(whole);
        let Some(index) = members
            .iter()
            .position(|(_, _, defined)| !defined.is_disjoint(&wanted))
        else {
            break;
        };
        let (name, module, _) = members.swap_remove(index);
        whole.link(module).map_err(|message| {
            vec![Diagnostic::error(
                Code::INPUT_CONFLICT,
                format!("cannot link `{name}`: {message}"),
            )]
        })?;
    }
    for (_, module, _) in members {
        module.dispose();
    }
    Ok(whole)
}

fn unreadable(name: &str, message: &str) -> Vec<Diagnostic> {
    let (major, minor, patch) = llvm::version();
    vec![
        Diagnostic::error(
            Code::INPUT_MALFORMED,
            format!(
                "cannot read the bitcode in `{name}`: \
                                                          {message}"
            ),
        )
        .note(format!("LLVM {major}.{minor}.{patch} is in use"))
        .help(
            "bitcode is read only by an LLVM at least as new as the compiler's own; name \
                   that with `HACHI_LLVM` or `--llvm`",
        ),
    ]
}

fn defined(module: Module) -> BTreeSet<String> {
    let functions = module.functions().into_iter();
    let globals = module.globals().into_iter();
    functions
        .filter(|f| !f.is_declaration())
        .map(|f| f.name())
        .chain(globals.filter(|g| !g.is_declaration()).map(|g| g.name()))
        .collect()
}

fn undefined(module: Module) -> BTreeSet<String> {
    let functions = module.functions().into_iter();
    let globals = module.globals().into_iter();
    functions
        .filter(|f| f.is_declaration() && !f.is_intrinsic())
        .map(|f| f.name())
        .chain(globals.filter(|g| g.is_declaration()).map(|g| g.name()))
        .collect()
}
