//! Panics: first markers, then ways out.
//!
//! A panic ends in a call that never returns, and the kernel has nothing of the kind. Before
//! optimisation each such call becomes a marker with a number for an argument, which lets LLVM drop
//! messages and `Location`s. After inlining, a marker in a program is "return the
//! abort value"; one in a callback is "stop calling me".

use std::collections::BTreeSet;

use super::QUESTION_PREFIX;
use crate::{
    Code, Diagnostic, Panics,
    llvm::{Attr, Chain, Function, Inst, Module, Op, TypeKind, Value},
    names,
};

/// Name of the marker.
const MARKER: &str = "__hachi_abort";

/// The kernel's own way to end a program from anywhere (Linux 6.7), for functions that are verified
/// by themselves.
const THROW: &str = "hachi:1:kfunc:bpf_throw:fn(u64)";

/// What is remembered about a call that was replaced.
struct Site {
    /// What it called, demangled.
    callee: String,
    chain: Chain,
}

/// What became of the markers of one module.
#[derive(Default)]
pub(super) struct Aborts {
    sites: Vec<Site>,
    lowered: u64,
    complaints: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

/// Replaces every direct call that never returns by a marker, which carries its number among the
/// sites that are returned.
fn mark(module: Module) -> Vec<Site> {
    let context = module.context;
    let number_type = context.int_type(32);
    let marker = module.declare(MARKER, context.void_type().function(&[number_type]));
    let mut sites = Vec::new();
    for attr in [Attr::NoReturn, Attr::NoUnwind, Attr::Cold] {
        marker.add(module, attr);
    }
    let builder = context.builder();
    for function in module.functions() {
        for inst in function.instructions() {
            if inst.op() != Op::CALL {
                continue;
            }
            let Some(callee) = inst.called_function() else {
                continue;
            };
            let returns = !inst.call_has(Attr::NoReturn) && !callee.has(Attr::NoReturn);
            // Who throws by the kernel's function is taken at their word.
            if callee == marker || returns || callee.name().starts_with(QUESTION_PREFIX) {
                continue;
            }
            // What the author wrote may do something before it panics.
            if !callee.is_declaration() && !is_the_compilers(&names::demangle(&callee.name())) {
                continue;
            }
            let number = number_type.number(sites.len() as u64);
            sites.push(Site {
                callee: names::demangle(&callee.name()),
                chain: inst.chain(),
            });
            builder.before(inst).call(marker.ty(), marker.0, &[number]);
            // Its result, if it has one, is never looked at.
            if inst.0.is_used() {
                inst.0.replace_with(inst.0.ty().undef());
            }
            inst.erase();
        }
    }
    sites
}

impl Aborts {
    /// Replaces every direct call that never returns.
    pub(super) fn mark(module: Module) -> Self {
        Aborts {
            sites: mark(module),
            ..Aborts::default()
        }
    }

    /// Finds the places that can panic: those whose markers optimisation has left.
    pub(super) fn find_panics(&mut self, module: Module, how: Panics) {
        let sites = std::mem::take(&mut self.sites);
        let marker = module.function(MARKER).filter(|_| how != Panics::Allow);
        for call in marker.into_iter().flat_map(Function::calls) {
            let number = call.arguments().first().and_then(|number| number.as_u64());
            let site = number.and_then(|number| sites.get(number as usize));
            self.tell(call, site, how);
        }
    }

    /// Tells of one place that can panic, once.
    fn tell(&mut self, call: Inst, site: Option<&Site>, how: Panics) {
        let callee = site.map_or("", |site| site.callee.as_str());
        if how == Panics::Warn && is_overflow(callee) {
            return;
        }
        let mut chain = call.chain();
        if let Some(site) = site.filter(|_| chain.0.is_empty()) {
            chain = site.chain.clone();
        }
        // The copies of an inlined function are one place.
        let (reason, way_out) = reason(callee);
        let message = format!("this can panic: {reason}");
        let list = match how {
            Panics::Deny => &mut self.complaints,
            _ => &mut self.warnings,
        };
        let d = match how {
            Panics::Deny => Diagnostic::error(Code::MAY_PANIC, message).help(format!(
                "{way_out}; or link without `--panics=deny`, and the program ends there"
            )),
            _ => Diagnostic::warning(Code::MAY_PANIC, message)
                .note("the program ends there with the value of an aborted one")
                .help(way_out),
        };
        let d = chain.locate(d);
        let known = |other: &Diagnostic| other.headline == d.headline && other.primary == d.primary;
        if !list.iter().any(known) {
            list.push(d);
        }
    }

