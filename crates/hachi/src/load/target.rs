//! What a program of the tracing family is for: the kernel wants to know when it loads the program,
//! as the id of a type.

use std::os::fd::{AsRawFd as _, BorrowedFd};

use hachi_btf::{Kind, Types as _};
use hachi_obj::{AttachType, ProgramSpec, ProgramType};

use super::{Object, ProgramError};
use crate::{
    btf::Btf,
    kernel_btf::{KernelBtf, NoKernelTypes},
    near,
    program_info::function_id,
};

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

/// What `BPF_PROG_LOAD` is told.
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
        .map_err(|reason| ProgramError::unloadable(&spec.name, reason))
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

fn named<'a>(spec: &'a ProgramSpec, target: &Target<'a>) -> Result<&'a str, String> {
    let name = target.name.or(spec.attach_target.as_deref());
    name.ok_or_else(|| {
        format!(
            "section {0:?} names no target, as in \"{0}/NAME\"; load it with the `load` of its type, which takes one",
            spec.section
        )
    })
}

/// A function of a loaded program.
fn in_program(name: Result<&str, String>, program: BorrowedFd<'_>) -> Result<AttachTarget, String> {
    Ok(AttachTarget {
        btf_id: function_id(program, name?).map_err(|error| error.to_string())?,
        member: None,
        fd: program.as_raw_fd() as u32,
    })
}

/// How the kernel's types name what a program attaches to: a prefix and a kind, and what that is in
/// words.
fn question(spec: &ProgramSpec) -> Result<(&'static str, Kind, &'static str), String> {
    Ok(match (spec.program_type, spec.attach_type) {
        (ProgramType::Tracing, Some(AttachType::TraceRawTp)) => {
            ("btf_trace_", Kind::Typedef, "tracepoint")
        }
        (ProgramType::Tracing, Some(AttachType::TraceIter)) => {
            ("bpf_iter_", Kind::Func, "iterator")
        }
        (ProgramType::Tracing, _) => ("", Kind::Func, "function"),
        (ProgramType::Lsm, _) => ("bpf_lsm_", Kind::Func, "LSM hook"),
        (ProgramType::Ext, _) => {
            return Err(
                "it replaces a function of another program, which must be given: load it with `Extension::load`"
                    .to_owned(),
            );
        }
        (other, _) => {
            return Err(format!(
                "programs of type {} have no target at load",
                other.name()
            ));
        }
    })
}

/// A type of the kernel or of a module.
fn in_kernel(
    kernel: &KernelBtf,
    spec: &ProgramSpec,
    target: &Target<'_>,
) -> Result<AttachTarget, String> {
    let (prefix, kind, what) = question(spec)?;
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
    let needs = |error: NoKernelTypes| format!("it needs the kernel's types: {error}");
    let Some(found) = kernel.find(&name, kind).map_err(needs)? else {
        let similar = kernel
            .running()
            .map_err(needs)?
            .similar(prefix, target, kind);
        let hint = near::did_you_mean(&similar);
        return Err(format!(
            "this kernel and its modules have no {what} {target:?} to attach to (no {name:?} in their BTF){hint}"
        ));
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
