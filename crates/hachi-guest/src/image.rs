//! Reads a kernel's files: the kernel inside its self-extracting image, modules, and their BTF.

use crate::error::{Error, IoContext, Malformation, Result};
use hachi_build::Arch;
use std::borrow::Cow;
use std::io::Read;
use std::path::{Path, PathBuf};

/// No kernel is larger than this; a size beyond it means a damaged file.
const LARGEST: u64 = 1 << 30;

/// How data begins that gzip, zstd, xz or LZ4 compressed.
const GZIP: &[u8] = &[0x1f, 0x8b, 8];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const XZ: &[u8] = &[0xfd, b'7', b'z', b'X', b'Z', 0];
const LZ4: &[u8] = &[0x02, 0x21, 0x4c, 0x18];
const PACKED: [&[u8]; 4] = [GZIP, ZSTD, XZ, LZ4];

/// The types of the kernel in the image at `path`: contents of its section `.BTF`.
pub(crate) fn vmlinux_btf(path: &Path) -> Result<Vec<u8>> {
    let image = std::fs::read(path).during("read", path)?;
    let btf = || {
        let kernel = kernel_in(&image)?;
        let btf = section(&kernel, b".BTF").or_else(|| btf_in(&kernel));
        Ok(btf.ok_or(Malformation::NoBtf)?.to_vec())
    };
    btf().map_err(|problem| Error::Malformed {
        path: path.into(),
        problem,
    })
}

/// The release that an image names (`6.1.0-56-cloud-amd64`), and the machine that it is for.
pub(crate) fn release(path: &Path) -> Result<(String, Arch)> {
    let image = std::fs::read(path).during("read", path)?;
    let machine = machine(&image);
    let release = machine.and_then(|arch| match arch {
        Arch::X86_64 => release_of(&image),
        _ => banner(&kernel_in(&image).ok()?),
    });
    release.zip(machine).ok_or_else(|| Error::Malformed {
        path: path.into(),
        problem: Malformation::NotAnImage,
    })
}

/// The machine that an image is for, by what its format has at a fixed place.
fn machine(image: &[u8]) -> Option<Arch> {
    let has = |at: usize, bytes: &[u8]| image.get(at..at + bytes.len()) == Some(bytes);
    // The last is of PE files, which images in EFI's format are: `Machine` of their header.
    let pe = || {
        let header = usize::try_from(u32_at(image, 0x3c)?).ok()?;
        image
            .get(header..)?
            .strip_prefix(b"PE\0\0")?
            .first_chunk()
            .copied()
            .map(u16::from_le_bytes)
    };
    if has(0x202, b"HdrS") {
        Some(Arch::X86_64)
    } else if has(0x38, b"ARM\x64") || has(0, b"MZ") && pe() == Some(0xaa64) {
        Some(Arch::Aarch64)
    } else if has(0x38, b"RSC\x05") || has(0, b"MZ") && pe() == Some(0x5064) {
        Some(Arch::Riscv64)
    } else if has(0x10008, b"S390EP") {
        Some(Arch::S390x)
    } else if image.starts_with(GZIP) {
        // `Image.gz` of arm64 and riscv64.
        machine(&decompress(image).ok()?)
    } else {
        None
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at.checked_add(4)?)?;
    word.try_into().ok().map(u32::from_le_bytes)
}

/// The kernel itself, as an ELF file (x86) or as it lies in memory.
fn kernel_in(image: &[u8]) -> Result<Cow<'_, [u8]>, Malformation> {
    if image.starts_with(GZIP) {
        return decompress(image).map(Cow::Owned);
    }
    if let Some(payload) = zboot(image) {
        return decompress(payload).map(Cow::Owned);
    }
    match machine(image) {
        Some(Arch::X86_64) => {
            let payload = payload(image).ok_or(Malformation::NotAnImage)?;
            decompress(payload).map(Cow::Owned)
        }
        // The kernel is packed into it at a place that only its own code knows.
        Some(Arch::S390x) => packed_in(image).map(Cow::Owned),
        Some(_) => Ok(Cow::Borrowed(image)),
        None => Err(Malformation::NotAnImage),
    }
}

/// The compressed kernel in an image that unpacks itself as a program of EFI
/// (`drivers/firmware/efi/libstub/zboot-header.S`).
fn zboot(image: &[u8]) -> Option<&[u8]> {
    image.get(4..)?.strip_prefix(b"zimg")?;
    let start = usize::try_from(u32_at(image, 8)?).ok()?;
    let size = usize::try_from(u32_at(image, 12)?).ok()?;
    image.get(start..start.checked_add(size)?)
}

