//! Where a C compiler puts the fields of a few bits that the kernel's structures have.
//!
//! The first of them is the lowest bit of its word on little-endian machines, and the highest on
//! big-endian ones (s390x). Flags that are macros (`BPF_F_…`) are plain numbers, the same on all.

/// The field of one bit at `place` (the first is 0) in a word of `width` bits.
pub(crate) const fn bit(place: u32, width: u32) -> u64 {
    at(place, width, cfg!(target_endian = "big"))
}

const fn at(place: u32, width: u32, big: bool) -> u64 {
    match big {
        true => 1 << (width - 1 - place),
        false => 1 << place,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_field_is_the_lowest_bit_or_the_highest() {
        // `gpl_compatible` of `struct bpf_prog_info`, as s390x has it and x86-64.
        assert_eq!(at(0, 32, true), 1 << 31);
        assert_eq!(at(0, 32, false), 1);
        // `freq` of `struct perf_event_attr`, of which 10 fields come before.
        assert_eq!(at(10, 64, true), 1 << 53);
        assert_eq!(at(10, 64, false), 1 << 10);
    }

    #[test]
    fn this_machine_has_its_own_order() {
        assert_eq!(bit(0, 32) as u32, u32::from_ne_bytes(FIRST));
    }

    /// A word whose first field of one bit is set, in memory: the byte that comes first holds it.
    const FIRST: [u8; 4] = [if cfg!(target_endian = "big") { 0x80 } else { 1 }, 0, 0, 0];
}
