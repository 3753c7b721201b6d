//! The licence a program declares to the kernel.

/// Declares the licence of the crate's programs, such as `"GPL"` or `"Dual MIT/GPL"`.
///
/// The kernel offers many helpers to GPL-compatible programs only (`license_is_gpl_compatible` in
/// `include/linux/license.h` lists what counts: `"GPL"`, `"GPL v2"`, `"GPL and additional rights"`,
/// `"Dual BSD/GPL"`, `"Dual MIT/GPL"`, `"Dual MPL/GPL"`). Each helper's documentation says when it
/// is one of these.
///
/// ```
/// hachi_ebpf::license!("Dual MIT/GPL");
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! license {
    ($license:literal) => {
        const _: () = {
            const LEN: usize = $license.len() + 1;
            // A Mach-O section would need a segment as well; objects for the kernel are ELF.
            #[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = "license"))]
            #[unsafe(no_mangle)]
            static LICENSE: [u8; LEN] = $crate::__c_string($license);
        };
    };
}

/// `text` and a NUL; `N` must be one more than its length.
#[doc(hidden)]
pub const fn __c_string<const N: usize>(text: &str) -> [u8; N] {
    let mut bytes = [0; N];
    let mut i = 0;
    while i < text.len() {
        bytes[i] = text.as_bytes()[i];
        i += 1;
    }
    bytes
}
