//! The kernel's error numbers that are given without asking the kernel.

use crate::cty::c_long;

/// There is no such entry.
pub(crate) const ENOENT: c_long = 2;
/// There is no such thing: the loader left no record.
pub(crate) const ESRCH: c_long = 3;
/// Something is too long for where it is put.
pub(crate) const E2BIG: c_long = 7;
/// Nothing can be read there.
pub(crate) const EFAULT: c_long = 14;
/// A bad argument.
pub(crate) const EINVAL: c_long = 22;
/// There is no such function.
pub(crate) const ENOSYS: c_long = 38;
