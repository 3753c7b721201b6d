//! Entries and returns of kernel functions in one program.

use super::{ProgramData, tracing::loaded_for_target};

/// A program at the entry and the return of a kernel function (`BPF_PROG_TYPE_TRACING`,
/// `BPF_TRACE_FSESSION`): `bpf_session_is_return` tells which, `bpf_session_cookie` keeps 8 bytes
/// from one to the other. Linux ≥ 7.0.
///
/// Sections `fsession/FUNCTION` and `fsession.s/FUNCTION` (may sleep).
///
/// ```no_run
/// use hachi::programs::FSession;
///
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// let btf = hachi::Btf::from_sys_fs()?;
/// let program: &mut FSession = ebpf.program_mut("both_ends")?.try_into()?;
/// program.load("vfs_fsync", &btf)?;
/// program.attach()?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct FSession {
    pub(crate) data: ProgramData,
}

loaded_for_target!(FSession, "fsession", "kernel function", cookies: "7.0");
