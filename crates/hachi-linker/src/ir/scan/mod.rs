//! What cannot become eBPF, found before LLVM trips over it and told in Rust's terms.

mod calls;
mod code;
mod data;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub(super) use calls::{host_assembly, recursive_functions};
pub(super) use data::forget_pointers;

use super::Job;
use crate::{
    Diagnostic,
    llvm::{Function, Inst, Module},
};

/// More of the same sort help nobody.
const MAX_OF_A_KIND: usize = 8;

/// Sorts of findings: of each, one is reported for each function of the user's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Formatting,
    IndirectCall,
    Recursion,
    Arguments,
    Return,
    Undefined,
    Float,
    Atomic,
    Data,
    Assembly,
    Other,
}

/// Findings as they come in.
#[derive(Default)]
struct Findings {
    list: Vec<Diagnostic>,
    seen: BTreeSet<(Kind, Option<String>, String)>,
    count: BTreeMap<Kind, usize>,
}

impl Findings {
    /// Adds one about an instruction, unless the same was already said about the same function.
    fn add(&mut self, kind: Kind, inst: Inst, d: Diagnostic) {
        let d = inst.chain().locate(d);
        let d = match d.function {
            Some(_) => d,
            None => d.in_function(crate::names::demangle(&inst.function().name())),
        };
        self.push(kind, d);
    }

    /// Adds one about library code that stands by itself: the place to look at is where the user's
    /// code leads there.
    fn add_leading_to(&mut self, kind: Kind, inst: Inst, d: Diagnostic) {
        let place = first_users_code(inst).unwrap_or(inst);
        self.add(kind, place, d);
    }

    /// Adds that the user's code leads to `core::fmt`, of which this is a part. It calls through
    /// pointers, recurses and reads tables of references: one mistake, told once.
    fn add_formatting(&mut self, inst: Inst) {
        let d = Diagnostic::error("formatting with `core::fmt` cannot work in eBPF: it calls through pointers and recurses")
            .help("use the logging macros (`info!`, …), which format in user space");
        self.add_leading_to(Kind::Formatting, inst, d);
    }

    /// Adds one about a whole function.
    fn add_function(&mut self, kind: Kind, function: Function, d: Diagnostic) {
        let mut d = d.in_function(crate::names::demangle(&function.name()));
        d.location = function.definition();
        self.push(kind, d);
    }

    fn push(&mut self, kind: Kind, d: Diagnostic) {
        let key = (kind, d.function.clone(), d.message.clone());
        if !self.seen.insert(key) {
            return;
        }
        let count = self.count.entry(kind).or_default();
        *count += 1;
        if *count <= MAX_OF_A_KIND {
            self.list.push(d);
        }
    }
}

/// Goes from an instruction back over callers, and over whoever names the function or a table that
/// it is in, to the first instruction of the user's own.
fn first_users_code(inst: Inst) -> Option<Inst> {
    let mut seen = BTreeSet::new();
    let mut open = VecDeque::from([inst.0]);
    while let Some(value) = open.pop_front() {
        if !seen.insert(value) {
            continue;
        }
        if let Some(inst) = value.as_inst() {
            if inst.chain().0.iter().any(|loc| !loc.in_library()) {
                return Some(inst);
            }
            open.push_back(inst.function().0);
        } else {
            open.extend(value.users());
        }
    }
    None
}

/// Looks at the whole program as it is about to be turned into machine code.
pub(super) fn scan(module: Module, job: &Job) -> Vec<Diagnostic> {
    let mut findings = Findings::default();
    calls::recursion(module, &mut findings);
    for function in module.functions() {
        if function.is_declaration() {
            continue;
        }
        calls::signature(function, &mut findings);
        for inst in function.instructions() {
            calls::call(inst, job, &mut findings);
            code::instruction(inst, job, &mut findings);
        }
    }
    data::pointers(module, &mut findings);
    data::undefined(module, job, &mut findings);
    findings.list
}
