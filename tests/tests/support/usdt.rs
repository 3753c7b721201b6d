//! A probe in this program, as its author would mark a place.

/// The USDT probe `hachi:rust`, with three arguments: the value, -42, and the second of the
/// numbers.
#[inline(never)]
pub fn probe(value: u64, memory: &[u32; 2]) {
    // SAFETY: an instruction that does nothing.
    unsafe {
        hachi_test::usdt_probe!(
            "hachi",
            "rust",
            "0",
            "8@%rdi -4@\\044-42 4@4(%rsi)",
            in("rdi") value,
            in("rsi") memory,
        )
    }
}
