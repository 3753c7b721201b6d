//! Where the compiler keeps its LLVM.
//!
//! A bitcode reader must be as new as its writer, so the only library that is right for sure is the
//! one inside the compiler that wrote the bitcode. Compilers keep it in two ways: beside
//! `librustc_driver` (rustup), or as the system's own package, named by the driver's dependencies
//! (distributions).

use std::{
    collections::VecDeque,
    env,
    ffi::OsStr,
    fs::{self, File},
    io::{self, Read},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::Command,
};

use object::{
    Endianness,
    elf::{
        DT_NEEDED, DT_RPATH, DT_RUNPATH, DT_STRTAB, DynamicTag, FileHeader64, PT_DYNAMIC, PT_LOAD,
    },
    read::{
        ReadCache, ReadRef,
        elf::{Dyn, FileHeader, ProgramHeader},
    },
};

use crate::{Error, LLVM_ENV, LlvmProblem, Options, process::output_of};

/// Finds the LLVM library of the compiler `rustc`: the real library, never the linker script of the
/// same name that rustup installs beside it.
///
/// # Errors
/// [`Error::LlvmNotFound`] with the places looked at. A compiler that holds LLVM inside itself has
/// no such library.
pub fn find_libllvm(rustc: &Path) -> Result<PathBuf, Error> {
    let mut search = Search::default();
    if let Some(prefix) = rustc.parent().and_then(Path::parent)
        && let Some(found) = search.in_sysroot(prefix)
    {
        return Ok(found);
    }
    // A rustup proxy, or a name to be looked up in PATH: the compiler itself knows.
    let answer = output_of(Command::new(rustc).args(["--print", "sysroot"]), b"");
    if let Some(answer) = search.answered(rustc, answer)
        && answer.status.success()
        && let sysroot = OsStr::from_bytes(answer.stdout.trim_ascii_end())
        && let Some(found) = search.in_sysroot(Path::new(sysroot))
    {
        return Ok(found);
    }
    Err(search.failed(rustc))
}

/// The library to use for a link: the one asked for, else the compiler's.
pub(crate) fn resolve(options: &Options) -> Result<PathBuf, Error> {
    let asked = options
        .llvm
        .clone()
        .or_else(|| env::var_os(LLVM_ENV).map(PathBuf::from));
    if let Some(path) = asked {
        let problem = match is_elf(&path) {
            Ok(true) => return Ok(path),
            Ok(false) => LlvmProblem::NotALibrary,
            Err(error) => LlvmProblem::Unreadable(error),
        };
        return Err(Error::LlvmUnusable { path, problem });
    }
    if let Some(rustc) = &options.rustc {
        return find_libllvm(rustc);
    }
    // rustc does not tell its linker who it is, but it is our parent process; asking it by name
    // costs far more.
    if let Some(parent) = parent_compiler()
        && let Ok(found) = find_libllvm(&parent)
    {
        return Ok(found);
    }
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    find_libllvm(Path::new(&rustc))
}

/// The executable of the process that started us, when that is a Rust compiler.
fn parent_compiler() -> Option<PathBuf> {
    let exe = fs::read_link(format!("/proc/{}/exe", std::os::unix::process::parent_id())).ok()?;
    exe.file_name()?
        .to_str()?
        .starts_with("rustc")
        .then_some(exe)
}

/// A search for the library.
#[derive(Default)]
struct Search {
    /// Where it is not.
    tried: Vec<PathBuf>,
    /// The first place that could not be looked at.
    unseen: Option<(PathBuf, io::Error)>,
}

