//! Panics: first markers, then ways out.
//!
//! A panic ends in a call that never returns, and the kernel has nothing of the kind. Before optimisation each such call
//! becomes a marker without arguments, which lets LLVM drop messages and `Location`s and merge all ways to fail. After
//! inlining, a marker in a program is "return the abort value"; one in a callback is "stop calling me".

use std::collections::BTreeSet;

use super::{QUESTION_PREFIX, prepare::is_helper_number};
use crate::{
    Diagnostic,
    llvm::{Attr, Chain, Function, Inst, Module, Op, TypeKind, Value},
    names,
};

/// Name of the marker.
const MARKER: &str = "__hachi_abort";

/// The kernel's own way to end a program from anywhere (Linux 6.7), for functions that are verified by themselves.
const THROW: &str = "hachi:1:kfunc:bpf_throw:fn(u64)";

/// What is remembered about a call that was replaced.
struct Site {
    /// What it called, demangled.
    callee: String,
    chain: Chain,
}

/// The markers of one module.
pub(super) struct Aborts {
    /// With strict panics, what each marker's number stands for. Else empty: markers carry no number, so that LLVM can
    /// merge them.
    sites: Vec<Site>,
    strict: bool,
    lowered: u64,
    complaints: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

impl Aborts {
    /// Replaces every direct call that never returns.
    pub(super) fn mark(module: Module, strict: bool) -> Self {
        let context = module.context;
        let params = if strict {
            vec![context.int_type(32)]
        } else {
            Vec::new()
        };
        let marker = module.declare(MARKER, context.void_type().function(&params));
        for attr in [Attr::NoReturn, Attr::NoUnwind, Attr::Cold] {
            marker.add(module, attr);
        }
        let mut aborts = Aborts {
            sites: Vec::new(),
            strict,
            lowered: 0,
            complaints: Vec::new(),
            warnings: Vec::new(),
        };
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
                let mut args = Vec::new();
                if strict {
                    args.push(context.int_type(32).number(aborts.sites.len() as u64));
                    aborts.sites.push(Site {
                        callee: names::demangle(&callee.name()),
                        chain: inst.chain(),
                    });
                }
                builder.before(inst).call(marker.ty(), marker.0, &args);
                // Its result, if it has one, is never looked at.
                if inst.0.is_used() {
                    inst.0.replace_with(inst.0.ty().undef());
                }
                inst.erase();
            }
        }
        aborts
    }

    /// Turns the markers that are left, and other ends of the world, into returns.
    pub(super) fn lower(&mut self, module: Module, entries: &BTreeSet<String>) {
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
                    // Control never comes here, LLVM says. The block must end in something nevertheless.
                    let value = match way {
                        WayOut::Value(value) => value,
                        WayOut::Throw => 0,
                    };
                    leave(module, function, WayOut::Value(value), end);
                    continue;
                };
                self.lowered += 1;
                if self.strict {
                    self.complain(marker);
                }
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
            "a panic in this global function calls `bpf_throw`, which needs Linux 6.7, a GPL-compatible licence, and a kind of program that may call it",
        )
        .in_function(names::demangle(&function.name()))
        .help("let the function be inlined (drop `#[inline(never)]` or the export), or keep it from panicking");
        d.location = function.definition();
        if !self.warnings.contains(&d) {
            self.warnings.push(d);
        }
    }

    fn complain(&mut self, marker: Inst) {
        let site = marker
            .arguments()
            .first()
            .and_then(|number| number.as_u64())
            .and_then(|number| self.sites.get(number as usize));
        let mut chain = marker.chain();
        let mut what = "this can panic".to_owned();
        if let Some(site) = site {
            what = format!("this can panic: {}", reason(&site.callee));
            if chain.0.is_empty() {
                chain = site.chain.clone();
            }
        }
        let d = chain.locate(Diagnostic::error(what)).help(
            "handle the case with `checked_…`, `wrapping_…`, `get(…)` or a `match`; or link without `--strict-panics`, which ends the program there",
        );
        if !self.complaints.contains(&d) {
            self.complaints.push(d);
        }
    }

    /// With strict panics: what is still there. To be asked after [`Aborts::lower`].
    pub(super) fn complaints(&mut self) -> Vec<Diagnostic> {
        std::mem::take(&mut self.complaints)
    }

    /// What the author should know about the ways out.
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

/// What a program returns when it cannot go on: 0, which every kind accepts and which for most means "drop", "deny" or
/// "aborted", except where the kernel insists on 1.
fn abort_value(section: &str) -> u64 {
    let only_one = ["recvmsg", "getpeername", "getsockname"];
    let insists = section
        .strip_prefix("cgroup/")
        .is_some_and(|rest| only_one.iter().any(|kind| rest.starts_with(kind)));
    u64::from(insists)
}

/// The value with which a callback ends the iteration it is called from. bpf_for_each_map_elem, bpf_find_vma,
/// bpf_loop and bpf_user_ringbuf_drain take 1 for that; other callbacks must return 0.
fn callback_stop(function: Function) -> u64 {
    let helpers: Vec<u64> = function
        .0
        .users()
        .into_iter()
        .filter_map(Value::as_inst)
        .filter(|inst| inst.is_call() && is_helper_number(inst.callee()))
        .filter_map(|inst| inst.callee().strip_casts().operand(0).as_u64())
        .collect();
    let all = |ids: &[u64]| !helpers.is_empty() && helpers.iter().all(|id| ids.contains(id));
    u64::from(all(&[164, 180, 181, 209]))
}

/// A panic function's meaning in words.
fn reason(callee: &str) -> &'static str {
    let last = callee.rsplit("::").next().unwrap_or(callee);
    match last {
        "panic_bounds_check" => "an index may be out of bounds",
        "panic_const_add_overflow"
        | "panic_const_sub_overflow"
        | "panic_const_mul_overflow"
        | "panic_const_neg_overflow"
        | "panic_const_shl_overflow"
        | "panic_const_shr_overflow" => "arithmetic may overflow",
        "panic_const_div_by_zero" | "panic_const_rem_by_zero" => "a divisor may be zero",
        "panic_const_div_overflow" | "panic_const_rem_overflow" => "a division may overflow",
        "unwrap_failed" | "expect_failed" => "`unwrap` or `expect` may meet `None` or `Err`",
        "len_mismatch_fail" => "slices may differ in length",
        _ if last.starts_with("slice_") => "a slice's range may be out of bounds",
        _ => "a call that never returns",
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
        assert!(reason("core::panicking::panic_bounds_check").contains("out of bounds"));
        assert!(reason("core::slice::index::slice_end_index_len_fail").contains("range"));
        assert!(reason("a::die").contains("never returns"));
    }
}
