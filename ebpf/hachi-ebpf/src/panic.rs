//! What a panic does: nothing that could be seen.

/// The verifier accepts no program that can loop forever. The linker therefore replaces calls that
/// never return by the end of the program (an XDP program returns `XDP_ABORTED`), so this function
/// is never reached; the compiler only wants it to exist.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    #[allow(clippy::empty_loop, reason = "there is nothing to wait for")]
    loop {}
}
