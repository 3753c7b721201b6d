//! Entries and returns of kernel functions in one program.

use super::{ProgramData, tracing::loaded_for_target};

/// A program at the entry and the return of a kernel function (`BPF_PROG_TYPE_TRACING`,
/// `BPF_TRACE_FSESSION`): `bpf_session_is_return` tells which, `bpf_session_cookie` keeps 8 bytes
/// from one to the other. Linux ≥ 7.0.
///
/// Sections `fsession/FUNCTION` and `fsession.s/FUNCTION` (may sleep).
#[derive(Debug)]
pub struct FSession {
    pub(crate) data: ProgramData,
}

loaded_for_target!(FSession, "fsession", "kernel function", cookies: "7.0");
