//! Before optimisation: what stays visible, and everything else free to be inlined.

use std::collections::BTreeSet;

use super::{Job, QUESTION_PREFIX, runtime};
use crate::{
    Code, Diagnostic, Target,
    llvm::{Attr, Function, Global, Machine, Module, Value, linkage},
};

/// eBPF's data layout, as LLVM's target defines it.
const LAYOUT_LITTLE: &str = "e-m:e-p:64:64-i64:64-i128:128-n32:64-S128";

/// The triple to compile for, from what the module was compiled for.
pub(super) fn triple(module: Module, job: &Job) -> Result<String, Vec<Diagnostic>> {
    let triple = module.triple();
    if job.retarget {
        // Sizes of pointers and the order of bytes are already in the code.
        let layout = module.layout();
        if !layout.starts_with("e-") || layout.contains("-p:32") {
            return Err(vec![
                Diagnostic::error(
                    Code::WRONG_TARGET,
                    format!(
                        "code compiled for `{triple}` cannot be turned into eBPF: only 64-bit \
                 little-endian machines are alike enough"
                    ),
                )
                .help(
                    "install the library source (`rustup component add rust-src`) and build for \
                   eBPF itself",
                ),
            ]);
        }
        return as_asked(&triple, Target::Bpfel, job);
    }
    if triple.is_empty() {
        let target = job.target.unwrap_or(Target::HOST);
        return Ok(target.triple().into());
    }
    if !triple.starts_with("bpf") {
        return Err(vec![
            Diagnostic::error(
                Code::WRONG_TARGET,
                format!(
                    "the bitcode was compiled for \
                                                           `{triple}`, not for eBPF"
                ),
            )
            .help(
                "compile with `--target bpfel-unknown-none`, or give `--retarget` to turn host \
                 code into eBPF",
            ),
        ]);
    }
    let target = match triple.split('-').next() {
        Some("bpfel") => Target::Bpfel,
        Some("bpfeb") => Target::Bpfeb,
        // clang's `-target bpf`: for this machine.
        _ => Target::HOST,
    };
    as_asked(&triple, target, job)
}

/// The triple of a target, unless the other one was asked for.
fn as_asked(compiled_for: &str, target: Target, job: &Job) -> Result<String, Vec<Diagnostic>> {
    match job.target.filter(|asked| *asked != target) {
        None => Ok(target.triple().into()),
        Some(asked) => Err(vec![
            Diagnostic::error(Code::BYTE_ORDER, format!(
                "code compiled for `{compiled_for}` cannot be linked for `{asked}`: its bytes are \
                 in the other order",
                asked = asked.triple()
            ))
            .help(format!("compile with `--target {}`", asked.triple())),
        ]),
    }
}

/// Makes code for the host look like code for eBPF.
pub(super) fn retarget(module: Module, machine: Machine) -> Result<(), String> {
    module.set_target(Target::Bpfel.triple(), LAYOUT_LITTLE);
    module.clear_assembly();
    for function in module.functions() {
        // Exceptions cannot happen with panic=abort, but the host's library was compiled to clean
        // up after them.
        function.clear_personality();
        for inst in function.instructions() {
            if inst.is_call() {
                retarget_assembly(module, inst.callee());
            }
        }
    }
    // Host code may hold vectors; eBPF has none, and what LLVM makes of them confuses the verifier.
    module.run_passes(machine, "function(lower-invoke,simplifycfg,scalarizer)")
}

/// Empty assembly (`black_box`, compiler fences) names host registers as clobbered.
fn retarget_assembly(module: Module, callee: Value) {
    let Some((assembly, constraints)) = callee.inline_asm() else {
        return;
    };
    if !assembly.is_empty() {
        // The scan refuses it, with its source line.
        return;
    }
    let kept: Vec<&str> = constraints
        .split(',')
        .filter(|c| !c.starts_with("~{") || *c == "~{memory}")
        .collect();
    let kept = kept.join(",");
    if kept == constraints {
        return;
    }
    for user in callee.users() {
        if let Some(call) = user.as_inst().filter(|inst| inst.is_call()) {
            let asm = module
                .context
                .builder()
                .inline_asm(call.called_type(), &assembly, &kept);
            call.0.set_operand(call.arguments().len() as u32, asm);
        }
    }
}

