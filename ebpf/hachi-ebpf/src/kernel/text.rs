//! Names in the kernel's structures.

/// A name as the kernel's structures hold it: the text, and zeros up to the end of the array, at
/// least one. For constants: a text that is too long is an error when the program is built.
///
/// ```
/// use hachi_ebpf::kernel::c_chars;
///
/// const NAME: [u8; 8] = c_chars("careful");
/// assert_eq!(&NAME, b"careful\0");
/// ```
///
/// # Panics
/// If the text and its zero need more than `N` bytes. In a constant that is an error of the build.
pub const fn c_chars<const N: usize>(text: &str) -> [u8; N] {
    let text = text.as_bytes();
    assert!(
        text.len() < N,
        "the text does not fit with the zero at its end"
    );
    let mut chars = [0; N];
    let mut at = 0;
    while at < text.len() {
        chars[at] = text[at];
        at += 1;
    }
    chars
}
