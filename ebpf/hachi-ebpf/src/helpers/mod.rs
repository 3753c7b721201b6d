//! The kernel's helper functions, by the names of `include/uapi/linux/bpf.h`, which documents them
//! at length (also the manual page bpf-helpers(7)).
//!
//! [`generated`] has all of them as the kernel has them. They are here under the same names, except
//! where there is a form that is safer or knows the types.
//!
//! Each says which kernel has it first, whether it is for programs of a GPL-compatible licence
//! only, and which types of programs may call it in a current kernel (6.18; older ones allow
//! fewer).
//!
//! In a build for the development machine there is no kernel behind them: pointers come back null,
//! results negative (`-ENOSYS`), numbers zero. With the feature `test` there is one in the process
//! itself: see the module `test`.

#[macro_use]
mod call;
#[rustfmt::skip]
pub mod generated;
mod memory;
mod printk;
mod text;

pub use generated::*;
// These take the place of what is generated under the same names.
pub use memory::{
    bpf_copy_from_user, bpf_copy_from_user_buf, bpf_get_current_comm, bpf_get_current_comm_buf,
    bpf_get_ns_current_pid_tgid, bpf_probe_read, bpf_probe_read_buf, bpf_probe_read_kernel,
    bpf_probe_read_kernel_buf, bpf_probe_read_kernel_str_bytes, bpf_probe_read_str_bytes,
    bpf_probe_read_user, bpf_probe_read_user_buf, bpf_probe_read_user_str_bytes,
};
#[doc(hidden)]
pub use text::__snprintf;
pub use text::{bpf_strncmp, bpf_strtol, bpf_strtoul};

use crate::cty::c_long;
use crate::errno::ENOSYS;

/// What a helper returned, as a `Result`: negative numbers are errors (`-errno`).
///
/// Only the lower half counts: until 6.4 some maps' operations returned an `int`, and where the
/// kernel calls them in the helper's place the upper half is not of the same sign.
#[inline(always)]
pub(crate) fn check(result: c_long) -> Result<(), c_long> {
    let result = result as i32;
    if result < 0 {
        Err(result.into())
    } else {
        Ok(())
    }
}

/// What a function of the kernel gives where there is none.
#[cfg(not(hachi_bpf))]
pub(crate) fn absent() -> c_long {
    -ENOSYS
}

/// As [`check`], of a function that the kernel need not have.
pub(crate) fn check_found(result: Option<i32>) -> Result<(), c_long> {
    check(result.map_or(-ENOSYS, c_long::from))
}

/// The difference between the checksums of `from` and `to`, either of which may be empty, added to
/// `seed` (4.6). Both have at most 128 elements.
///
/// # Errors
/// `-EINVAL` when one is longer.
#[inline(always)]
pub fn csum_diff(from: &[u32], to: &[u32], seed: u32) -> Result<u32, c_long> {
    // SAFETY: both are readable for their lengths.
    let result = unsafe {
        generated::bpf_csum_diff(
            from.as_ptr(),
            size_of_val(from) as u32,
            to.as_ptr(),
            size_of_val(to) as u32,
            seed,
        )
    };
    check(result)?;
    Ok(result as u32)
}
