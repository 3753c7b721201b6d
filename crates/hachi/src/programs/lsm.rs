//! Linux security modules: programs that are asked whether something is allowed.

use super::{ProgramData, tracing::loaded_for_target};
use crate::links::LinkError;

/// A program at a hook of the security framework (`BPF_PROG_TYPE_LSM`, `BPF_LSM_MAC`): it returns
/// 0, or the negative error with which the kernel is to refuse. Linux ≥ 5.7.
///
/// Sections `lsm/HOOK` and `lsm.s/HOOK` (may sleep; Linux ≥ 5.10). The kernel asks only if `bpf` is
/// among its security modules (`/sys/kernel/security/lsm`, chosen by the boot parameter `lsm=`).
#[derive(Debug)]
pub struct Lsm {
    pub(crate) data: ProgramData,
}

loaded_for_target!(Lsm, "lsm", "LSM hook", cookies: "5.19");

/// Fails if the kernel is known not to ask BPF programs.
pub(crate) fn check_active() -> Result<(), LinkError> {
    match std::fs::read_to_string(MODULES) {
        Ok(modules) if !modules.trim().split(',').any(|name| name == "bpf") => {
            Err(LinkError::Invalid(format!(
                "the kernel would never run it: \"bpf\" is not among the active security modules ({}: {}); \
                 boot with lsm={},bpf",
                MODULES,
                modules.trim(),
                modules.trim()
            )))
        }
        // Unknown where securityfs is not mounted.
        _ => Ok(()),
    }
}

/// The active security modules, in order.
const MODULES: &str = "/sys/kernel/security/lsm";
