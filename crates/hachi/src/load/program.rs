//! Step 5: a program.

use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};

use hachi_obj::{Endian, Insn, ProgramSpec, ProgramType, RelocationKind};

use super::{
    Object, ProgramError, Rejection, Target, VerifierLogLevel, externs, struct_ops, target,
    types::{FUNC_INFO_SIZE, LINE_INFO_SIZE},
};
use crate::{
    features::{self, Unsupported},
    maps::MapData,
    sys::{attr, bpf, errno::SyscallError},
};

/// What loading a program gives.
pub(crate) struct LoadedProgram {
    pub(crate) fd: OwnedFd,
    /// The verifier's log, if one was asked for.
    pub(crate) log: String,
}

/// Step 5.
pub(crate) fn program(
    object: &Object,
    spec: &mut ProgramSpec,
    target: &Target<'_>,
) -> Result<LoadedProgram, ProgramError> {
    check_program(spec)?;
    relocate_types(object, spec)?;
    relocate(object, spec)?;
    let modules = externs::relocate(object, spec)?;
    let mut attr = program_attr(object, spec)?;
    // The functions of structs have theirs by the struct.
    let found = match spec.program_type {
        ProgramType::StructOps => Some(struct_ops::member_of(object, spec)?),
        _ => target::find(object, spec, target)?,
    };
    if let Some(found) = found {
        attr.attach_btf_id = found.btf_id;
        attr.attach_prog_fd = found.fd;
        if let Some(member) = found.member {
            attr.expected_attach_type = member;
        }
    }
    let insns = Insn::encode_all(&spec.insns, Endian::NATIVE);
    let debug = object
        .btf
        .debug(&spec.name)
        .filter(|debug| !debug.func_info.is_empty());
    let mut image = bpf::ProgramImage {
        insns: &insns,
        license: &object.license,
        func_info: &[],
        func_info_rec_size: FUNC_INFO_SIZE,
        line_info: &[],
        line_info_rec_size: LINE_INFO_SIZE,
        fd_array: &modules,
    };
    if let (Some(debug), Some(fd)) = (debug, &object.btf.fd) {
        attr.prog_btf_fd = fd.as_raw_fd() as u32;
        image.func_info = &debug.func_info;
        image.line_info = &debug.line_info;
    }
    let loaded = load_with_fallbacks(object, spec, &mut attr, &mut image)?;
    for (array, index, name) in &object.slots {
        if *name == spec.name {
            MapData::put_descriptor_in(array, *index, loaded.fd.as_fd()).map_err(|error| {
                ProgramError::SyscallError {
                    name: spec.name.clone(),
                    error,
                }
            })?;
        }
    }
    bind_constants(object, spec, &loaded);
    Ok(loaded)
}

/// Makes the object's constants maps of each of its programs, used or not, as libbpf does: so tools
/// find what an object says about itself (`bpftool prog` shows variables `bpf_metadata_…`). The
/// program works without.
fn bind_constants(object: &Object, spec: &ProgramSpec, loaded: &LoadedProgram) {
    let constants = object.maps.iter();
    for (name, map) in constants.filter(|(name, _)| name.starts_with(".rodata")) {
        if let Err(error) = bpf::prog_bind_map(loaded.fd.as_fd(), map.as_fd()) {
            log::warn!("program {:?} goes without map {name:?}: {error}", spec.name);
        }
    }
}

/// Refuses what cannot be loaded, in words rather than by the kernel's errno.
fn check_program(spec: &ProgramSpec) -> Result<(), ProgramError> {
    if spec.section_def.is_none() && spec.program_type == ProgramType::Unspec {
        return Err(ProgramError::unloadable(
            &spec.name,
            format!(
                "section {:?} says nothing about its type; use a section name that libbpf knows, such as \"xdp\"",
                spec.section
            ),
        ));
    }
    Ok(())
}

