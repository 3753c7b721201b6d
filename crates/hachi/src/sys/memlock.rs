//! RLIMIT_MEMLOCK, which kernels before 5.11 charge maps and programs to.

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
};

use crate::features;

/// Raises the limit, once for the process, if that can help; true when it was raised by this call.
///
/// To be called only after `EPERM`, so that on kernels that charge the memory cgroup instead (5.11
/// and later) neither the limit is touched nor the probe run.
pub(crate) fn raise() -> bool {
    static TRIED: AtomicBool = AtomicBool::new(false);
    // The probe below loads a program itself: the flag keeps that from coming here again.
    if TRIED.swap(true, Ordering::Relaxed) {
        return false;
    }
    if features::MEMCG_ACCOUNTING.is_supported() {
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
            "cannot raise RLIMIT_MEMLOCK ({}); maps and programs may not fit, try `ulimit -l unlimited`",
            io::Error::last_os_error()
        );
    }
    raised
}
