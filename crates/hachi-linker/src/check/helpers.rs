//! Helpers that a program may not call: for its licence, or for what it is.

use hachi_asm::{CallTarget, Op, helpers::Helper};
use hachi_obj::{ProgramType, RelocationKind, Spec, inspect};

use super::{Program, locate};
use crate::{Code, Diagnostic};

/// The licences of the kernel's `license_is_gpl_compatible`.
const COMPATIBLE: [&str; 6] = [
    "GPL",
    "GPL v2",
    "GPL and additional rights",
    "Dual BSD/GPL",
    "Dual MIT/GPL",
    "Dual MPL/GPL",
];

const LICENSE_HELP: &str = "if that is the licence of your program, say so: \
                            `hachi_ebpf::license!(\"GPL\");` (\"Dual MIT/GPL\" and \"Dual \
                            BSD/GPL\" will do too)";

pub(super) fn check(spec: &Spec, program: Program<'_>, found: &mut Vec<Diagnostic>) {
    if !COMPATIBLE.contains(&spec.license.as_str()) {
        license(spec, program, found);
    }
    // The type of a program that replaces or extends another, or whose section means nothing, is
    // not known here.
    if matches!(
        program.spec.program_type,
        ProgramType::Unspec | ProgramType::Ext
    ) {
        return;
    }
    for used in inspect::helpers(program.code) {
        match used.helper {
            Some(helper) if !helper.is_for(program.spec.program_type as u32) => {
                found.push(locate(
                    not_for(helper, program.spec.program_type),
                    program,
                    used.first,
                ));
            }
            Some(_) => {}
            None => found.push(locate(
                Diagnostic::warning(
                    Code::HELPER_UNKNOWN,
                    format!("no known kernel has a helper {}", used.id),
                )
                .help("the list of helpers ended at 211; newer functions of the kernel are kfuncs"),
                program,
                used.first,
            )),
        }
    }
}

fn license(spec: &Spec, program: Program<'_>, found: &mut Vec<Diagnostic>) {
    let stated = match spec.license.as_str() {
        "" => "states no licence".to_owned(),
        license => format!("is under \"{license}\""),
    };
    let mut refuse = |what: String, slot: usize| {
        let d = Diagnostic::error(
            Code::GPL_ONLY,
            format!(
                "{what} may only be used under a GPL-compatible licence, and this program {stated}"
            ),
        );
        found.push(locate(d.help(LICENSE_HELP), program, slot));
    };
    match program.spec.program_type {
        ProgramType::Lsm => return refuse("hooks of LSM".into(), 0),
        ProgramType::StructOps => return refuse("the kernel's structs of functions".into(), 0),
        _ => {}
    }
    for used in inspect::helpers(program.code) {
        if let Some(helper) = used.helper.filter(|helper| helper.gpl_only) {
            refuse(format!("the helper `{}`", helper.name), used.first);
        }
    }
    let kfunc = program.code.relocations.iter().find_map(|r| match &r.kind {
        RelocationKind::Kfunc { name, .. } => Some((name, r.insn)),
        _ => None,
    });
    if let Some((name, slot)) = kfunc.filter(|(_, slot)| is_call(program, *slot)) {
        refuse(format!("the kernel function `{name}`"), slot);
    }
}

fn is_call(program: Program<'_>, slot: usize) -> bool {
    matches!(
        Op::decode(&program.code.insns, slot),
        Ok(Op::Call(CallTarget::Kfunc { .. }))
    )
}

fn not_for(helper: &Helper, program_type: ProgramType) -> Diagnostic {
    let allowed: Vec<&str> = (0..u64::BITS)
        .filter(|&number| helper.is_for(number))
        .filter_map(ProgramType::from_number)
        .map(ProgramType::name)
        .collect();
    Diagnostic::warning(
        Code::HELPER_NOT_FOR_THIS_TYPE,
        format!(
            "no known kernel lets a program of type {} call the helper `{}`",
            program_type.name(),
            helper.name
        ),
    )
    .note(format!("it is for {}", allowed.join(", ")))
    .help("use a program of such a type, or another helper")
}