/// Symbols that rustc exports for its own sake.
fn is_compilers_own(name: &str) -> bool {
    name.starts_with("__rust")
        || name.starts_with("rust_")
        || name.starts_with("llvm.")
        || name.starts_with("DW.ref.")
        // Mangled names are private to Rust, `#[rustc_std_internal_symbol]` included.
        || (name.starts_with("_R") && name.contains("___rustc"))
        || name == "main"
}

/// A section that only says "code".
fn is_plain_code_section(section: &str) -> bool {
    section.is_empty() || section == ".text" || section.starts_with(".text.")
}

/// Decides which symbols stay visible and makes all others local.
pub(super) fn entries(module: Module, job: &Job) -> Result<BTreeSet<String>, Vec<Diagnostic>> {
    resolve_aliases(module);
    let mut entries = BTreeSet::new();
    let mut functions = 0;
    let wanted = |name: &str, local: bool, sectioned: bool| {
        if runtime::provides(name) {
            return false;
        }
        if job.used_elsewhere.contains(name) {
            return true;
        }
        !is_compilers_own(name)
            && match &job.exports {
                Some(list) => list.contains(name),
                // The host's compiler already made local what the program does not export.
                None => !local && (sectioned || job.retarget),
            }
    };
    let is_local = |linkage: i32| linkage == linkage::INTERNAL || linkage == linkage::PRIVATE;
    for function in module.functions() {
        if function.is_declaration() {
            continue;
        }
        if function.linkage() == linkage::AVAILABLE_EXTERNALLY {
            // A copy for inlining only; its original is elsewhere or nowhere.
            function.set_linkage(linkage::INTERNAL);
        }
        let name = function.name();
        let sectioned = !is_plain_code_section(&function.section());
        // rustc exports the panic handler. A program that never returns, since it ends in a panic,
        // has its section.
        let is_program = sectioned || !function.has(Attr::NoReturn);
        if wanted(&name, is_local(function.linkage()), sectioned) && is_program {
            function.remove(Attr::NoReturn);
            function.set_linkage(linkage::EXTERNAL);
            entries.insert(name);
            functions += 1;
        } else {
            function.set_linkage(linkage::INTERNAL);
        }
    }
    for global in module.globals() {
        if global.is_declaration() || global.linkage() == linkage::APPENDING {
            continue;
        }
        let name = global.name();
        let sectioned = !global.section().is_empty();
        if wanted(&name, is_local(global.linkage()), sectioned) {
            global.set_linkage(linkage::EXTERNAL);
            entries.insert(name);
        } else {
            global.set_linkage(linkage::INTERNAL);
        }
    }
    if functions == 0 && job.defined_elsewhere.is_empty() {
        return Err(vec![
            Diagnostic::error(
                Code::NO_PROGRAM,
                "there is no program: no function is exported",
            )
            .help(
                "mark a function as a program with an attribute such as `#[xdp]`, or with \
                 `#[unsafe(no_mangle)]` and a `link_section`",
            ),
        ]);
    }
    Ok(entries)
}

/// Identical functions may have been merged under several names; eBPF objects have no second names.
fn resolve_aliases(module: Module) {
    for (alias, target) in module.aliases() {
        alias.replace_with(target);
        // There is no deletion in LLVM's C interface; a local name that nobody uses is dropped with
        // dead code.
        Global(alias).set_linkage(linkage::INTERNAL);
    }
}