/// Adjusts what the program knows of the kernel's types (CO-RE). The kernel's are opened for the
/// first program that asks for them.
fn relocate_types(object: &Object, spec: &mut ProgramSpec) -> Result<(), ProgramError> {
    if spec.core_relos.is_empty() {
        return Ok(());
    }
    let Some(core) = &object.core else {
        return Err(ProgramError::unloadable(
            &spec.name,
            "it has CO-RE records, but its object has no BTF that says what they are about",
        ));
    };
    let kernel = match spec.needs_kernel_types() {
        true => Some(
            object
                .kernel_btf
                .target()
                .map_err(|reason| no_kernel_types(spec, &reason))?
                .types(),
        ),
        false => None,
    };
    let modules = || {
        let modules = object.kernel_btf.target_modules().iter();
        modules.map(|module| module.btf.types()).collect()
    };
    core.relocate(spec, kernel, &modules)
        .map_err(|error| ProgramError::Relocation {
            name: spec.name.clone(),
            error: Box::new(error),
        })
}

fn no_kernel_types(spec: &ProgramSpec, reason: &str) -> ProgramError {
    ProgramError::unloadable(
        &spec.name,
        format!(
            "it depends on the kernel's types in {} places (CO-RE), and they cannot be read: {reason}. If this kernel was built without CONFIG_DEBUG_INFO_BTF, bring its types along: `EbpfLoader::btf` takes them, `hachi btf min` makes a small file of them",
            spec.core_relos.len()
        ),
    )
}

/// Writes map descriptors into the instructions that want them. Can be repeated.
fn relocate(object: &Object, spec: &mut ProgramSpec) -> Result<(), ProgramError> {
    for relocation in &spec.relocations {
        let name = match &relocation.kind {
            RelocationKind::Map { name } | RelocationKind::GlobalData { map: name, .. } => name,
            RelocationKind::Kfunc { .. } | RelocationKind::Ksym { .. } => continue,
        };
        let Some((_, fd)) = object.maps.iter().find(|(other, _)| other == name) else {
            let reason = match object.missing_maps.iter().find(|(other, _)| other == name) {
                Some((_, reason)) => format!("it uses map {name:?}, which was left out: {reason}"),
                None => format!("it uses map {name:?}, which the object does not define"),
            };
            return Err(ProgramError::unloadable(&spec.name, reason));
        };
        let Some(insn) = spec.insns.get_mut(relocation.insn) else {
            return Err(ProgramError::unloadable(
                &spec.name,
                format!(
                    "a relocation lies at instruction {}, beyond its end",
                    relocation.insn
                ),
            ));
        };
        insn.imm = fd.as_raw_fd();
    }
    Ok(())
}

fn program_attr(object: &Object, spec: &ProgramSpec) -> Result<attr::ProgLoad, ProgramError> {
    const BPF_F_SLEEPABLE: u32 = 1 << 4;
    const BPF_F_XDP_HAS_FRAGS: u32 = 1 << 5;
    let mut attr = attr::ProgLoad {
        prog_type: spec.program_type as u32,
        prog_name: bpf::object_name(&spec.name),
        expected_attach_type: spec.attach_type.map_or(0, |kind| kind as u32),
        kern_version: object.kernel_version,
        ..Default::default()
    };
    if spec.sleepable {
        attr.prog_flags |= BPF_F_SLEEPABLE;
    }
    if spec.frags {
        attr.prog_flags |= BPF_F_XDP_HAS_FRAGS;
    }
    Ok(attr)
}

