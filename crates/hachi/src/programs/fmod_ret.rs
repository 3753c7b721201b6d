//! Replacing the result of kernel functions that allow it.

use super::{ProgramData, tracing::loaded_for_target};

/// A program that runs before a kernel function and, if it returns an error, instead of it
/// (`BPF_PROG_TYPE_TRACING`, `BPF_MODIFY_RETURN`). For system calls, security hooks and functions
/// that are marked for error injection. Linux ≥ 5.7.
///
/// Sections `fmod_ret/FUNCTION` and `fmod_ret.s/FUNCTION` (may sleep; Linux ≥ 5.10).
///
/// ```no_run
/// use hachi::programs::FModRet;
///
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// let btf = hachi::Btf::from_sys_fs()?;
/// let program: &mut FModRet = ebpf.program_mut("refuse")?.try_into()?;
/// program.load("security_file_open", &btf)?;
/// program.attach()?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct FModRet {
    pub(crate) data: ProgramData,
}

loaded_for_target!(FModRet, "fmod_ret", "kernel function", cookies: "5.19");
