//! Reads a kernel's files: the kernel inside its self-extracting image, modules, and their BTF.

use crate::error::{Error, IoContext, Malformation, Result};
use std::io::Read;
use std::path::Path;

/// No kernel is larger than this; a size beyond it means a damaged file.
const LARGEST: u64 = 1 << 30;

/// The contents of section `.BTF` of the kernel in the x86 image at `path`.
pub(crate) fn vmlinux_btf(path: &Path) -> Result<Vec<u8>> {
    let image = std::fs::read(path).during("read", path)?;
    let btf = || {
        let kernel = decompress(payload(&image).ok_or(Malformation::NotAnImage)?)?;
        let btf = section(&kernel, b".BTF").ok_or(Malformation::NoBtf)?;
        Ok(btf.to_vec())
    };
    btf().map_err(|problem| Error::Malformed {
        path: path.into(),
        problem,
    })
}

/// A module as the kernel takes it: `.ko.xz` files are decompressed.
pub(crate) fn module(path: &Path) -> Result<Vec<u8>> {
    let bytes = std::fs::read(path).during("read", path)?;
    if path.extension().is_none_or(|extension| extension == "ko") {
        return Ok(bytes);
    }
    decompress(&bytes).map_err(|problem| Error::Malformed {
        path: path.into(),
        problem,
    })
}

/// The modules that a module depends on: the `depends=` entry of its section `.modinfo`.
pub(crate) fn depends(module: &[u8]) -> Vec<String> {
    section(module, b".modinfo")
        .unwrap_or_default()
        .split(|byte| *byte == 0)
        .find_map(|entry| entry.strip_prefix(b"depends="))
        .map(String::from_utf8_lossy)
        .iter()
        .flat_map(|names| names.split(','))
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The compressed kernel in an image, by the x86 boot protocol (version 2.08, Linux ≥ 2.6.26).
fn payload(image: &[u8]) -> Option<&[u8]> {
    if image.get(0x202..0x206)? != b"HdrS" {
        return None;
    }
    let word = |at: usize| {
        let bytes = image.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    };
    let setup = match image[0x1f1] {
        0 => 4,
        sectors => usize::from(sectors),
    };
    let start = (setup + 1) * 512 + word(0x248)?;
    image.get(start..start.checked_add(word(0x24c)?)?)
}

/// Decompresses any format that Debian's kernels use.
fn decompress(data: &[u8]) -> Result<Vec<u8>, Malformation> {
    let mut out = Vec::new();
    let read = match data {
        [0x28, 0xb5, 0x2f, 0xfd, ..] => ruzstd::decoding::StreamingDecoder::new(data)
            .map_err(|error| Malformation::Compression(error.to_string()))?
            .take(LARGEST)
            .read_to_end(&mut out),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => lzma_rust2::XzReader::new(data, false)
            .take(LARGEST)
            .read_to_end(&mut out),
        [0x02, 0x21, 0x4c, 0x18, rest @ ..] => return lz4_blocks(rest),
        [0x7f, b'E', b'L', b'F', ..] => return Ok(data.to_vec()),
        _ => {
            let start = &data[..data.len().min(4)];
            return Err(Malformation::UnknownCompression(start.to_vec()));
        }
    };
    match read {
        Ok(_) if out.len() as u64 == LARGEST => Err(Malformation::TooLarge),
        Ok(_) => Ok(out),
        Err(error) => Err(Malformation::Compression(error.to_string())),
    }
}

/// The blocks of LZ4's legacy frame: each a size and as many bytes, which expand to 8 MiB at most.
/// The kernel's build appends the size of the whole after the last block.
fn lz4_blocks(mut data: &[u8]) -> Result<Vec<u8>, Malformation> {
    const BLOCK: usize = 8 << 20;
    let mut out = Vec::new();
    let mut buffer = vec![0; BLOCK];
    while let Some((size, rest)) = data.split_first_chunk::<4>() {
        let size = u32::from_le_bytes(*size) as usize;
        let Some((block, rest)) = rest.split_at_checked(size) else {
            break;
        };
        let length = lz4_flex::block::decompress_into(block, &mut buffer)
            .map_err(|error| Malformation::Compression(error.to_string()))?;
        out.extend_from_slice(&buffer[..length]);
        if out.len() as u64 > LARGEST {
            return Err(Malformation::TooLarge);
        }
        data = rest;
    }
    Ok(out)
}

/// The contents of a section of a 64-bit little-endian ELF file.
fn section<'a>(elf: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
        bytes.get(at..at.checked_add(N)?)?.try_into().ok()
    }
    let short = |bytes: &[u8], at| Some(usize::from(u16::from_le_bytes(field(bytes, at)?)));
    let word = |bytes: &[u8], at| Some(u32::from_le_bytes(field(bytes, at)?) as usize);
    let long = |bytes: &[u8], at| usize::try_from(u64::from_le_bytes(field(bytes, at)?)).ok();

    if !elf.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let table = elf.get(long(elf, 0x28)?..)?;
    let (size, count, names) = (short(elf, 0x3a)?, short(elf, 0x3c)?, short(elf, 0x3e)?);
    let header = |index: usize| table.get(index.checked_mul(size)?..);
    let contents = |header: &[u8]| {
        let start = long(header, 0x18)?;
        elf.get(start..start.checked_add(long(header, 0x20)?)?)
    };
    let names = contents(header(names)?)?;
    (0..count).filter_map(header).find_map(|header| {
        let this = names
            .get(word(header, 0)?..)?
            .split(|byte| *byte == 0)
            .next()?;
        (this == name).then(|| contents(header))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_sections_by_name() {
        let this = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(section(&this, b".text").unwrap().len() > 1000);
        assert_eq!(section(&this, b".nosuch"), None);
        assert_eq!(section(&this[..100], b".text"), None);
        assert_eq!(section(b"", b".text"), None);
    }

    #[test]
    fn ignores_the_size_after_the_last_lz4_block() {
        let mut data = vec![0x02, 0x21, 0x4c, 0x18];
        for text in [b"first ".as_slice(), b"second".as_slice()] {
            // A block of one sequence: literals only.
            data.extend((text.len() as u32 + 1).to_le_bytes());
            data.push((text.len() as u8) << 4);
            data.extend(text);
        }
        data.extend(12_u32.to_le_bytes());
        assert_eq!(decompress(&data).unwrap(), b"first second");
    }

    #[test]
    fn refuses_data_that_is_not_a_kernel() {
        let unknown = Malformation::UnknownCompression(b"PK".to_vec());
        assert_eq!(decompress(b"PK"), Err(unknown));
        assert!(decompress(&[0x28, 0xb5, 0x2f, 0xfd, 1, 2]).is_err());
        assert!(decompress(b"\xfd7zXZ\0\0").is_err());
        assert!(payload(&[0; 600]).is_none() && payload(b"").is_none());
    }
}
