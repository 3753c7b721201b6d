//! The kernel's helper functions, by the names of `include/uapi/linux/bpf.h`, which documents them
//! at length (also the manual page bpf-helpers(7)).
//!
//! [`generated`] has all of them as the kernel has them. They are here under the same names, except
//! where there is a form that is safer or knows the types.
//!
//! Each says which kernel has it first, whether it is for programs of a GPL-compatible licence only,
//! and which types of programs may call it in a current kernel (6.18; older ones allow fewer).
//!
//! In a build for the development machine there is no kernel behind them: pointers come back null,
//! results negative (`-ENOSYS`), numbers zero.

#[macro_use]
mod call;
#[rustfmt::skip]
pub mod generated;
mod printk;
mod tracing;

pub use tracing::*;

pub use generated::*;

use crate::cty::c_long;

/// What a helper returned, as a `Result`: negative numbers are errors (`-errno`).
#[inline(always)]
pub(crate) fn check(result: c_long) -> Result<(), c_long> {
    if result < 0 { Err(result) } else { Ok(()) }
}
