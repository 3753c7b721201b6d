//! One module out of all bitcode inputs.

use std::collections::BTreeSet;

use super::Job;
use crate::{
    Code, Diagnostic,
    llvm::{self, Context, Module, linkage},
};

fn is_big_endian(module: Module) -> bool {
    module.layout().starts_with('E')
}

/// Reads and joins everything, pulling in those archive members that define what is still
/// undefined.
pub(super) fn read(context: Context, job: &Job) -> Result<Module, Vec<Diagnostic>> {
    // Everything is moved into a module of its own, even if there is only one: so LLVM reads only
    // the functions that somebody needs. Of a program's library that is one in twenty.
    let whole = context.empty_module();
    let add = |name: &str, module: Module| {
        // rustc leaves layouts unset in modules without code.
        if module.triple().is_empty() {
            module.set_target(&whole.triple(), &whole.layout());
        }
        if whole.triple().is_empty() {
            whole.set_target(&module.triple(), &module.layout());
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
        keep_wanted(module, job);
        whole.link(module).map_err(|message| {
            vec![Diagnostic::error(
                Code::INPUT_CONFLICT,
                format!("cannot link `{name}`: {message}"),
            )]
        })
    };
    for (name, data) in &job.modules {
        let module = context
            .read_bitcode(data, name)
            .map_err(|message| unreadable(name, &message))?;
        add(name, module)?;
    }

    let mut members = Vec::new();
    for (name, data) in job.archives.iter().flatten() {
        let module = context
            .read_bitcode(data, name)
            .map_err(|message| unreadable(name, &message))?;
        members.push((name, module, defined(module)));
    }
    // An archive alone is linked whole: there is nothing yet that could need a member.
    if job.modules.is_empty() {
        for (name, module, _) in members.drain(..) {
            add(name, module)?;
        }
    }
    loop {
        let wanted = undefined(whole);
        let Some(index) = members
            .iter()
            .position(|(_, _, defined)| !defined.is_disjoint(&wanted))
        else {
            break;
        };
        let (name, module, _) = members.swap_remove(index);
        add(name, module)?;
    }
    for (_, module, _) in members {
        module.dispose();
    }
    Ok(whole)
}

/// Makes visible what has to stay even if nothing else in the module needs it; LLVM leaves out
/// local symbols that nobody needs.
fn keep_wanted(module: Module, job: &Job) {
    let is_wanted = |name: &str| job.used_elsewhere.contains(name);
    for function in module.functions() {
        if !function.is_declaration() && is_wanted(&function.name()) {
            function.set_linkage(linkage::EXTERNAL);
        }
    }
    for global in module.globals() {
        if !global.is_declaration() && is_wanted(&global.name()) {
            global.set_linkage(linkage::EXTERNAL);
        }
    }
}

fn unreadable(name: &str, message: &str) -> Vec<Diagnostic> {
    let (major, minor, patch) = llvm::version();
    vec![
        Diagnostic::error(
            Code::INPUT_MALFORMED,
            format!("cannot read the bitcode in `{name}`: {message}"),
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
