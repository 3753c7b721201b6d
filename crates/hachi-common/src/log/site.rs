//! The constant that describes one call of a logging macro.

use super::Level;

/// Length of the fixed part of a site.
pub const SITE_HEADER_LEN: usize = 14;

/// Length in bytes of the site with these texts, padding included.
pub const fn site_len(target: &str, file: &str, format: &str) -> usize {
    let len = SITE_HEADER_LEN + target.len() + file.len() + format.len();
    let padded = len.div_ceil(8) * 8;
    // The low byte of the length comes first; a reader that walks the section takes a zero there
    // for padding.
    if padded.is_multiple_of(256) {
        padded + 8
    } else {
        padded
    }
}

/// The number by which a record names its site: the 32-bit FNV-1a hash of all the site's bytes.
///
/// The linker refuses two different sites of one number.
pub const fn site_number(site: &[u8]) -> u32 {
    let mut number: u32 = 0x811c_9dc5;
    let mut i = 0;
    while i < site.len() {
        number = (number ^ site[i] as u32).wrapping_mul(0x0100_0193);
        i += 1;
    }
    number
}

/// The sites in the contents of the section [`SECTION`](super::SECTION), each with the place where
/// it starts. A site cut short ends them.
pub fn sites(section: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    core::iter::from_fn(move || {
        // Linkers pad with zeros.
        while section.get(at) == Some(&0) {
            at += 8;
        }
        let rest = section.get(at..)?;
        let site = rest.get(..usize::from(u16::from_le_bytes(*rest.first_chunk()?)))?;
        let start = at;
        at += site.len().next_multiple_of(8);
        Some((start, site))
    })
}

/// A site as bytes; `N` is its [`site_len`].
///
/// The logging macros of `hachi-ebpf` make one static of this type for each call.
#[repr(C, align(8))]
pub struct SiteBytes<const N: usize>([u8; N]);

impl<const N: usize> SiteBytes<N> {
    /// Encodes a site. [`check`](super::check) is what refuses a wrong format string.
    ///
    /// # Panics
    /// At compile time, when the texts together are 64 KiB or longer, or when `N` is not their
    /// [`site_len`].
    pub const fn new(
        level: Level,
        placeholders: u8,
        line: u32,
        target: &str,
        file: &str,
        format: &str,
    ) -> Self {
        assert!(
            N == site_len(target, file, format),
            "wrong length for this log site"
        );
        assert!(
            N < 1 << 16,
            "the texts of a log message must be shorter than 64 KiB"
        );
        let mut bytes = [0; N];
        put(&mut bytes, 0, &(N as u16).to_le_bytes());
        bytes[2] = level as u8;
        bytes[3] = placeholders;
        put(&mut bytes, 4, &line.to_le_bytes());
        put(&mut bytes, 8, &(target.len() as u16).to_le_bytes());
        put(&mut bytes, 10, &(file.len() as u16).to_le_bytes());
        put(&mut bytes, 12, &(format.len() as u16).to_le_bytes());
        put(&mut bytes, SITE_HEADER_LEN, target.as_bytes());
        put(&mut bytes, SITE_HEADER_LEN + target.len(), file.as_bytes());
        put(
            &mut bytes,
            SITE_HEADER_LEN + target.len() + file.len(),
            format.as_bytes(),
        );
        SiteBytes(bytes)
    }

    /// The site's [`site_number`].
    pub const fn number(&self) -> u32 {
        site_number(&self.0)
    }

    /// The encoded site.
    pub const fn as_bytes(&self) -> &[u8; N] {
        &self.0
    }
}

const fn put(to: &mut [u8], at: usize, from: &[u8]) {
    let mut i = 0;
    while i < from.len() {
        to[at + i] = from[i];
        i += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_as_documented() {
        const N: usize = site_len("t", "f.rs", "x {}");
        static SITE: SiteBytes<N> = SiteBytes::new(Level::Info, 1, 258, "t", "f.rs", "x {}");
        let mut expected = vec![24, 0, 3, 1, 2, 1, 0, 0, 1, 0, 4, 0, 4, 0];
        expected.extend_from_slice(b"tf.rsx {}\0");
        assert_eq!(SITE.as_bytes()[..], expected[..]);
    }

    #[test]
    fn numbers_are_fnv_1a() {
        assert_eq!(site_number(b""), 0x811c_9dc5);
        assert_eq!(site_number(b"foobar"), 0xbf9c_f968);
    }

    #[test]
    fn the_first_byte_is_never_zero() {
        let text = "x".repeat(600);
        for n in 0..600 {
            let len = site_len("", "", &text[..n]);
            assert!(len.is_multiple_of(8) && len & 0xff != 0 && len >= SITE_HEADER_LEN + n);
        }
    }
}
