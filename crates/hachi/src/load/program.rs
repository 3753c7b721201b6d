//! Step 5: a program.

use hachi_obj::flags::{BPF_F_SLEEPABLE, BPF_F_XDP_HAS_FRAGS};
use std::cell::RefCell;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};

use hachi_obj::{
    Endian, FuncInfo, Insn, LineRecord, ProgramSpec, ProgramType, RelocationKind, arch,
    link::{Linked, Poisoned},
};

use super::{
    Object, ProgramError, Rejection, Target, Unloadable, VerifierLogLevel,
    resolve::{JumpTables, System, Unlinked},
    struct_ops, target,
};
use crate::{
    features::{self, Unsupported},
    maps::MapData,
    sys::{attr, bpf, errno::SyscallError, jit},
};

/// What loading a program gives.
pub(crate) struct LoadedProgram {
    pub(crate) fd: OwnedFd,
    /// The verifier's log, if one was asked for.
    pub(crate) log: String,
    /// What it asks for that the kernel does not have.
    pub(crate) missing: Vec<Poisoned>,
}

/// Step 5.
pub(crate) fn program(
    object: &Object,
    spec: &ProgramSpec,
    target: &Target<'_>,
) -> Result<LoadedProgram, ProgramError> {
    check_program(object, spec)?;
    // The program refers to its jump tables by their descriptors until it is loaded.
    let (linked, _jump_tables) = link(object, spec)?;
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
    let insns = Insn::encode_all(&linked.insns, Endian::NATIVE);
    let mut image = bpf::ProgramImage {
        insns: &insns,
        license: &object.license,
        func_info: &[],
        func_info_rec_size: FUNC_INFO_SIZE,
        line_info: &[],
        line_info_rec_size: LINE_INFO_SIZE,
        fd_array: &linked.modules,
    };
    let (func_info, line_info);
    if let Some(fd) = &object.btf.fd
        && !linked.func_info.is_empty()
        && are_of_object(object, &linked)
    {
        (func_info, line_info) = (func_info_bytes(&linked), line_info_bytes(&linked));
        attr.prog_btf_fd = fd.as_raw_fd() as u32;
        image.func_info = &func_info;
        image.line_info = &line_info;
    }
    let Accepted { fd, log } = match load_with_fallbacks(object, spec, &mut attr, &mut image) {
        Ok(accepted) => accepted,
        Err(refusal) => return Err(refused(object, spec, linked, refusal)),
    };
    for (array, index, name) in &object.slots {
        if *name == spec.name {
            MapData::put_descriptor_in(array, *index, fd.as_fd()).map_err(|error| {
                ProgramError::SyscallError {
                    name: spec.name.clone(),
                    error,
                }
            })?;
        }
    }
    bind_constants(object, spec, fd.as_fd());
    Ok(LoadedProgram {
        fd,
        log,
        missing: linked.poisoned,
    })
}

/// Makes the object's constants maps of each of its programs, used or not, as libbpf does: so tools
/// find what an object says about itself (`bpftool prog` shows variables `bpf_metadata_…`). The
/// program works without.
fn bind_constants(object: &Object, spec: &ProgramSpec, program: BorrowedFd<'_>) {
    let constants = object.maps.iter();
    for (name, map) in constants.filter(|(name, _)| name.starts_with(".rodata")) {
        if let Err(error) = bpf::prog_bind_map(program, map.as_fd()) {
            log::warn!("program {:?} goes without map {name:?}: {error}", spec.name);
        }
    }
}

/// Refuses what cannot be loaded, in words rather than by the kernel's errno.
fn check_program(object: &Object, spec: &ProgramSpec) -> Result<(), ProgramError> {
    if spec.section_def.is_none() && spec.program_type == ProgramType::Unspec {
        return Err(ProgramError::unloadable(
            &spec.name,
            Unloadable::NoType {
                section: spec.section.clone(),
            },
        ));
    }
    if let Some(slot) = arch::foreign_registers(object.arch.as_deref(), spec) {
        let line = spec.code().ok().and_then(|code| {
            let line = code.line_at(slot)?;
            Some(format!("{}:{}", line.file, line.line))
        });
        let of = object.arch.clone().unwrap_or_default();
        let problem = Unloadable::Registers { of, line };
        return Err(ProgramError::unloadable(&spec.name, problem));
    }
    Ok(())
}

/// The program with all that its object leaves open, and its jump tables.
fn link(object: &Object, spec: &ProgramSpec) -> Result<(Linked, JumpTables), ProgramError> {
    let system = System {
        object,
        program: &spec.name,
        jump_tables: RefCell::default(),
        no_modules: RefCell::default(),
    };
    let linked = spec.link(&system).map_err(|error| match error {
        Unlinked::System(error) => error,
        Unlinked::Object(error) => ProgramError::Relocation {
            name: spec.name.clone(),
            error: Box::new(error),
        },
    })?;
    if let Some(error) = system.no_modules.into_inner() {
        let questions = linked.poisoned.len();
        let problem = Unloadable::KernelTypes { questions, error };
        return Err(ProgramError::unloadable(&spec.name, problem));
    }
    Ok((linked, system.jump_tables.into_inner()))
}

/// Whether a program refers to the types that the kernel was given. One made by hand does not say
/// which it refers to.
fn are_of_object(object: &Object, linked: &Linked) -> bool {
    match (&linked.btf, &object.btf.types) {
        (Some(own), Some(given)) => own == given,
        _ => true,
    }
}

const FUNC_INFO_SIZE: u32 = 8;
const LINE_INFO_SIZE: u32 = 16;

/// `func_info` as the kernel reads it.
fn func_info_bytes(linked: &Linked) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(linked.func_info.len() * FUNC_INFO_SIZE as usize);
    for FuncInfo { insn_off, type_id } in &linked.func_info {
        for word in [insn_off, type_id] {
            bytes.extend_from_slice(&word.to_ne_bytes());
        }
    }
    bytes
}

