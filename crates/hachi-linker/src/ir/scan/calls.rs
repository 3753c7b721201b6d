//! Calls that eBPF cannot make.

use super::Findings;
use crate::{
    Code, Diagnostic,
    ir::{Job, QUESTION_PREFIX, calls::Graph},
    llvm::{Const, Function, Inst, Module, Op, Type, TypeKind},
    names,
};

/// Registers that carry arguments.
const MAX_ARGUMENTS: u32 = 5;

/// Registers that a value of this type takes as an argument.
fn registers(ty: Type) -> u32 {
    match ty.kind() {
        TypeKind::Int(bits) => bits.div_ceil(64),
        _ => 1,
    }
}

/// Functions that are still functions must have signatures that the machine knows.
pub(super) fn signature(function: Function, findings: &mut Findings) {
    let count: u32 = (0..function.param_count())
        .map(|i| registers(function.param(i).ty()))
        .sum();
    if count > MAX_ARGUMENTS {
        findings.add_function(
            function,
            Diagnostic::error(
                Code::TOO_MANY_ARGUMENTS,
                format!(
                    "this function takes {count} arguments, but eBPF passes at most {MAX_ARGUMENTS}"
                ),
            )
            .help(
                "pass a reference to a struct, or let the function be inlined (do not pass its \
                 address)",
            ),
        );
    }
    let result = function.ty().return_type();
    let what = match result.kind() {
        _ if function.returns_through_memory() => Some("more than one value"),
        TypeKind::Aggregate | TypeKind::Vector => Some("more than one value"),
        TypeKind::Int(bits) if bits > 64 => Some("an integer of more than 64 bits"),
        TypeKind::Float => Some("a floating-point number"),
        _ => None,
    };
    if let Some(what) = what {
        findings.add_function(
            function,
            Diagnostic::error(
                Code::VALUE_RETURNED,
                format!(
                    "this function returns {what}, but eBPF functions return one integer or pointer"
                ),
            )
            .help("let it write its result through a `&mut` parameter"),
        );
    }
}

/// One call.
pub(super) fn call(inst: Inst, job: &Job, findings: &mut Findings) {
    match inst.op() {
        Op::CALL => {}
        Op::INVOKE => {
            findings.add(
                inst,
                Diagnostic::error(Code::UNWINDING, "this call may unwind, which eBPF cannot")
                    .help("compile with `panic = \"abort\"`"),
            );
            return;
        }
        _ => return,
    }
    let callee = inst.callee();
    match callee.strip_casts().constant_kind() {
        Const::Function => {
            let callee = Function(callee.strip_casts());
            if callee.is_intrinsic() {
                return;
            }
            if callee.is_declaration() {
                undefined(inst, callee, job, findings);
            }
        }
        Const::InlineAsm => return,
        _ if callee.is_helper_number() => {}
        _ => {
            indirect(inst, findings);
            return;
        }
    }
    let count: u32 = inst
        .arguments()
        .into_iter()
        .map(|arg| registers(arg.ty()))
        .sum();
    // A function with a body has been looked at by its signature.
    if count > MAX_ARGUMENTS
        && inst
            .called_function()
            .is_none_or(|function| function.is_declaration())
    {
        findings.add(
            inst,
            Diagnostic::error(
                Code::TOO_MANY_ARGUMENTS,
                format!(
                    "this call passes {count} arguments, but eBPF passes at most {MAX_ARGUMENTS}"
                ),
            )
            .help("no helper or kernel function takes more: look its signature up again"),
        );
    }
}

/// Assembly in code that was compiled for the host. To be asked before we put in some of our own.
pub(in crate::ir) fn host_assembly(module: Module) -> Vec<Diagnostic> {
    let mut findings = Findings::default();
    for function in module.functions() {
        for inst in function.instructions() {
            let assembly = inst.is_call().then(|| inst.callee().inline_asm()).flatten();
            if assembly.is_some_and(|(text, _)| !text.trim().is_empty()) {
                findings.add(
                    inst,
                    Diagnostic::error(
                        Code::FOREIGN_ASSEMBLY,
                        "this holds assembly for another machine",
                    )
                    .help(
                        "gate it with `#[cfg]`, or build for eBPF itself (`rustup component add \
                         rust-src`)",
                    ),
                );
            }
        }
    }
    findings.list
}

fn undefined(inst: Inst, callee: Function, job: &Job, findings: &mut Findings) {
    let symbol = callee.name();
    if symbol.starts_with(QUESTION_PREFIX) || job.defined_elsewhere.contains(&symbol) {
        return;
    }
    let d = Diagnostic::error(
        Code::UNDEFINED_SYMBOL,
        format!(
            "call of `{}`, which is defined nowhere",
            names::demangle(&symbol)
        ),
    );
    let d = if symbol.starts_with("bpf_") {
        d.help(
            "helper functions of the kernel are called through `hachi_ebpf::helpers`, not by \
                declaring them `extern`",
        )
    } else if symbol.contains("alloc") || symbol.contains("__rust") {
        d.help("eBPF programs have no heap: use arrays, maps, or a per-CPU array as scratch space")
    } else {
        d.help("link the object or library that defines it")
    };
    findings.add(inst, d);
}

fn indirect(inst: Inst, findings: &mut Findings) {
    if is_formatting(inst) {
        findings.add_formatting(inst);
        return;
    }
    // A virtual call loads its target from the vtable.
    let loaded = inst.callee().as_inst().is_some_and(|i| i.op() == Op::LOAD);
    let d = if loaded {
        Diagnostic::error(
            Code::INDIRECT_CALL,
            "call through a pointer read from memory (a `dyn` method or a function pointer), \
             which eBPF cannot make",
        )
    } else {
        Diagnostic::error(
            Code::INDIRECT_CALL,
            "call through a function pointer, which eBPF cannot make",
        )
    };
    findings.add(
        inst,
        d.help(
            "use generics (`impl Trait`) or a `match` over an enum, so that the target is \
                known when compiling",
        ),
    );
}

/// Is it part of `core::fmt`, or of what that was inlined into?
pub(super) fn is_formatting(inst: Inst) -> bool {
    let chain = inst.chain();
    chain.passes_through("core::fmt::") || chain.passes_through("fmt::Formatter")
}

/// Cycles that optimisation did not turn into loops.
pub(super) fn recursion(module: Module, findings: &mut Findings) {
    for cycle in Graph::new(module).cycles() {
        // Part of the way may have been inlined.
        let names: Vec<String> = cycle
            .iter()
            .flat_map(|(function, call)| {
                let mut way: Vec<String> = call
                    .chain()
                    .0
                    .into_iter()
                    .rev()
                    .filter_map(|loc| loc.function)
                    .collect();
                if way.is_empty() {
                    way.push(names::demangle(&function.name()));
                }
                way
            })
            .collect();
        let Some((_, call)) = cycle.first() else {
            continue;
        };
        if names.iter().any(|name| name.contains("core::fmt")) {
            findings.add_formatting(*call);
            continue;
        }
        let mut way = names.clone();
        way.extend(names.first().cloned());
        let d = Diagnostic::error(
            Code::RECURSION,
            format!(
                "recursion, which eBPF does not allow: `{}`",
                way.join("` calls `")
            ),
        )
        .help("use a loop, with an array as stack if need be");
        findings.add(*call, d);
    }
}