impl Search {
    /// What there is at `path`; `None` if nothing is there, or it could not be looked at.
    fn answered<T>(&mut self, path: &Path, answer: io::Result<T>) -> Option<T> {
        let error = match answer {
            Ok(answer) => return Some(answer),
            Err(error) => error,
        };
        let is_absent = matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
        );
        if !is_absent && self.unseen.is_none() {
            self.unseen = Some((path.to_owned(), error));
        }
        None
    }

    fn failed(mut self, compiler: &Path) -> Error {
        self.tried.dedup();
        Error::LlvmNotFound {
            compiler: compiler.display().to_string(),
            tried: self.tried,
            unseen: self.unseen,
        }
    }

    /// Looks in a directory that holds `bin/rustc` and `lib/librustc_driver-….so`.
    fn in_sysroot(&mut self, prefix: &Path) -> Option<PathBuf> {
        let lib = prefix.join("lib");
        let mut drivers = self.starting_with(&lib, "librustc_driver");
        if drivers.is_empty()
            && let Some(needs) = self.needs(&prefix.join("bin/rustc"))
        {
            drivers = self.resolve(&needs, "librustc_driver");
        }
        for driver in &drivers {
            if let Some(needs) = self.needs(driver)
                && let Some(found) = self.resolve(&needs, "libLLVM").pop()
            {
                return Some(found);
            }
        }
        // Last, whatever lies beside the driver.
        let mut beside = self.starting_with(&lib, "libLLVM");
        beside.sort();
        if beside.is_empty() {
            self.tried.push(lib.join("libLLVM*"));
        }
        beside.pop()
    }

    /// Shared libraries in `dir` whose names start so.
    fn starting_with(&mut self, dir: &Path, prefix: &str) -> Vec<PathBuf> {
        let entries = self.answered(dir, fs::read_dir(dir));
        let mut found = Vec::new();
        for entry in entries.into_iter().flatten() {
            let Some(entry) = self.answered(dir, entry) else {
                break;
            };
            if entry.file_name().as_bytes().starts_with(prefix.as_bytes())
                && self.is_elf(&entry.path())
            {
                found.push(entry.path());
            }
        }
        found
    }

    fn is_elf(&mut self, path: &Path) -> bool {
        self.answered(path, is_elf(path)).unwrap_or(false)
    }

    /// Where the dynamic linker would find the needed libraries whose names start so.
    fn resolve(&mut self, needs: &Needs, prefix: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut dirs = needs.dirs.clone();
        dirs.extend(system_library_dirs());
        let is_wanted =
            |name: &&PathBuf| name.as_os_str().as_bytes().starts_with(prefix.as_bytes());
        for library in needs.libraries.iter().filter(is_wanted) {
            for dir in &dirs {
                let path = dir.join(library);
                if self.is_elf(&path) {
                    found.push(path);
                    break;
                }
                self.tried.push(path);
            }
        }
        found
    }

    fn needs(&mut self, path: &Path) -> Option<Needs> {
        let file = self.answered(path, File::open(path))?;
        let path = self.answered(path, fs::canonicalize(path))?;
        needs(&path, file)
    }
}

/// Whether the file is an ELF file.
fn is_elf(path: &Path) -> io::Result<bool> {
    let mut magic = [0; 4];
    match File::open(path)?.read_exact(&mut magic) {
        Ok(()) => Ok(magic == *b"\x7fELF"),
        // Too short, or a directory.
        Err(_) => Ok(false),
    }
}

/// What an ELF file asks the dynamic linker for.
struct Needs {
    libraries: Vec<PathBuf>,
    /// Directories of its own, `$ORIGIN` replaced.
    dirs: Vec<PathBuf>,
}

/// Reads the dependencies of an ELF file. Only the few pages that hold them are read: drivers have
/// 150 MB. `None` for another kind of file. The path is the one without symbolic links.
fn needs(path: &Path, file: File) -> Option<Needs> {
    let cache = ReadCache::new(file);
    let data = &cache;
    let header = FileHeader64::<Endianness>::parse(data).ok()?;
    let endian = header.endian().ok()?;
    let segments = header.program_headers(endian, data).ok()?;
    let dynamic = segments
        .iter()
        .find(|segment| segment.p_type(endian) == PT_DYNAMIC)?
        .dynamic(endian, data)
        .ok()??;
    let tagged = |tag: DynamicTag| {
        dynamic
            .iter()
            .filter(move |entry| entry.d_tag(endian) == tag)
            .map(|entry| entry.d_val(endian))
    };
    let table = tagged(DT_STRTAB).next()?;
    let load = segments.iter().find(|segment| {
        let start = segment.p_vaddr(endian);
        segment.p_type(endian) == PT_LOAD
            && (start..start.saturating_add(segment.p_filesz(endian))).contains(&table)
    })?;
    let table = table - load.p_vaddr(endian) + load.p_offset(endian);
    let end = load.p_offset(endian).checked_add(load.p_filesz(endian))?;
    let text = |offset: u64| {
        let start = table.checked_add(offset)?;
        data.read_bytes_at_until(start..end, 0).ok()
    };
    let origin = path.parent()?.to_str()?.to_owned();
    let libraries = tagged(DT_NEEDED)
        .filter_map(text)
        .map(|name| PathBuf::from(OsStr::from_bytes(name)))
        .collect();
    let dirs = tagged(DT_RUNPATH)
        .chain(tagged(DT_RPATH))
        .filter_map(text)
        .filter_map(|list| std::str::from_utf8(list).ok())
        .flat_map(|list| list.split(':'))
        .map(|dir| {
            PathBuf::from(
                dir.replace("${ORIGIN}", &origin)
                    .replace("$ORIGIN", &origin),
            )
        })
        .collect();
    Some(Needs { libraries, dirs })
}

