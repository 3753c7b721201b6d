//! In `hachi::maps`.

use crate::maps::ElementFlags;

/// [`ElementFlags::ANY`].
#[doc(hidden)]
pub const BPF_ANY: u64 = ElementFlags::ANY.bits();
/// [`ElementFlags::NO_EXIST`].
#[doc(hidden)]
pub const BPF_NOEXIST: u64 = ElementFlags::NO_EXIST.bits();
/// [`ElementFlags::EXIST`].
#[doc(hidden)]
pub const BPF_EXIST: u64 = ElementFlags::EXIST.bits();
/// [`ElementFlags::LOCK`].
#[doc(hidden)]
pub const BPF_F_LOCK: u64 = ElementFlags::LOCK.bits();
