//! Linux security modules: programs that are asked whether something is allowed.

use super::{ProgramData, tracing::loaded_for_target};

/// A program at a hook of the security framework (`BPF_PROG_TYPE_LSM`, `BPF_LSM_MAC`): it returns
/// 0, or the negative error with which the kernel is to refuse. Linux ≥ 5.7.
///
/// Sections `lsm/HOOK` and `lsm.s/HOOK` (may sleep; Linux ≥ 5.10). The kernel asks only if `bpf` is
/// among its security modules (`/sys/kernel/security/lsm`, chosen by the boot parameter `lsm=`).
///
/// ```no_run
/// use hachi::programs::Lsm;
///
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// let btf = hachi::Btf::from_sys_fs()?;
/// let program: &mut Lsm = ebpf.program_mut("guard")?.try_into()?;
/// program.load("file_open", &btf)?;
/// program.attach()?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Lsm {
    pub(crate) data: ProgramData,
}

loaded_for_target!(Lsm, "lsm", "LSM hook", cookies: "5.19");
