//! Symbols that a stripped binary has elsewhere: in a file with its debugging information, or
//! compressed in a section (MiniDebugInfo).
//!
//! Where such files are: gdb's manual, "Debugging Information in Separate Files".

use std::{
    fs, io,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use hachi_obj::file::ForeignFile;

use super::{
    error::{PlaceError, Result},
    image::{Image, Wanted},
    symbols::Symbols,
};

/// Where distributions put debugging information.
const DEBUG: &str = "/usr/lib/debug";

/// The symbols of the debugging information of the binary at `path`, as far as there is any.
pub(super) fn find(path: &Path, image: &Image) -> Result<Vec<Symbols>> {
    let failed = |error| PlaceError::io(path, error);
    let mut found = Vec::new();
    found.extend(in_section(image).map_err(failed)?);
    let id = build_id(image).map_err(failed)?;
    let link = debug_link(image).map_err(failed)?;
    for candidate in candidates(path, id, link.map(|(name, _)| name)) {
        let symbols = match read(&candidate, id, link.map(|(_, sum)| sum)) {
            Ok(symbols) => symbols,
            Err(error) if is_of_the_system(&error) => {
                return Err(PlaceError::io(candidate, error));
            }
            // There is none there, or it is another's, or damaged: as if there were none.
            Err(error) => {
                log::debug!("{}: {error}", candidate.display());
                continue;
            }
        };
        found.push(symbols);
        break;
    }
    Ok(found)
}

/// Whether the system lacks something, so that it is unknown what the file is.
fn is_of_the_system(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::EIO)
    )
}

/// The files where its debugging information may be, likeliest first.
fn candidates(path: &Path, id: Option<&[u8]>, link: Option<&[u8]>) -> Vec<PathBuf> {
    // A process in a container has it in its own root, or we have it in ours.
    let mut roots = Vec::new();
    let mut parts = path.components();
    let is_inside = parts.nth(1).is_some_and(|part| part.as_os_str() == "proc")
        && parts.nth(1).is_some_and(|part| part.as_os_str() == "root");
    if is_inside {
        roots.extend(path.ancestors().find(|path| path.components().count() == 4));
    }
    roots.push(Path::new("/"));
    let below = |root: &Path, path: &Path| root.join(path.strip_prefix("/").unwrap_or(path));

    let mut candidates = Vec::new();
    if let Some((first, rest)) = id.and_then(<[u8]>::split_first)
        && !rest.is_empty()
    {
        let rest: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
        let file = format!("{DEBUG}/.build-id/{first:02x}/{rest}.debug");
        candidates.extend(roots.iter().map(|root| below(root, Path::new(&file))));
    }
    // The name is of a file beside it: with a slash it would lead anywhere.
    if let Some(name) = link.filter(|name| !name.is_empty() && !name.contains(&b'/')) {
        let name = Path::new(std::ffi::OsStr::from_bytes(name));
        let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let directory = real.parent().unwrap_or(Path::new("/"));
        candidates.push(directory.join(name));
        candidates.push(directory.join(".debug").join(name));
        for root in &roots {
            let inside = directory.strip_prefix(root).unwrap_or(directory);
            let inside = inside.strip_prefix("/").unwrap_or(inside);
            candidates.push(below(root, Path::new(DEBUG)).join(inside).join(name));
        }
        candidates.retain(|candidate| *candidate != real);
    }
    candidates
}

/// Reads such a file if it is that of the binary: by the build id, or by the checksum where there
/// is none.
fn read(path: &Path, id: Option<&[u8]>, sum: Option<u32>) -> io::Result<Symbols> {
    let file = ForeignFile::open(path)?;
    let image = Image::read(&file, Wanted::Symbols)?;
    let is_its = match (id, build_id(&image)?) {
        (Some(ours), Some(its)) => ours == its,
        _ => match sum {
            Some(sum) => checksum(&file)? == sum,
            None => false,
        },
    };
    if is_its {
        return Symbols::of(image);
    }
    let text = "it is the debugging information of another binary";
    Err(io::Error::new(io::ErrorKind::InvalidData, text))
}

/// What tells a build of a binary from others.
fn build_id(image: &Image) -> io::Result<Option<&[u8]>> {
    const NT_GNU_BUILD_ID: u32 = 3;
    let Some(section) = image.section(".note.gnu.build-id")? else {
        return Ok(None);
    };
    let word = |at: usize| {
        let bytes = section.data.get(at..)?.first_chunk::<4>()?;
        Some(u32::from_ne_bytes(*bytes))
    };
    let note = || {
        let (name, size) = (word(0)?, word(4)?);
        let is_it = name == 4 && word(8)? == NT_GNU_BUILD_ID && image.is_native();
        let id = section.data.get(16..16usize.checked_add(size as usize)?)?;
        (is_it && section.data.get(12..16)? == b"GNU\0").then_some(id)
    };
    Ok(note())
}

/// The name of the file with its debugging information, and its checksum.
fn debug_link(image: &Image) -> io::Result<Option<(&[u8], u32)>> {
    let Some(section) = image.section(".gnu_debuglink")? else {
        return Ok(None);
    };
    let link = || {
        let end = section.data.iter().position(|&byte| byte == 0)?;
        let at = (end + 1).next_multiple_of(4);
        let sum = section.data.get(at..)?.first_chunk::<4>()?;
        Some((&section.data[..end], u32::from_ne_bytes(*sum)))
    };
    Ok(link().filter(|_| image.is_native()))
}

/// The CRC-32 of a file, of at most [`LARGEST`](hachi_obj::file::LARGEST) bytes.
fn checksum(file: &ForeignFile) -> io::Result<u32> {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut at = 0;
        while at < 256 {
            let mut value = at as u32;
            let mut bit = 0;
            while bit < 8 {
                value = value >> 1 ^ if value & 1 == 1 { 0xedb8_8320 } else { 0 };
                bit += 1;
            }
            table[at] = value;
            at += 1;
        }
        table
    };
    if file.size() > hachi_obj::file::LARGEST {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut buffer = vec![0; 64 * 1024];
    let (mut at, mut sum) = (0, !0u32);
    while at < file.size() {
        let count = (file.size() - at).min(buffer.len() as u64) as usize;
        file.read_at(at, &mut buffer[..count])?;
        for byte in &buffer[..count] {
            sum = TABLE[usize::from(sum as u8 ^ byte)] ^ sum >> 8;
        }
        at += count as u64;
    }
    Ok(!sum)
}

/// MiniDebugInfo: an ELF file with symbols, compressed.
#[cfg(feature = "debuginfo")]
fn in_section(image: &Image) -> io::Result<Option<Symbols>> {
    use super::image::MOST_DECOMPRESSED;
    use std::io::Read as _;
    /// What decompressing may take, in KiB.
    const MEMORY: u32 = 128 << 10;
    let Some(section) = image.section(".gnu_debugdata")? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    let reader = lzma_rust2::XzReader::new_mem_limit(section.data, false, MEMORY);
    reader.take(MOST_DECOMPRESSED + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_DECOMPRESSED {
        let text = "the symbols in .gnu_debugdata have more than 256 MiB";
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    Symbols::of(Image::Whole(bytes)).map(Some)
}

#[cfg(not(feature = "debuginfo"))]
fn in_section(_: &Image) -> io::Result<Option<Symbols>> {
    Ok(None)
}
