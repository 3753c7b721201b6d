//! What is too new for the oldest kernel that the author wants to support.

use hachi_obj::{
    MapType, Spec,
    inspect::{self, Need},
};

use super::{Program, locate};
use crate::{Code, Diagnostic, options::Kernel};

pub(super) fn check(spec: &Spec, oldest: Kernel, found: &mut Vec<Diagnostic>) {
    for requirement in inspect::requirements(spec) {
        let kernel = Kernel(requirement.kernel.0, requirement.kernel.1);
        if kernel <= oldest {
            continue;
        }
        let d = Diagnostic::error(
            Code::MIN_KERNEL,
            format!(
                "{}: only since Linux {kernel}, but `--min-kernel` says {oldest}",
                requirement.need
            ),
        )
        .note(format!("used by the {}", requirement.by))
        .help(advice(&requirement.need));
        found.push(match requirement.at {
            Some((index, slot)) => at(spec, index, slot, d),
            None => d,
        });
    }
}

/// The diagnostic with the place: a program's index and a slot.
fn at(spec: &Spec, index: usize, slot: usize, d: Diagnostic) -> Diagnostic {
    let found = spec.programs.get(index);
    let Some((program, Ok(code))) = found.map(|program| (program, program.code())) else {
        return d;
    };
    let program = Program {
        spec: program,
        code: &code,
    };
    locate(d, program, slot)
}

/// What to do without the thing.
fn advice(need: &Need) -> &'static str {
    match need {
        Need::Cpu { version: 4, .. } => "build with `--cpu v3`",
        Need::Cpu { .. } => {
            "build with `--cpu v2`; additions whose result is not looked at need no newer kernel"
        }
        Need::Map(MapType::Ringbuf) => "send events through a `PerfEventArray`",
        Need::Helper(name) if name.starts_with("bpf_ringbuf_") => {
            "send events through a `PerfEventArray`"
        }
        Need::Loops => {
            "unroll the loop, or give it a constant number of steps so that the compiler does"
        }
        Need::GlobalVariables => "keep the values in an `Array` map",
        Need::Callbacks => "use a plain loop with a bound",
        _ => "use something older, or raise `--min-kernel`",
    }
}