/// The first thing in an image that begins as compressed data does, and is as large as a kernel.
fn packed_in(image: &[u8]) -> Result<Vec<u8>, Malformation> {
    const KERNEL: usize = 4 << 20;
    let mut failure = Malformation::NotAnImage;
    for at in 0..image.len() {
        let rest = &image[at..];
        if !PACKED.iter().any(|magic| rest.starts_with(magic)) {
            continue;
        }
        match decompress(rest) {
            Ok(kernel) if kernel.len() >= KERNEL => return Ok(kernel),
            Ok(_) => {}
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// The types in a kernel as it lies in memory: where there is a header of BTF, of either byte
/// order, whose sizes fit and are those of a kernel's types.
fn btf_in(kernel: &[u8]) -> Option<&[u8]> {
    const TYPES: usize = 64 << 10;
    // Magic number, version 1, no flags, and a header of 24 bytes.
    let orders = [
        (
            [0x9f, 0xeb, 1, 0, 24, 0, 0, 0],
            u32::from_le_bytes as fn(_) -> _,
        ),
        ([0xeb, 0x9f, 1, 0, 0, 0, 0, 24], u32::from_be_bytes),
    ];
    // It is aligned as its words are.
    (0..kernel.len()).step_by(4).find_map(|at| {
        let rest = &kernel[at..];
        let (_, number) = orders.iter().find(|(start, _)| rest.starts_with(start))?;
        let field = |index: usize| {
            let bytes = rest.get(8 + 4 * index..)?.first_chunk()?;
            usize::try_from(number(*bytes)).ok()
        };
        let (types, types_size, strings, strings_size) =
            (field(0)?, field(1)?, field(2)?, field(3)?);
        let fits = types == 0 && strings >= types_size && types_size >= TYPES;
        let end = strings.checked_add(strings_size)?.checked_add(24)?;
        let whole = rest.get(..end).filter(|_| fits)?;
        // Strings begin with the empty one and end a string.
        let bounds = (whole.get(24 + strings)?, whole.last()?);
        (bounds == (&0, &0)).then_some(whole)
    })
}

/// The release in what the kernel prints first: `Linux version 6.12.1 (…`.
fn banner(kernel: &[u8]) -> Option<String> {
    const START: &[u8] = b"Linux version ";
    let digit = |at: &usize| kernel.get(at + START.len()).is_some_and(u8::is_ascii_digit);
    let at = (0..kernel.len())
        .filter(|&at| kernel[at..].starts_with(START))
        .find(digit)?;
    release_in(&kernel[at + START.len()..])
}

/// The word that the text begins with, if it can be a release and no path.
fn release_in(text: &[u8]) -> Option<String> {
    let text = &text[..text.len().min(128)];
    let text = text.split(|byte| *byte == 0).next()?;
    let release = std::str::from_utf8(text).ok()?.split(' ').next()?;
    (!release.is_empty() && !release.contains('/')).then(|| release.to_owned())
}

/// By the x86 boot protocol: `kernel_version` is where the text is, less 512.
fn release_of(image: &[u8]) -> Option<String> {
    if image.get(0x202..0x206)? != b"HdrS" {
        return None;
    }
    let at = usize::from(u16::from_le_bytes(
        image.get(0x20e..0x210)?.try_into().ok()?,
    )) + 0x200;
    release_in(image.get(at..)?)
}

/// The file of a module in a directory, or `depth` directories below it.
pub(crate) fn find_module(directory: &Path, name: &str, depth: u32) -> Option<PathBuf> {
    let mut below = Vec::new();
    for entry in std::fs::read_dir(directory).ok()?.flatten() {
        let path = entry.path();
        let file = entry.file_name();
        let file = file.to_str().unwrap_or_default();
        let stem = file
            .strip_suffix(".ko")
            .or_else(|| file.strip_suffix(".ko.xz"));
        if stem.is_some_and(|stem| stem.replace('-', "_") == name) && path.is_file() {
            return Some(path);
        }
        if depth > 0 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            below.push(path);
        }
    }
    below
        .iter()
        .find_map(|path| find_module(path, name, depth - 1))
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
        [0x1f, 0x8b, 8, ..] => flate2::read::GzDecoder::new(data)
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
    fn the_header_names_the_release() {
        let mut image = vec![0; 0x400];
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x20e..0x210].copy_from_slice(&0x100_u16.to_le_bytes());
        let text = b"6.1.0-56-cloud-amd64 (builder) #1 SMP\0";
        image[0x300..0x300 + text.len()].copy_from_slice(text);
        assert_eq!(release_of(&image).as_deref(), Some("6.1.0-56-cloud-amd64"));
        image[0x300..0x304].copy_from_slice(b"../x");
        assert_eq!(release_of(&image), None);
        assert_eq!(release_of(&image[..0x300]), None);
        assert_eq!(release_of(b""), None);
    }

    /// Bytes with others at some places.
    fn with(size: usize, places: &[(usize, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0xaa; size];
        for (at, part) in places {
            bytes[*at..*at + part.len()].copy_from_slice(part);
        }
        bytes
    }

    #[test]
    fn images_tell_their_machine() {
        let of = |places: &[(usize, &[u8])]| machine(&with(0x10100, places));
        assert_eq!(of(&[(0x202, b"HdrS")]), Some(Arch::X86_64));
        assert_eq!(of(&[(0x38, b"ARM\x64")]), Some(Arch::Aarch64));
        assert_eq!(of(&[(0x38, b"RSC\x05")]), Some(Arch::Riscv64));
        assert_eq!(of(&[(0x10008, b"S390EP")]), Some(Arch::S390x));
        // Packed as a program of EFI's: only the header of that tells.
        let efi: &[(usize, &[u8])] = &[(0, b"MZ"), (0x3c, &[0x40, 0, 0, 0])];
        let header: &[(usize, &[u8])] = &[(0x40, b"PE\0\0\x64\xaa")];
        assert_eq!(of(&[efi, header].concat()), Some(Arch::Aarch64));
        assert_eq!(of(efi), None);
        assert_eq!(machine(b"MZ"), None);
        assert_eq!(machine(b""), None);
    }

    #[test]
    fn a_kernel_in_memory_shows_its_release() {
        let text = b"Linux version %s\0Linux version 6.12.9-cloud-arm64 (builder)\0";
        let kernel = with(4096, &[(100, text)]);
        assert_eq!(banner(&kernel).as_deref(), Some("6.12.9-cloud-arm64"));
        assert_eq!(banner(&with(4096, &[(100, b"Linux version 6/x")])), None);
        assert_eq!(banner(b"Linux version "), None);
    }

    /// Types of that many bytes, and strings, in either byte order.
    fn types(size: u32, number: fn(u32) -> [u8; 4], magic: [u8; 2]) -> Vec<u8> {
        let strings = b"\0int\0";
        let header = [24, 0, size, size, strings.len() as u32].map(number);
        let start = [magic.as_slice(), &[1, 0]].concat();
        let types = vec![7; size as usize];
        [start, header.concat(), types, strings.to_vec()].concat()
    }

    #[test]
    fn types_are_found_in_a_kernel_of_either_byte_order() {
        for (number, magic) in [
            (u32::to_le_bytes as fn(u32) -> _, [0x9f, 0xeb]),
            (u32::to_be_bytes, [0xeb, 0x9f]),
        ] {
            let whole = types(70_000, number, magic);
            // One that is too small to be a kernel's comes first.
            let small = types(8, number, magic);
            let kernel = with(200_000, &[(16, &small), (4096, &whole)]);
            assert_eq!(btf_in(&kernel), Some(whole.as_slice()));
            assert_eq!(btf_in(&kernel[..50_000]), None);
            assert_eq!(btf_in(&with(200_000, &[(4097, &whole)])), None);
        }
        assert_eq!(btf_in(b""), None);
    }

    #[test]
    fn a_kernel_packed_for_efi_is_found() {
        let image = with(
            64,
            &[
                (0, b"MZ\0\0zimg"),
                (8, &40_u32.to_le_bytes()),
                (12, &6_u32.to_le_bytes()),
                (40, b"packed"),
            ],
        );
        assert_eq!(zboot(&image), Some(b"packed".as_slice()));
        assert_eq!(zboot(&image[..44]), None);
        assert_eq!(zboot(&[0; 64]), None);
    }

    #[test]
    fn modules_are_found_at_any_depth() {
        let directory = tempfile::tempdir().unwrap();
        let below = directory.path().join("kernel/net");
        std::fs::create_dir_all(&below).unwrap();
        std::fs::write(below.join("cls-bpf.ko.xz"), "").unwrap();
        let found = find_module(directory.path(), "cls_bpf", 8);
        assert_eq!(found, Some(below.join("cls-bpf.ko.xz")));
        assert_eq!(find_module(directory.path(), "cls_bpf", 0), None);
        assert_eq!(find_module(directory.path(), "veth", 8), None);
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