/// Strips what hinders inlining and what belongs to other machines; asks for everything to be
/// inlined.
pub(super) fn attributes(module: Module, entries: &BTreeSet<String>) {
    let cyclic = super::calls::recursive_functions(module);
    for function in module.functions() {
        for key in [
            "target-cpu",
            "target-features",
            "tune-cpu",
            "probe-stack",
            "stack-probe-size",
            "frame-pointer",
        ] {
            function.remove_string(key);
        }
        if function.is_declaration() {
            describe_question(module, function);
            continue;
        }
        if crate::names::demangle(&function.name()).starts_with("core::ptr::align_offset") {
            never_align(function);
        }
        function.use_c_convention();
        // These move functions into sections of their own (`.text.unlikely.`), which loaders
        // refuse.
        function.remove(Attr::Cold);
        function.remove(Attr::Hot);
        function.remove(Attr::OptNone);
        // Code made small keeps loops and tables that the verifier understands less well than plain
        // code.
        function.remove(Attr::OptSize);
        function.remove(Attr::MinSize);
        // eBPF has no jump tables before Linux 6.19, and a value read from a table of constants is
        // unknown to the verifier where a branch would have told it.
        function.add_string(module, "no-jump-tables", "true");
        let entry = entries.contains(&function.name());
        let standalone = entry && is_plain_code_section(&function.section());
        if !standalone {
            // An exported function other than a program is a global function, which the kernel
            // verifies by itself; only there does the author's `#[inline(never)]` mean something.
            function.remove(Attr::NoInline);
        }
        // What is passed to a helper as a callback must stay a function, and a cycle cannot be
        // inlined away.
        if !entry && !function.address_taken() && !cyclic.contains(&function) {
            function.add(module, Attr::AlwaysInline);
        }
        for call in function.calls() {
            call.use_c_convention();
            if !standalone {
                call.call_remove(Attr::NoInline);
            }
        }
    }
}

/// Algorithms of the library that go by whole words ask how far an address is from a multiple of
/// the word's size, and the verifier lets nobody look into an address. The library allows the
/// answer "never", and then they go by bytes.
fn never_align(align_offset: Function) {
    for call in align_offset.calls() {
        call.0.replace_with(call.0.ty().number(u64::MAX));
        call.erase();
    }
}

/// Questions to the kernel are values: asked twice or never, they are the same. Kernel functions
/// are not.
fn describe_question(module: Module, function: Function) {
    let name = function.name();
    let Some(question) = name.strip_prefix(QUESTION_PREFIX) else {
        return;
    };
    // VERSION:KIND:…
    let kind = question.split(':').nth(1).unwrap_or("").trim();
    if matches!(kind, "kfunc" | "kfunc_weak") {
        return;
    }
    // Never `speculatable`: a question behind an existence check must be asked only behind it.
    for attr in [Attr::MemoryNone, Attr::NoUnwind, Attr::WillReturn] {
        function.add(module, attr);
    }
}

/// What makes the name of a symbol different from that of a section. The attribute macros of
/// `hachi-ebpf` put it there themselves where rustc has to emit the symbol first, on the way over
/// the host's target.
const DIFFERENT: &str = ".hachi";

/// LLVM cannot emit a symbol that is called like a section (`fn xdp` in section `xdp`), so such
/// symbols get another name until the object is finished. Returns (name in the object, name
/// wanted).
pub(super) fn avoid_section_names(module: Module) -> Vec<(String, String)> {
    let functions = module.functions();
    let globals = module.globals();
    let sections: BTreeSet<String> = functions
        .iter()
        .map(|f| f.section())
        .chain(globals.iter().map(|g| g.section()))
        .filter(|section| !section.is_empty())
        .collect();
    let mut renames = Vec::new();
    let values = functions
        .iter()
        .filter(|f| !f.is_declaration())
        .map(|f| f.0)
        .chain(globals.iter().map(|g| g.0));
    for value in values {
        let name = value.name();
        if sections.contains(&name) {
            let other = format!("{name}{DIFFERENT}");
            value.set_name(&other);
            // LLVM changes the name further when it is taken.
            renames.push((value.name(), name));
        } else if let Some(wanted) = name
            .strip_suffix(DIFFERENT)
            .filter(|name| sections.contains(*name))
        {
            renames.push((name.clone(), wanted.to_owned()));
        }
    }
    renames
}