/// `line_info` as the kernel reads it.
fn line_info_bytes(linked: &Linked) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(linked.line_info.len() * LINE_INFO_SIZE as usize);
    for line in &linked.line_info {
        let LineRecord {
            insn_off,
            file,
            text,
            line_col,
        } = line;
        for word in [insn_off, file, text, line_col] {
            bytes.extend_from_slice(&word.to_ne_bytes());
        }
    }
    bytes
}

/// Why a program was refused, with all that helps to see it.
fn refused(object: &Object, spec: &ProgramSpec, linked: Linked, refusal: Refusal) -> ProgramError {
    if let Some(error) = refusal.older {
        return ProgramError::Unsupported {
            name: spec.name.clone(),
            error,
        };
    }
    if is_shortage(&refusal.error) {
        return ProgramError::SyscallError {
            name: spec.name.clone(),
            error: match lacks_trampolines(spec, &refusal.error) {
                true => refusal.error.noted(NO_TRAMPOLINES),
                false => refusal.error,
            },
        };
    }
    ProgramError::LoadError(Box::new(Rejection {
        program: spec.name.clone(),
        section: spec.section.clone(),
        kind: spec.program_type.name(),
        error: refusal.error,
        log: refusal.log,
        lines: linked.lines(),
        btf_problem: object.btf.problem.clone(),
        functions: linked.functions,
        missing: linked.poisoned,
        needs: hachi_obj::inspect::requirements_of(spec),
        inline_info: object.inline_info.clone(),
    }))
}

/// Whether the kernel had no room for the program, or a signal came: then the verifier had nothing
/// against it.
fn is_shortage(error: &SyscallError) -> bool {
    matches!(
        error.errno(),
        libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::EINTR | libc::EAGAIN
    )
}

const NO_TRAMPOLINES: &str = "this kernel is built without the JIT compiler (CONFIG_BPF_JIT), and \
    without it no program is called in place of a function (fentry, fexit, LSM, freplace); use a \
    kprobe";

/// Whether ENOMEM means that there are no trampolines, which come with the JIT compiler.
fn lacks_trampolines(spec: &ProgramSpec, error: &SyscallError) -> bool {
    use hachi_obj::ProgramType::{Ext, Lsm, Tracing};
    let kind = spec.program_type;
    error.errno() == libc::ENOMEM && matches!(kind, Tracing | Lsm | Ext) && !jit::is_built_in()
}

fn program_attr(object: &Object, spec: &ProgramSpec) -> Result<attr::ProgLoad, ProgramError> {
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
) -> Result<Accepted, Refusal> {
    let mut first = match load_once(object, attr, image) {
        Ok(accepted) => return Ok(accepted),
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
        if changed && let Ok(accepted) = load_once(object, attr, image) {
            return Ok(accepted);
        }
        first.older = spec.section_def.and_then(|def| {
            Unsupported::if_older(&format!("section {:?}", spec.section), def.first_kernel)
        });
    }
    if first.error.errno() == libc::EINVAL && uses_variables_of_each_cpu(spec) {
        let lacking = features::PERCPU_DATA.require_with(&object.rights).err();
        first.older = first.older.or(lacking);
    }
    Err(first)
}

/// Whether its code has the address of a variable in a section `.percpu`.
fn uses_variables_of_each_cpu(spec: &ProgramSpec) -> bool {
    let is_one = |kind: &RelocationKind| match kind {
        RelocationKind::GlobalData { map, .. } => map.starts_with(".percpu"),
        _ => false,
    };
    // Code that cannot be put together does not reach the kernel.
    let code = spec.code().ok();
    code.is_some_and(|code| code.relocations.iter().any(|found| is_one(&found.kind)))
}

/// A program that the kernel took, and what the verifier wrote if it was asked.
struct Accepted {
    fd: OwnedFd,
    log: String,
}

/// The kernel's answer and what the verifier wrote.
struct Refusal {
    error: SyscallError,
    log: String,
    /// If it is for the kernel's age.
    older: Option<Unsupported>,
}

/// First log buffer, and the largest a kernel takes (`BPF_MAX_LOG…`, 30 bits since Linux 5.2, 24
/// before).
const LOG_START: usize = 64 * 1024;
const LOG_LIMIT: usize = (u32::MAX >> 8) as usize;
/// Log buffer for a program on which the verifier gave up: its log is of the order of 100 MB, and
/// the end of it says all.
const LOG_END: usize = 1024 * 1024;

/// Loads without a log, which is faster and cannot fail for want of room, or with the figures that
/// were asked for; only if that is refused (or a log was asked for) with one, growing until all of
/// it fits.
fn load_once(
    object: &Object,
    attr: &mut attr::ProgLoad,
    image: &bpf::ProgramImage<'_>,
) -> Result<Accepted, Refusal> {
    let asked = object.log_level;
    let mut level = asked;
    let mut silent_error = None;
    if !asked.contains(VerifierLogLevel::DEBUG) {
        // Figures alone explain no refusal.
        let mut figures = vec![0; if asked.is_empty() { 0 } else { LOG_START }];
        let log = (!asked.is_empty()).then(|| (&mut figures[..], asked.bits()));
        match object.rights.prog_load(attr, image, log) {
            Ok(fd) => {
                return Ok(Accepted {
                    fd,
                    log: bpf::name_text(&figures),
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
            Ok(fd) if asked.is_empty() => Ok(Accepted {
                fd,
                log: String::new(),
            }),
            Ok(fd) => Ok(Accepted {
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
                Err(Refusal {
                    error,
                    log,
                    older: None,
                })
            }
        };
    }
}