/// Loads; if an old kernel stumbles over something it need not know, loads without that.
fn load_with_fallbacks(
    object: &Object,
    spec: &ProgramSpec,
    attr: &mut attr::ProgLoad,
    image: &mut bpf::ProgramImage<'_>,
) -> Result<LoadedProgram, ProgramError> {
    let first = match load_once(object, attr, image) {
        Ok(loaded) => return Ok(loaded),
        Err(refusal) => refusal,
    };
    // The verifier had something to say, or it is a question of rights: then older ways would not
    // help.
    let about_arguments = matches!(first.error.errno(), libc::EINVAL | libc::E2BIG)
        && (first.log.is_empty() || first.log.contains("processed 0 insns"));
    if about_arguments {
        let mut changed = false;
        if !features::OBJECT_NAMES.is_supported_with(&object.rights) {
            changed |= std::mem::take(&mut attr.prog_name) != [0; attr::OBJ_NAME_LEN];
        }
        let optional = spec.section_def.is_some_and(|def| def.attach_type_optional);
        if optional && !features::EXPECTED_ATTACH_TYPE.is_supported_with(&object.rights) {
            changed |= std::mem::take(&mut attr.expected_attach_type) != 0;
        }
        if attr.prog_btf_fd != 0 && !features::BTF_FUNC.is_supported_with(&object.rights) {
            attr.prog_btf_fd = 0;
            (image.func_info, image.line_info) = (&[], &[]);
            changed = true;
        }
        if changed && let Ok(loaded) = load_once(object, attr, image) {
            return Ok(loaded);
        }
        let older = spec.section_def.and_then(|def| {
            Unsupported::if_older(&format!("section {:?}", spec.section), def.first_kernel)
        });
        if let Some(error) = older {
            return Err(ProgramError::Unsupported {
                name: spec.name.clone(),
                error,
            });
        }
    }
    Err(ProgramError::LoadError(Box::new(Rejection {
        program: spec.name.clone(),
        section: spec.section.clone(),
        kind: spec.program_type.name(),
        error: first.error,
        log: first.log,
        lines: spec.line_info.clone(),
        btf_problem: object.btf.problem.clone(),
        functions: spec.functions.clone(),
        missing: spec.poisoned.clone(),
        needs: hachi_obj::inspect::requirements_of(spec),
    })))
}

/// The kernel's answer and what the verifier wrote.
struct Refusal {
    error: SyscallError,
    log: String,
}

/// First log buffer, and the largest a kernel takes (`BPF_MAX_LOG…`, 30 bits since Linux 5.2, 24
/// before).
const LOG_START: usize = 64 * 1024;
const LOG_LIMIT: usize = (u32::MAX >> 8) as usize;
/// Log buffer for a program on which the verifier gave up: its log is of the order of 100 MB, and
/// the end of it says all.
const LOG_END: usize = 1024 * 1024;

/// Loads without a log, which is faster and cannot fail for want of room; only if that is refused
/// (or a log was asked for) with one, growing until all of it fits.
fn load_once(
    object: &Object,
    attr: &mut attr::ProgLoad,
    image: &bpf::ProgramImage<'_>,
) -> Result<LoadedProgram, Refusal> {
    let asked = object.log_level;
    let mut level = asked;
    let mut silent_error = None;
    if asked.is_empty() {
        match object.rights.prog_load(attr, image, None) {
            Ok(fd) => {
                return Ok(LoadedProgram {
                    fd,
                    log: String::new(),
                });
            }
            Err(error) => silent_error = Some(error),
        }
        level = VerifierLogLevel::DEBUG | VerifierLogLevel::STATS;
    }
    let too_complex = silent_error
        .as_ref()
        .is_some_and(|error| error.errno() == libc::E2BIG);
    let mut buffer = vec![0; if too_complex { LOG_END } else { LOG_START }];
    loop {
        attr.log_true_size = 0;
        let result = object
            .rights
            .prog_load(attr, image, Some((&mut buffer, level.bits())));
        let full = matches!(&result, Err(error) if error.errno() == libc::ENOSPC);
        // Kernels that tell the true size (Linux ≥ 6.4) keep the end of a log rather than its
        // start.
        let has_end = attr.log_true_size != 0;
        if full && buffer.len() < LOG_LIMIT && !(too_complex && has_end) {
            let wanted = (attr.log_true_size as usize).max(buffer.len() * 4);
            buffer = vec![0; wanted.min(LOG_LIMIT)];
            continue;
        }
        return match result {
            // Nobody asked for a log: the second attempt just went better than the first.
            Ok(fd) if asked.is_empty() => Ok(LoadedProgram {
                fd,
                log: String::new(),
            }),
            Ok(fd) => Ok(LoadedProgram {
                fd,
                log: bpf::name_text(&buffer),
            }),
            Err(error) => {
                // "No space" for a log is not what the program was refused for.
                let error = if full {
                    silent_error.unwrap_or(error)
                } else {
                    error
                };
                let log = bpf::name_text(&buffer);
                Err(Refusal { error, log })
            }
        };
    }
}
