//! A probe in this program, as its author would mark a place.

use std::arch::asm;

/// The USDT probe `hachi:rust`: a `nop`, and a note that says where it is, and where its arguments are
/// (the value, -42, and the second of the numbers).
#[inline(never)]
pub fn probe(value: u64, memory: &[u32; 2]) {
    // SAFETY: an instruction that does nothing.
    unsafe {
        asm!(
            "990: nop",
            ".pushsection .note.stapsdt, \"\", \"note\"",
            ".balign 4",
            ".4byte 992f-991f, 994f-993f, 3",
            "991: .asciz \"stapsdt\"",
            "992: .balign 4",
            "993: .8byte 990b, 0, 0",
            // `\044` is a dollar sign, which has a meaning of its own in the template.
            ".asciz \"hachi\", \"rust\", \"8@%rdi -4@\\044-42 4@4(%rsi)\"",
            "994: .balign 4",
            ".popsection",
            in("rdi") value,
            in("rsi") memory,
        )
    }
}
