//! Programs that were loaded for their target: `tp_btf`, `fentry` and the like, LSM; and raw
//! tracepoints, which share their system call.

use hachi_obj::AttachType;
use std::{ffi::CStr, os::fd::AsFd as _};

use super::{FdLink, LinkError, OwnedLink};
use crate::{
    fd::ProgramFd,
    features,
    sys::tracing::{self, LinkTo},
    target::{Hint, NoSuchTarget, TargetKind},
    tracefs,
};

const BPF_TRACE_RAW_TP: u32 = AttachType::TraceRawTp as u32;

/// Attaches to what the program was loaded for.
pub(crate) fn attach(
    program: &ProgramFd,
    attach_type: u32,
    cookie: u64,
    target: &str,
) -> Result<OwnedLink, LinkError> {
    let result = if cookie == 0 {
        tracing::raw_tracepoint_open(program.as_fd(), None, 0)
    } else {
        // Older kernels do not refuse a cookie, but forget it.
        match attach_type {
            BPF_TRACE_RAW_TP => features::RAW_TRACEPOINT_COOKIE.require()?,
            _ => features::TRACING_COOKIE.require()?,
        }
        tracing::link_create(program.as_fd(), attach_type, &LinkTo::Tracing { cookie })
    };
    match result {
        Ok(fd) => Ok(FdLink::new(fd).into()),
        Err(error) => Err(LinkError::attach(target, error)),
    }
}

/// Attaches in the place of a function of another program.
pub(crate) fn attach_to_function(
    program: &ProgramFd,
    other: &ProgramFd,
    btf_id: u32,
    function: &str,
) -> Result<OwnedLink, LinkError> {
    let to = LinkTo::Function {
        program: other.as_fd(),
        btf_id,
        cookie: 0,
    };
    match tracing::link_create(program.as_fd(), 0, &to) {
        Ok(fd) => Ok(FdLink::new(fd).into()),
        Err(error) => {
            features::EXTENSION_RETARGET.require_after(&error)?;
            Err(LinkError::attach(&format!("function {function:?}"), error))
        }
    }
}

/// Attaches to a raw tracepoint.
pub(crate) fn attach_raw_tracepoint(
    program: &ProgramFd,
    name: &CStr,
    cookie: u64,
) -> Result<OwnedLink, LinkError> {
    match tracing::raw_tracepoint_open(program.as_fd(), Some(name), cookie) {
        Ok(fd) => Ok(FdLink::new(fd).into()),
        Err(error) => {
            if cookie != 0 {
                features::RAW_TRACEPOINT_COOKIE.require_after(&error)?;
            }
            let name = name.to_string_lossy();
            if error.errno() == libc::ENOENT {
                let similar = Hint::Similar(tracefs::events_like(&name));
                let error = NoSuchTarget::new(TargetKind::RawTracepoint, name).hint(similar);
                return Err(error.into());
            }
            Err(LinkError::attach(
                &format!("raw tracepoint {name:?}"),
                error,
            ))
        }
    }
}

/// Fails if the kernel is known not to ask BPF programs.
pub(crate) fn check_lsm_active() -> Result<(), LinkError> {
    match std::fs::read_to_string(MODULES) {
        Ok(modules) if !modules.trim().split(',').any(|name| name == "bpf") => {
            let modules = modules.trim().split(',').map(str::to_owned);
            Err(LinkError::LsmInactive {
                modules: modules.collect(),
            })
        }
        // Unknown where securityfs is not mounted.
        _ => Ok(()),
    }
}

/// The active security modules, in order.
const MODULES: &str = "/sys/kernel/security/lsm";
