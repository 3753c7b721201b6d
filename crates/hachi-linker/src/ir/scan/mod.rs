//! What cannot become eBPF, found before LLVM trips over it and told in Rust's terms.

mod calls;
mod code;
mod data;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub(super) use calls::host_assembly;
pub(super) use data::forget_pointers;

use super::Job;
use crate::{
    Code, Diagnostic,
    llvm::{Function, Inst, Module},
};

/// More findings of one code help nobody.
const MAX_OF_A_CODE: usize = 8;

/// Findings as they come in: of each code, one for each function of the user's.
#[derive(Default)]
struct Findings {
    list: Vec<Diagnostic>,
    seen: BTreeSet<(Option<Code>, Option<String>, String)>,
    count: BTreeMap<Option<Code>, usize>,
}

impl Findings {
    /// Adds one about an instruction, unless the same was already said about the same function.
    fn add(&mut self, inst: Inst, d: Diagnostic) {
        let d = inst.chain().locate(d);
        let d = match d.function {
            Some(_) => d,
            None => d.in_function(crate::names::demangle(&inst.function().name())),
        };
        self.push(d);
    }

    /// Adds one about library code that stands by itself: the place to look at is where the user's
    /// code leads there.
    fn add_leading_to(&mut self, inst: Inst, d: Diagnostic) {
        let place = first_users_code(inst).unwrap_or(inst);
        self.add(place, d);
    }

    /// Adds that the user's code leads to `core::fmt`, of which this is a part. It calls through
    /// pointers, recurses and reads tables of references: one mistake, told once.
    fn add_formatting(&mut self, inst: Inst) {
        let d = Diagnostic::error(
            Code::CORE_FMT,
            "formatting with `core::fmt` cannot work in \
                                                   eBPF: it calls through pointers and recurses",
        )
        .help("use the logging macros (`info!`, …), which format in user space");
        self.add_leading_to(inst, d);
    }

    /// Adds one about a whole function.
    fn add_function(&mut self, function: Function, d: Diagnostic) {
        let mut d = d.in_function(crate::names::demangle(&function.name()));
        d.primary = function.definition();
        self.push(d);
    }

    fn push(&mut self, d: Diagnostic) {
        let key = (d.code, d.function.clone(), d.headline.clone());
        if !self.seen.insert(key) {
            return;
        }
        let count = self.count.entry(d.code).or_default();
        *count += 1;
        if *count <= MAX_OF_A_CODE {
            self.list.push(d);
        }
    }
}

/// Goes from an instruction back over callers, and over what names the function or a table that
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
