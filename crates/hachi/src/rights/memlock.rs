//! RLIMIT_MEMLOCK, which kernels before 5.11 charge maps and programs to.

use std::{io, sync::OnceLock};

use hachi_asm::{Endian, Insn, build};
use hachi_obj::MapType;

use super::token::Wanted;
use crate::{
    sys::{
        attr,
        bpf::{self, ProgramImage},
    },
    version::KernelVersion,
};

/// What a call that is over the limit fails with: `EPERM`, which kernels before 5.11 turn into
/// `EINVAL` for maps of devices.
pub(super) fn errno(wanted: Wanted) -> i32 {
    const DEVICES: [u32; 2] = [MapType::Devmap as u32, MapType::DevmapHash as u32];
    match wanted {
        Wanted::Map { kind } if DEVICES.contains(&kind) => libc::EINVAL,
        _ => libc::EPERM,
    }
}

/// Raises the limit, once for the process, if that can help; whether it has been raised, now or
/// before. Another thread that asks meanwhile waits for it.
///
/// To be called only after a refusal, so that on kernels that charge the memory cgroup instead
/// (5.11 and later) neither the limit is touched nor the probe run.
pub(super) fn raise() -> bool {
    static RAISED: OnceLock<bool> = OnceLock::new();
    *RAISED.get_or_init(|| {
        if !is_charged() {
            return false;
        }
        let limit = libc::rlimit {
            rlim_cur: libc::RLIM_INFINITY,
            rlim_max: libc::RLIM_INFINITY,
        };
        // SAFETY: the struct is live for the call.
        let raised = unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &limit) } == 0;
        if !raised {
            log::warn!(
                "cannot raise RLIMIT_MEMLOCK ({}); maps and programs may not fit, try \
                 `ulimit -l unlimited`",
                io::Error::last_os_error()
            );
        }
        raised
    })
}

/// Whether the kernel charges the limit. Without the right to find out, by its version.
fn is_charged() -> bool {
    let (mut attr, insns) = accounting_probe();
    let image = ProgramImage::of_insns(&insns);
    match bpf::prog_load(&mut attr, &image, None, None) {
        Ok(_) => false,
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
            KernelVersion::current().is_some_and(|running| running < KernelVersion::new(5, 11, 0))
        }
        Err(_) => true,
    }
}

/// A program that loads where the memory cgroup is charged: the helper `bpf_ktime_get_coarse_ns`
/// came with the same release, which cannot be asked about directly. libbpf probes it the same way.
pub(crate) fn accounting_probe() -> (attr::ProgLoad, Vec<u8>) {
    let attr = attr::ProgLoad {
        // What every kernel with eBPF lets a program of two instructions be.
        prog_type: hachi_obj::ProgramType::SocketFilter as u32,
        ..Default::default()
    };
    let insns = [
        build::call_helper(hachi_asm::helpers::id::KTIME_GET_COARSE_NS),
        build::exit(),
    ];
    (attr, Insn::encode_all(&insns, Endian::NATIVE))
}
