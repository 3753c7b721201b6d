//! What a program of the tracing family is for: the kernel wants to know when it loads the program,
//! as the id of a type.

use std::{
    os::fd::{AsRawFd as _, BorrowedFd},
    sync::Arc,
};

use hachi_btf::{Kind, Types as _};
use hachi_obj::{AttachType, ProgramSpec, ProgramType};

use super::{Object, ProgramError, TargetProblem};
use crate::{btf::Btf, kernel_btf::KernelBtf, program_info::function_id, target::TargetKind};

/// What a program is for, beyond what its Spec says.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Target<'a> {
    /// Another name than that in its Spec.
    pub(crate) name: Option<&'a str>,
    /// The kernel's types, when the caller has them.
    pub(crate) btf: Option<&'a Btf>,
    /// The program whose function it replaces or traces.
    pub(crate) program: Option<BorrowedFd<'a>>,
}

/// What `BPF_PROG_LOAD` gets.
pub(super) struct AttachTarget {
    pub(super) btf_id: u32,
    /// In the place of the section's `expected_attach_type`: the number of a struct's member.
    pub(super) member: Option<u32>,
    /// Of the program or of the module's types that `btf_id` is of; 0 for the kernel itself.
    pub(super) fd: u32,
}

/// `None` for programs whose target does not matter before they are attached.
pub(super) fn find(
    object: &Object,
    spec: &ProgramSpec,
    target: &Target<'_>,
) -> Result<Option<AttachTarget>, ProgramError> {
    if !needed(spec) {
        return Ok(None);
    }
    let found = match target.program {
        Some(program) => in_program(named(spec, target), program),
        None => in_kernel(&object.kernel_btf, spec, target),
    };
    found
        .map(Some)
        .map_err(|problem| ProgramError::unloadable(&spec.name, problem))
}

fn needed(spec: &ProgramSpec) -> bool {
    match spec.section_def {
        Some(def) => def.needs_btf_target,
        None => matches!(
            spec.program_type,
            ProgramType::Tracing | ProgramType::Lsm | ProgramType::Ext
        ),
    }
}

fn named<'a>(spec: &'a ProgramSpec, target: &Target<'a>) -> Result<&'a str, TargetProblem> {
    let name = target.name.or(spec.attach_target.as_deref());
    name.ok_or_else(|| TargetProblem::NotNamed {
        section: spec.section.clone(),
    })
}

/// A function of a loaded program.
fn in_program(
    name: Result<&str, TargetProblem>,
    program: BorrowedFd<'_>,
) -> Result<AttachTarget, TargetProblem> {
    let id = function_id(program, name?);
    Ok(AttachTarget {
        btf_id: id.map_err(|error| TargetProblem::Program(Arc::new(error)))?,
        member: None,
        fd: program.as_raw_fd() as u32,
    })
}

/// What a program attaches to, and how the kernel's types name such things: a prefix and a kind.
fn question(spec: &ProgramSpec) -> Result<(&'static str, Kind, TargetKind), TargetProblem> {
    Ok(match (spec.program_type, spec.attach_type) {
        (ProgramType::Tracing, Some(AttachType::TraceRawTp)) => {
            ("btf_trace_", Kind::Typedef, TargetKind::Tracepoint)
        }
        (ProgramType::Tracing, Some(AttachType::TraceIter)) => {
            ("bpf_iter_", Kind::Func, TargetKind::Iterator)
        }
        (ProgramType::Tracing, _) => ("", Kind::Func, TargetKind::KernelFunction),
        (ProgramType::Lsm, _) => ("bpf_lsm_", Kind::Func, TargetKind::LsmHook),
        (ProgramType::Ext, _) => return Err(TargetProblem::NoProgram),
        (kind, _) => return Err(TargetProblem::NotOfType { kind }),
    })
}

/// A type of the kernel or of a module.
fn in_kernel(
    kernel: &KernelBtf,
    spec: &ProgramSpec,
    target: &Target<'_>,
) -> Result<AttachTarget, TargetProblem> {
    let (prefix, kind, target_kind) = question(spec)?;
    let given = target.btf;
    let target = named(spec, target)?;
    // `fentry/nf_conntrack:nf_confirm` names the module, which is searched for anyway.
    let target = target.split_once(':').map_or(target, |(_, name)| name);
    let name = format!("{prefix}{target}");
    if let Some(btf) = given.filter(|btf| btf.is_running())
        && let Some(btf_id) = btf.types().find(&name, kind)
    {
        return Ok(AttachTarget {
            btf_id,
            member: None,
            fd: 0,
        });
    }
    let Some(found) = kernel.find(&name, kind)? else {
        return Err(TargetProblem::Missing {
            kind: target_kind,
            target: target.to_owned(),
            similar: kernel.running()?.similar(prefix, target, kind),
            in_btf: name,
        });
    };
    let fd = match found.module {
        None => 0,
        Some(module) => module.raw_fd()? as u32,
    };
    Ok(AttachTarget {
        btf_id: found.id,
        member: None,
        fd,
    })
}
