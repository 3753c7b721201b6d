//! Binaries: symbols, and places in the file by address.

use std::{
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use hachi_obj::file::ForeignFile;
use object::elf;

use super::{
    debug_files,
    error::{PlaceError, Result},
    image::{Image, Wanted},
    symbols::{Section, Segment, Symbols, offset_in},
};
use crate::{
    near, pattern,
    target::{BinaryProblem, Hint, NoSuchTarget, TargetKind},
};

/// A binary: what of it is looked at.
pub(crate) struct Binary {
    path: PathBuf,
    version: FileVersion,
    /// Bytes of the file.
    len: u64,
    segments: Vec<Segment>,
    symbols: Symbols,
    /// Those of the files and sections with its debugging information, once something is looked for
    /// that the binary itself does not have.
    debug: OnceLock<Vec<Symbols>>,
}

/// A file, and its contents as far as the system tells one from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileVersion {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// Binaries whose symbols were asked for last: probes of one file come one after the other, and
/// reading its symbols takes longer than attaching.
static RECENT: Mutex<Vec<Arc<Binary>>> = Mutex::new(Vec::new());

/// How many are kept, and how many bytes of their files.
const RECENT_COUNT: usize = 4;
const RECENT_BYTES: usize = 128 << 20;

impl Binary {
    /// Reads a binary with its symbols, unless it was read just before.
    pub(crate) fn open(path: &Path) -> Result<Arc<Self>> {
        let file = ForeignFile::open(path).map_err(|error| PlaceError::io(path, error))?;
        let version = FileVersion::of(&file);
        // A thread that panicked was between two single steps.
        let recent = || RECENT.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |known: &Arc<Binary>| known.version == version && known.path == path;
        if let Some(known) = recent().iter().find(|known| is_it(known)) {
            return Ok(Arc::clone(known));
        }
        let binary = Arc::new(Self::read(path, &file, Wanted::Symbols)?);
        let mut recent = recent();
        recent.retain(|known| !is_it(known));
        recent.insert(0, Arc::clone(&binary));
        let mut weight = 0usize;
        recent.truncate(RECENT_COUNT);
        recent.retain(|known| {
            weight = weight.saturating_add(known.symbols.image.weight());
            weight <= RECENT_BYTES
        });
        Ok(binary)
    }

    /// Reads a binary without its symbols.
    pub(crate) fn headers(path: &Path) -> Result<Self> {
        let file = ForeignFile::open(path).map_err(|error| PlaceError::io(path, error))?;
        Self::read(path, &file, Wanted::Headers)
    }

    fn read(path: &Path, file: &ForeignFile, wanted: Wanted) -> Result<Self> {
        let failed = |error| PlaceError::io(path, error);
        let image = Image::read(file, wanted).map_err(failed)?;
        let segments = image.segments().map_err(failed)?;
        let symbols = match wanted {
            Wanted::Headers => Symbols {
                image,
                functions: Vec::new(),
            },
            Wanted::Symbols => Symbols::of(image).map_err(failed)?,
        };
        Ok(Binary {
            path: path.to_owned(),
            version: FileVersion::of(file),
            len: file.size(),
            segments,
            symbols,
            debug: OnceLock::new(),
        })
    }

    fn image(&self) -> &Image {
        &self.symbols.image
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    pub(crate) fn section(&self, name: &str) -> Result<Option<Section<'_>>> {
        let found = self.image().section(name);
        found.map_err(|error| PlaceError::io(&self.path, error))
    }

    /// Bytes of an address, and whether the byte order is the machine's.
    pub(crate) fn word(&self) -> (usize, bool) {
        let word = if self.image().is_64() { 8 } else { 4 };
        (word, self.image().is_native())
    }

    /// Whether it is loaded at other addresses than it was linked for (`ET_DYN`).
    pub(crate) fn is_movable(&self) -> bool {
        let kind = self
            .image()
            .bytes()
            .get(16..18)
            .and_then(|bytes| bytes.try_into().ok());
        kind.map(u16::from_ne_bytes) != Some(elf::ET_EXEC.0)
    }

    /// Where in the file the byte at `address` is.
    pub(crate) fn offset_of(&self, address: u64) -> Result<u64> {
        offset_in(&self.segments, address).ok_or_else(|| {
            PlaceError::unusable(&self.path, BinaryProblem::AddressOutside { address })
        })
    }

    /// The offset in the file that a number stands for: itself, or, in a program that is loaded
    /// where it was linked for, that of the address, which is what its tools print. The kernel does
    /// not look whether there is anything.
    pub(crate) fn offset(&self, number: u64) -> Result<u64> {
        if !self.is_movable() && !self.is_code_at_offset(number) {
            let code: Vec<Segment> = self.code().copied().collect();
            if let Some(offset) = offset_in(&code, number) {
                return Ok(offset);
            }
        }
        if number < self.len {
            return Ok(number);
        }
        Err(PlaceError::unusable(
            &self.path,
            BinaryProblem::OffsetOutside {
                offset: number,
                size: self.len,
            },
        ))
    }

    fn code(&self) -> impl Iterator<Item = &Segment> {
        self.segments.iter().filter(|segment| segment.executable)
    }

    fn is_code_at_offset(&self, offset: u64) -> bool {
        self.code().any(|segment| {
            let inside = offset.checked_sub(segment.offset);
            inside.is_some_and(|inside| inside < segment.size)
        })
    }

    /// The symbols of its debugging information.
    fn debug(&self) -> Result<&[Symbols]> {
        if let Some(known) = self.debug.get() {
            return Ok(known);
        }
        let found = debug_files::find(&self.path, self.image())?;
        Ok(self.debug.get_or_init(|| found))
    }

    /// Where in the file the function called `name` begins. `name` may have a version, as in
    /// `pthread_create@GLIBC_2.2.5`.
    pub(crate) fn function_offset(&self, name: &str) -> Result<u64> {
        let (wanted, version) = match name.split_once('@') {
            Some((wanted, version)) => (wanted, Some(version.trim_start_matches('@'))),
            None => (name, None),
        };
        let mut addresses = self.symbols.addresses(wanted, version);
        if addresses.is_empty() {
            for symbols in self.debug()? {
                addresses = symbols.addresses(wanted, version);
                if !addresses.is_empty() {
                    break;
                }
            }
        }
        match addresses.as_slice() {
            [] => Err(self.no_function(wanted, version)?),
            [address] => self.offset_of(*address),
            _ => Err(PlaceError::unusable(
                &self.path,
                BinaryProblem::Ambiguous {
                    name: name.to_owned(),
                    addresses,
                },
            )),
        }
    }

    /// Where in the file the functions begin whose names fit `pattern`, each place once.
    pub(crate) fn matching_offsets(&self, pattern: &str) -> Result<Vec<u64>> {
        let mut offsets = Vec::new();
        for symbols in std::iter::once(&self.symbols).chain(self.debug()?) {
            offsets.extend(
                symbols
                    .names()
                    .filter(|(name, _)| pattern::fits(pattern.as_bytes(), name.as_bytes()))
                    .filter_map(|(_, function)| offset_in(&self.segments, function.address)),
            );
        }
        offsets.sort_unstable();
        offsets.dedup();
        if offsets.is_empty() {
            return Err(NoSuchTarget::new(TargetKind::Function, pattern)
                .in_file(&self.path)
                .hint(Hint::NothingFits)
                .into());
        }
        Ok(offsets)
    }

    fn no_function(&self, wanted: &str, version: Option<&str>) -> Result<PlaceError> {
        let debug = self.debug()?;
        let all = || std::iter::once(&self.symbols).chain(debug);
        let mut versions = Vec::new();
        let mut is_stripped = true;
        for symbols in all() {
            is_stripped &= symbols.functions.is_empty();
            for function in symbols.named(wanted) {
                versions.extend(symbols.version(function).map(str::to_owned));
            }
        }
        let compressed = match self.section(".gnu_debugdata")? {
            Some(_) => !cfg!(feature = "debuginfo"),
            None => false,
        };
        let hint = if version.is_some() && !versions.is_empty() {
            Hint::Versions(versions)
        } else if compressed {
            Hint::CompressedSymbols
        } else if is_stripped {
            Hint::Stripped
        } else {
            let names = all().flat_map(|symbols| symbols.names().map(|(name, _)| name));
            Hint::Similar(near::similar(wanted, names))
        };
        let name = match version {
            Some(version) => format!("{wanted}@{version}"),
            None => wanted.to_owned(),
        };
        Ok(NoSuchTarget::new(TargetKind::Function, name)
            .in_file(&self.path)
            .hint(hint)
            .into())
    }
}

impl FileVersion {
    fn of(file: &ForeignFile) -> Self {
        let about = file.metadata();
        FileVersion {
            device: about.dev(),
            inode: about.ino(),
            size: about.len(),
            modified: (about.mtime(), about.mtime_nsec()),
            changed: (about.ctime(), about.ctime_nsec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[unsafe(no_mangle)]
    #[inline(never)]
    extern "C" fn hachi_test_function_of_this_binary() -> u32 {
        std::hint::black_box(7)
    }

    #[test]
    fn functions_are_found_where_they_are() {
        assert_eq!(hachi_test_function_of_this_binary(), 7);
        let exe = std::env::current_exe().unwrap();
        let binary = Binary::open(&exe).unwrap();
        let offset = binary
            .function_offset("hachi_test_function_of_this_binary")
            .unwrap();
        // What the file has there is what runs.
        let code = hachi_test_function_of_this_binary as *const u8;
        let bytes = fs::read(&exe).unwrap();
        // SAFETY: at least one instruction lies there.
        assert_eq!(bytes[offset as usize], unsafe { *code });
        let error = binary
            .function_offset("hachi_test_function_of_this_binery")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("did you mean \"hachi_test_function_of_this_binary\"?"),
            "{error}"
        );
    }

    #[test]
    fn refuses_a_path_that_is_not_a_binary() {
        for (path, text) in [("/nowhere", "No such file"), ("/proc/self/status", "")] {
            let Err(error) = Binary::open(Path::new(path)) else {
                panic!("{path}")
            };
            let error = error.to_string();
            assert!(error.contains(path) && error.contains(text), "{error}");
        }
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let Err(error) = Binary::open(Path::new(script)) else {
            panic!()
        };
        assert!(error.to_string().contains("not an ELF file"), "{error}");
    }
}