    /// Turns the markers that are left, and other ends of the world, into returns.
    pub(super) fn lower(&mut self, module: Module, entries: &BTreeSet<String>) {
        // Whatever never returns, the kernel wants to see an end behind it.
        if let Some(throw) = module.function(THROW) {
            throw.remove(Attr::NoReturn);
            for call in throw.calls() {
                call.call_remove(Attr::NoReturn);
            }
        }
        // Gone when nothing can panic.
        let declared = module.function(MARKER);
        for function in module.functions() {
            if function.is_declaration() {
                continue;
            }
            for block in function.blocks() {
                let Some(end) = block.terminator().filter(|end| end.op() == Op::UNREACHABLE) else {
                    continue;
                };
                let instructions = block.instructions();
                if instructions.len() == 1 {
                    // Where a `match` goes when no arm fits. LLVM leaves the way there out.
                    continue;
                }
                let marker = instructions
                    .into_iter()
                    .find(|inst| inst.is_call() && declared.is_some_and(|m| inst.callee() == m.0));
                let way = way_out(function, entries);
                let Some(marker) = marker else {
                    // Control never comes here, LLVM says. The block must end in something
                    // nevertheless.
                    let value = match way {
                        WayOut::Value(value) => value,
                        WayOut::Throw => 0,
                    };
                    leave(module, function, WayOut::Value(value), end);
                    continue;
                };
                self.lowered += 1;
                if matches!(way, WayOut::Throw) {
                    self.warn_of_throw(function);
                }
                leave(module, function, way, marker);
            }
        }
        if let Some(marker) = declared {
            // Without an end behind it a marker says nothing.
            for call in marker.calls() {
                call.erase();
            }
            marker.delete();
        }
    }

    fn warn_of_throw(&mut self, function: Function) {
        let mut d = Diagnostic::warning(
            Code::PANIC_IN_GLOBAL_FUNCTION,
            "a panic in this global function calls `bpf_throw`, which needs Linux 6.7, a \
             GPL-compatible licence, and a kind of program that may call it",
        )
        .in_function(names::demangle(&function.name()))
        .help(
            "let the function be inlined (drop `#[inline(never)]` or the export), or keep it from \
             panicking",
        );
        d.primary = function.definition();
        if !self.warnings.contains(&d) {
            self.warnings.push(d);
        }
    }

    /// Where panics are denied: what can panic.
    pub(super) fn complaints(&mut self) -> Vec<Diagnostic> {
        std::mem::take(&mut self.complaints)
    }

    /// What the author should know about panics and the ways out.
    pub(super) fn warnings(&mut self) -> Vec<Diagnostic> {
        std::mem::take(&mut self.warnings)
    }

