//! Replacing the result of kernel functions that allow it.

use super::{ProgramData, tracing::loaded_for_target};

/// A program that runs before a kernel function and, if it returns an error, instead of it
/// (`BPF_PROG_TYPE_TRACING`, `BPF_MODIFY_RETURN`). For system calls, security hooks and functions
/// that are marked for error injection. Linux ≥ 5.7.
///
/// Sections `fmod_ret/FUNCTION` and `fmod_ret.s/FUNCTION` (may sleep; Linux ≥ 5.10).
#[derive(Debug)]
pub struct FModRet {
    pub(crate) data: ProgramData,
}

loaded_for_target!(FModRet, "fmod_ret", "kernel function", cookies: "5.19");
