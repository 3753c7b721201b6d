/// Puts a USDT probe here, as `sys/sdt.h` does for its author: a `nop`, and a note that says where
/// it is, whose it is, and where its arguments are.
///
/// `usdt_probe!(provider, name, semaphore, arguments, operands)`: the semaphore is the symbol of a
/// counter that the kernel raises while somebody watches, or `"0"`; the arguments are as the note
/// has them (`8@%rdi`; for a constant `\044` stands for the dollar sign, which has a meaning of its
/// own here); the operands are those of [`asm!`](core::arch::asm), which put the values there.
/// x86-64.
///
/// # Safety
/// That of `asm!` with these operands: it is to be used inside of an `unsafe` block.
#[macro_export]
macro_rules! usdt_probe {
    (
        $provider:literal, $name:literal, $semaphore:literal, $arguments:literal, $($operands:tt)*
    ) => {
        ::core::arch::asm!(
            "990: nop",
            ".pushsection .note.stapsdt, \"\", \"note\"",
            ".balign 4",
            ".4byte 992f-991f, 994f-993f, 3",
            "991: .asciz \"stapsdt\"",
            "992: .balign 4",
            concat!("993: .8byte 990b, 0, ", $semaphore),
            concat!(".asciz \"", $provider, "\", \"", $name, "\", \"", $arguments, "\""),
            "994: .balign 4",
            ".popsection",
            $($operands)*
        )
    };
}