    /// How many ways out were made.
    pub(super) fn lowered(&self) -> u64 {
        self.lowered
    }
}

/// How to leave a function for good.
enum WayOut {
    /// Return this.
    Value(u64),
    /// Have the kernel unwind the program.
    Throw,
}

/// Replaces `from` and everything behind it in its block.
fn leave(module: Module, function: Function, way: WayOut, from: Inst) {
    let context = module.context;
    let builder = context.builder().before(from);
    let result = function.ty().return_type();
    let value = match way {
        WayOut::Value(value) => value,
        WayOut::Throw => {
            let i64_type = context.int_type(64);
            let ty = context.void_type().function(&[i64_type]);
            let throw = module.declare(THROW, ty);
            builder.call(ty, throw.0, &[i64_type.number(0)]);
            0
        }
    };
    let value: Option<Value> = match result.kind() {
        TypeKind::Void => None,
        TypeKind::Int(_) => Some(result.number(value)),
        _ => Some(result.zero()),
    };
    builder.ret(value);
    let mut next = Some(from);
    while let Some(inst) = next {
        next = inst.next();
        inst.erase();
    }
}

fn way_out(function: Function, entries: &BTreeSet<String>) -> WayOut {
    let section = function.section();
    if entries.contains(&function.name()) && !section.is_empty() && !section.starts_with(".text") {
        return WayOut::Value(abort_value(&section));
    }
    if function.address_taken() {
        return WayOut::Value(callback_stop(function));
    }
    WayOut::Throw
}

/// What a program returns when it cannot go on: 0, which every kind accepts and which for most
/// means "drop", "deny" or "aborted", except where the kernel insists on 1.
fn abort_value(section: &str) -> u64 {
    let only_one = ["recvmsg", "getpeername", "getsockname"];
    let insists = section
        .strip_prefix("cgroup/")
        .is_some_and(|rest| only_one.iter().any(|kind| rest.starts_with(kind)));
    u64::from(insists)
}

/// The value with which a callback ends the iteration it is called from. bpf_for_each_map_elem,
/// bpf_find_vma, bpf_loop and bpf_user_ringbuf_drain take 1 for that; other callbacks must return
/// 0.
fn callback_stop(function: Function) -> u64 {
    let helpers: Vec<u64> = function
        .0
        .users()
        .into_iter()
        .filter_map(Value::as_inst)
        .filter(|inst| inst.is_call() && inst.callee().is_helper_number())
        .filter_map(|inst| inst.callee().strip_casts().operand(0).as_u64())
        .collect();
    let all = |ids: &[u64]| !helpers.is_empty() && helpers.iter().all(|id| ids.contains(id));
    u64::from(all(&[164, 180, 181, 209]))
}

/// Is it a function of the Rust library, or the panic handler?
fn is_the_compilers(callee: &str) -> bool {
    names::is_of_library(callee) || callee.contains("rust_begin_unwind")
}

/// Is it a check that `overflow-checks` asks for?
fn is_overflow(callee: &str) -> bool {
    let last = callee.rsplit("::").next().unwrap_or(callee);
    last.starts_with("panic_const_")
        && last.ends_with("_overflow")
        && !last.contains("_div_")
        && !last.contains("_rem_")
}

/// A panic function's meaning in words, and what to write instead.
fn reason(callee: &str) -> (&'static str, &'static str) {
    let last = callee.rsplit("::").next().unwrap_or(callee);
    match last {
        "panic_bounds_check" => (
            "an index may be out of bounds",
            "use `get(index)`, or mask the index (`index & (LEN - 1)` for a length that is a \
             power of two), so that the bound is known here",
        ),
        _ if is_overflow(callee) => (
            "arithmetic may overflow",
            "use `wrapping_…`, `saturating_…` or `checked_…`",
        ),
        "panic_const_div_by_zero" | "panic_const_rem_by_zero" => (
            "a divisor may be zero",
            "use `checked_div` or `checked_rem`, or return early when it is zero",
        ),
        "panic_const_div_overflow" | "panic_const_rem_overflow" => (
            "a division may overflow",
            "use `checked_div`, `wrapping_div` or the like",
        ),
        "unwrap_failed" | "expect_failed" => (
            "`unwrap` or `expect` may meet `None` or `Err`",
            "handle the other case: `let Some(value) = … else { return … }`, `?` or `unwrap_or(…)`",
        ),
        "panic" | "panic_fmt" | "panic_display" | "panic_explicit"
            if callee.contains("panicking") =>
        {
            (
                "an assertion, `panic!`, `todo!` or the like",
                "return early instead (`let … else`, `?`); the message goes nowhere, so log it \
                 with `error!`",
            )
        }
        "len_mismatch_fail" => (
            "slices may differ in length",
            "give both the same constant length (`first_chunk`, arrays)",
        ),
        _ if last.starts_with("slice_") => (
            "a slice's range may be out of bounds",
            "use `get(range)`, or `first_chunk` and patterns for constant lengths",
        ),
        _ => (
            "a call that never returns",
            "return early instead of calling it",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abort_values() {
        for section in [
            "xdp",
            "tc",
            "cgroup/connect4",
            "tracepoint/a/b",
            "cgroup_skb/ingress",
        ] {
            assert_eq!(abort_value(section), 0, "{section}");
        }
        for section in [
            "cgroup/recvmsg4",
            "cgroup/getsockname6",
            "cgroup/getpeername_unix",
        ] {
            assert_eq!(abort_value(section), 1, "{section}");
        }
    }

    #[test]
    fn reasons() {
        assert!(
            reason("core::panicking::panic_bounds_check")
                .0
                .contains("out of bounds")
        );
        assert!(
            reason("core::slice::index::slice_end_index_len_fail")
                .0
                .contains("range")
        );
        assert!(reason("a::die").0.contains("never returns"));
    }
}
