//! What is too new for the oldest kernel that the author wants to support.

use hachi_obj::{
    Spec,
    inspect::{self, Requirement},
};

use super::locate;
use crate::{Diagnostic, options::Kernel};

pub(super) fn check(spec: &Spec, oldest: Kernel, found: &mut Vec<Diagnostic>) {
    for need in inspect::requirements(spec) {
        let kernel = Kernel(need.kernel.0, need.kernel.1);
        if kernel <= oldest {
            continue;
        }
        let d = Diagnostic::error(format!(
            "{} need{} Linux {kernel}, but `--min-kernel` says {oldest}",
            need.what,
            if is_plural(&need.what) { "" } else { "s" }
        ))
        .note(format!("used by the {}", need.by))
        .help(advice(&need));
        found.push(
            match need
                .at
                .and_then(|(i, slot)| Some((spec.programs.get(i)?, slot)))
            {
                Some((program, slot)) => locate(d, program, slot),
                None => d,
            },
        );
    }
}

fn is_plural(what: &str) -> bool {
    let what = what.split(" (").next().unwrap_or(what);
    what.ends_with('s') && !what.starts_with("map type") && !what.starts_with("helper")
        || what.starts_with("programs")
        || what.starts_with("calls")
        || what.starts_with("addresses")
        || what.starts_with("jumps")
        || what.starts_with("atomic")
}

/// What to do without the thing.
fn advice(need: &Requirement) -> &'static str {
    let what = need.what.as_str();
    if what.contains("(cpu v4)") {
        "build with `--cpu v3`"
    } else if what.contains("(cpu v3)") {
        "build with `--cpu v2`; additions whose result is not looked at need no newer kernel"
    } else if what == "map type ringbuf" || what.contains("bpf_ringbuf_") {
        "send events through a `PerfEventArray`"
    } else if what == "loops" {
        "unroll the loop, or give it a constant number of steps so that the compiler does"
    } else if what == "global variables" {
        "keep the values in an `Array` map"
    } else if what == "callbacks" {
        "use a plain loop with a bound"
    } else {
        "use something older, or raise `--min-kernel`"
    }
}