/// Directories in which the dynamic linker looks for everyone. A list that cannot be read is passed
/// over: what keeps it from being read keeps the libraries from it, too, and is reported for those.
fn system_library_dirs() -> Vec<PathBuf> {
    let mut dirs: Vec<PathBuf> = env::var_os("LD_LIBRARY_PATH")
        .map(|list| env::split_paths(&list).collect())
        .unwrap_or_default();
    // `/etc/ld.so.conf` holds directories and `include` lines with a `*` in the last component.
    let mut files = VecDeque::from([PathBuf::from("/etc/ld.so.conf")]);
    let mut seen = 0;
    while let Some(file) = files.pop_front() {
        seen += 1;
        if seen > 100 {
            break;
        }
        for line in fs::read_to_string(&file).unwrap_or_default().lines() {
            let line = line.split('#').next().unwrap_or("").trim();
            if let Some(pattern) = line.strip_prefix("include") {
                let pattern = Path::new("/etc").join(pattern.trim());
                let entries = pattern.parent().and_then(|dir| fs::read_dir(dir).ok());
                let mut included: Vec<_> = entries
                    .into_iter()
                    .flatten()
                    .flatten()
                    .map(|entry| entry.path())
                    .filter(|path| path.extension().is_some_and(|ext| ext == "conf"))
                    .collect();
                included.sort();
                files.extend(included);
            } else if !line.is_empty() {
                dirs.push(line.into());
            }
        }
    }
    let arch = env::consts::ARCH;
    dirs.extend([
        format!("/lib/{arch}-linux-gnu").into(),
        format!("/usr/lib/{arch}-linux-gnu").into(),
        "/lib64".into(),
        "/usr/lib64".into(),
        "/lib".into(),
        "/usr/lib".into(),
        "/usr/local/lib".into(),
    ]);
    dirs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_library_of_this_compiler() {
        let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let found = find_libllvm(Path::new(&rustc)).unwrap();
        assert!(is_elf(&found).unwrap(), "{}", found.display());
        assert!(
            found
                .file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .contains("LLVM")
        );
    }

    #[test]
    fn dependencies_are_read_from_the_file() {
        let mut search = Search::default();
        let needs = search.needs(&env::current_exe().unwrap()).unwrap();
        assert!(!search.resolve(&needs, "libc.so").is_empty());
    }

    #[test]
    fn a_compiler_without_a_library_says_where_it_looked() {
        let error = find_libllvm(Path::new("/nonexistent/bin/rustc")).unwrap_err();
        let text = error.to_diagnostics()[0].to_string();
        assert!(text.contains("/nonexistent/bin/rustc"), "{text}");
        assert!(text.contains("/nonexistent/lib/libLLVM*"), "{text}");
        assert!(text.contains("HACHI_LLVM"), "{text}");
    }

    #[test]
    fn linker_scripts_are_refused() {
        let path = env::temp_dir().join(format!("libLLVM-script-{}.so", std::process::id()));
        fs::write(&path, "INPUT(libLLVM.so.1)\n").unwrap();
        let refused = resolve(&Options {
            llvm: Some(path.clone()),
            ..Options::default()
        });
        fs::remove_file(&path).unwrap();
        assert!(refused.unwrap_err().to_string().contains("linker script"));
    }
}
