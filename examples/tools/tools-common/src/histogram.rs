//! A histogram with a slot for each power of two; `biolatency` and `runqlat` fill one each, the
//! per-CPU array `HISTOGRAM`.

/// The number of slots.
pub const SLOTS: u32 = 32;

/// The slot of a number: 0 for 0 and 1, then 1 for 2 and 3, 2 for 4 to 7; the last for all that is
/// larger.
#[inline(always)]
pub const fn slot(number: u64) -> u32 {
    let slot = (number | 1).ilog2();
    if slot < SLOTS { slot } else { SLOTS - 1 }
}
