//! The running kernel's configuration.

use std::{fmt, io, path::PathBuf};

use hachi_obj::file;

use crate::version;

/// Where the kernel shows its configuration, if it was built with CONFIG_IKCONFIG_PROC.
const IN_PROC: &str = "/proc/config.gz";

/// Beyond what any kernel's configuration has: they have a quarter of a megabyte.
const LARGEST: u64 = 16 << 20;

/// A kernel configuration, and where it comes from.
pub(crate) struct KernelConfig {
    pub(crate) source: String,
    pub(crate) text: String,
}

/// The configuration of the running kernel cannot be read.
#[derive(Debug)]
#[non_exhaustive]
pub struct NoKernelConfig {
    /// The files where it was looked for, and why each cannot be read.
    pub tried: Vec<(PathBuf, io::Error)>,
}

impl fmt::Display for NoKernelConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (path, error)) in self.tried.iter().enumerate() {
            let before = if number == 0 { "" } else { "; " };
            write!(f, "{before}{}: {error}", path.display())?;
        }
        Ok(())
    }
}

impl std::error::Error for NoKernelConfig {}

/// The configuration of the running kernel: `/boot/config-RELEASE`, else `/proc/config.gz`.
pub(crate) fn read() -> Result<KernelConfig, NoKernelConfig> {
    let release = version::release().unwrap_or_default();
    let in_boot = format!("/boot/config-{release}");
    let mut tried = Vec::new();
    for path in [&*in_boot, IN_PROC] {
        match file::read(path, LARGEST).and_then(unpacked) {
            Ok(bytes) => {
                return Ok(KernelConfig {
                    source: path.to_owned(),
                    text: String::from_utf8_lossy(&bytes).into_owned(),
                });
            }
            Err(error) => tried.push((path.into(), error)),
        }
    }
    Err(NoKernelConfig { tried })
}

/// What is in a gzip file (RFC 1952); other files as they are.
fn unpacked(bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    match bytes.starts_with(&[0x1f, 0x8b]) {
        true => gunzip(&bytes).map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why)),
        false => Ok(bytes),
    }
}

#[cfg(not(feature = "config-gz"))]
fn gunzip(_: &[u8]) -> Result<Vec<u8>, &'static str> {
    Err("it is compressed, and hachi was built without its feature `config-gz`")
}

#[cfg(feature = "config-gz")]
fn gunzip(bytes: &[u8]) -> Result<Vec<u8>, &'static str> {
    let body = skip_header(bytes).ok_or("the gzip file is damaged or truncated")?;
    miniz_oxide::inflate::decompress_to_vec_with_limit(body, LARGEST as usize)
        .map_err(|_| "the gzip file is damaged, truncated or far too large")
}

/// What follows the header: name and comment end in NUL, the rest has lengths.
#[cfg(feature = "config-gz")]
fn skip_header(bytes: &[u8]) -> Option<&[u8]> {
    const CRC: u8 = 1 << 1;
    const EXTRA: u8 = 1 << 2;
    const NAME: u8 = 1 << 3;
    const COMMENT: u8 = 1 << 4;
    /// The only method there is, "deflate".
    const DEFLATE: u8 = 8;
    let (&[_, _, method, flags, ..], mut rest) = bytes.split_first_chunk::<10>()?;
    if method != DEFLATE {
        return None;
    }
    if flags & EXTRA != 0 {
        let (len, after) = rest.split_first_chunk::<2>()?;
        rest = after.get(usize::from(u16::from_le_bytes(*len))..)?;
    }
    for flag in [NAME, COMMENT] {
        if flags & flag != 0 {
            let end = rest.iter().position(|&byte| byte == 0)?;
            rest = &rest[end + 1..];
        }
    }
    rest.get(if flags & CRC != 0 { 2 } else { 0 }..)
}

#[cfg(all(test, feature = "config-gz"))]
mod tests {
    use super::*;

    /// `printf 'CONFIG_HZ=250\n' | gzip -n`.
    const PACKED: &[u8] = &[
        0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0x73, 0xf6, 0xf7, 0x73, 0xf3,
        0x74, 0x8f, 0xf7, 0x88, 0xb2, 0x35, 0x32, 0x35, 0xe0, 0x02, 0x00,
    ];

    #[test]
    fn gzip_files_are_unpacked() {
        let text = b"CONFIG_HZ=250\n";
        assert_eq!(unpacked(PACKED.to_vec()).unwrap(), text);
        assert_eq!(unpacked(text.to_vec()).unwrap(), text);
        // With extra field, name, comment and checksum of the header.
        let mut full = PACKED[..10].to_vec();
        full[3] = 0x1e;
        full.extend(b"\x03\0abcconfig\0why\0\x12\x34");
        full.extend(&PACKED[10..]);
        assert_eq!(unpacked(full).unwrap(), text);
    }

    #[test]
    fn damaged_files_are_errors() {
        for end in 2..PACKED.len() - 1 {
            unpacked(PACKED[..end].to_vec()).unwrap_err();
        }
        let mut flags = PACKED.to_vec();
        flags[3] = 0xff;
        unpacked(flags).unwrap_err();
        unpacked(b"\x1f\x8b\x07000000000000".to_vec()).unwrap_err();
    }
}
