//! The library source of a compiler, and the `core` built from it.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Instant, SystemTime},
};

use super::{
    Search,
    compiler::{Compiler, command},
};
use crate::{
    Error, Target,
    cache::{Cache, Hash, setting},
    error::IoContext,
    process::{last_words, output},
};

/// Cache group of the built libraries.
const GROUP: &str = "core";
/// Changes whenever libraries built by an earlier version of this code must not be used any more.
const RECIPE: &str = "3";

/// The parts of the library tree that `core` is made of.
pub(super) const PARTS: [&str; 3] = [
    "core/src",
    "portable-simd/crates/core_simd/src",
    "stdarch/crates/core_arch/src",
];

/// A library source tree.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// The directory that holds `core/`.
    pub(super) dir: PathBuf,
}

impl Source {
    /// The source that goes with the compiler, if it is on this machine.
    ///
    /// # Errors
    /// [`Error::NotASourceTree`] and [`Error::SourceOfAnotherRelease`], of a directory that was
    /// named.
    pub(super) fn find(
        compiler: &Compiler,
        search: &Search,
        cache: &Cache,
    ) -> Result<Option<Source>, Error> {
        let release = &compiler.version.release;
        if let Some(named) = named(search) {
            let Some(dir) = [named.clone(), named.join("library")]
                .into_iter()
                .find(|dir| is_library(dir))
            else {
                return Err(Error::NotASourceTree { path: named });
            };
            if let Some(other) = release_of(&dir).filter(|other| other != release) {
                return Err(Error::SourceOfAnotherRelease {
                    path: named,
                    release: other,
                    wanted: release.clone(),
                });
            }
            return Ok(Some(Source { dir }));
        }
        // The component of a rustup toolchain, and the package of most distributions.
        let own = compiler.sysroot.join("lib/rustlib/src/rust/library");
        if is_library(&own) {
            return Ok(Some(Source { dir: own }));
        }
        // Where Debian's packages put it; they may be of another version than the compiler.
        let elsewhere = [
            PathBuf::from(format!("/usr/src/rustc-{release}/library")),
            PathBuf::from("/usr/lib/rustlib/src/rust/library"),
        ];
        let of_this_release =
            |dir: &PathBuf| is_library(dir) && release_of(dir).as_ref() == Some(release);
        if let Some(dir) = elsewhere.into_iter().find(of_this_release) {
            return Ok(Some(Source { dir }));
        }
        Ok(cache
            .get(&downloaded_name(release))?
            .map(|entry| Source {
                dir: entry.join("library"),
            })
            .filter(|source| is_library(&source.dir)))
    }

    fn hash(&self) -> Result<String, Error> {
        fn walk(dir: &Path, files: &mut Vec<PathBuf>) -> Result<(), Error> {
            for entry in fs::read_dir(dir).with_context("read", dir)? {
                let path = entry.with_context("read", dir)?.path();
                if path.is_dir() {
                    walk(&path, files)?;
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    files.push(path);
                }
            }
            Ok(())
        }
        let mut files = Vec::new();
        for part in PARTS {
            walk(&self.dir.join(part), &mut files)?;
        }
        files.sort();
        let mut hash = Hash::new();
        for file in &files {
            let relative = file.strip_prefix(&self.dir).unwrap_or(file);
            hash.add(relative.as_os_str().as_encoded_bytes());
            hash.add(&fs::read(file).with_context("read", file)?);
        }
        Ok(hash.hex())
    }
}

/// The source that the user named.
fn named(search: &Search) -> Option<PathBuf> {
    search
        .rust_src
        .clone()
        .or_else(|| setting("HACHI_RUST_SRC").map(PathBuf::from))
        .map(|dir| std::path::absolute(&dir).unwrap_or(dir))
}

/// Cache entry of a source tree that was downloaded for a release.
pub(super) fn downloaded_name(release: &str) -> String {
    format!("rust-src/{release}")
}

fn is_library(dir: &Path) -> bool {
    PARTS.iter().all(|part| dir.join(part).is_dir()) && dir.join("core/src/lib.rs").is_file()
}

/// The release that a source tree says it is of. The rustup component does not say.
fn release_of(library: &Path) -> Option<String> {
    let top = fs::canonicalize(library).ok()?.parent()?.to_path_buf();
    if let Ok(version) = fs::read_to_string(top.join("version")) {
        return version.split_whitespace().next().map(str::to_string);
    }
    top.file_name()?
        .to_str()?
        .strip_prefix("rustc-")
        .map(str::to_string)
}

/// What all libraries built for this compiler have in common in their names.
fn key_of(compiler: &Compiler, target: Target) -> String {
    let mut hash = Hash::new();
    hash.add(compiler.version.text.as_bytes());
    hash.add(target.triple().as_bytes());
    hash.add(RECIPE.as_bytes());
    format!("{}-{}-", compiler.version.release, hash.hex())
}

/// The sysroot that an earlier run built for this compiler. When source is named explicitly it must
/// have been built from that.
pub(super) fn cached(
    compiler: &Compiler,
    search: &Search,
    cache: &Cache,
) -> Result<Option<PathBuf>, Error> {
    if named(search).is_some() {
        let Some(source) = Source::find(compiler, search, cache)? else {
            return Ok(None);
        };
        return match cache.get(&entry_name(compiler, &source, search.wanted_target())?)? {
            Some(entry) => sysroot_in(&entry),
            None => Ok(None),
        };
    }
    for entry in cache.find(GROUP, &key_of(compiler, search.wanted_target()))? {
        if let Some(sysroot) = sysroot_in(&entry)? {
            return Ok(Some(sysroot));
        }
    }
    Ok(None)
}

/// The directory in which a built library would appear. It is made if need be, since cargo
/// watches only what exists, and dated back, so that it does not look changed.
pub(super) fn built_libraries(cache: &Cache) -> Option<PathBuf> {
    let dir = cache.path(GROUP);
    if !dir.is_dir() {
        cache.directory(GROUP).ok()?;
        fs::File::open(&dir)
            .and_then(|dir| dir.set_modified(SystemTime::UNIX_EPOCH))
            .ok()?;
    }
    Some(dir)
}

fn entry_name(compiler: &Compiler, source: &Source, target: Target) -> Result<String, Error> {
    let key = key_of(compiler, target);
    Ok(format!("{GROUP}/{key}{}", source.hash()?))
}

/// The sysroot in a cache entry: the one directory there, which is named by what it holds.
///
/// Two builds of the libraries from one source need not be the same bytes, and crates compiled
/// against the one cannot use the other. Cargo sees by the path whether it must compile them again.
fn sysroot_in(entry: &Path) -> Result<Option<PathBuf>, Error> {
    for found in fs::read_dir(entry).with_context("read", entry)? {
        let path = found.with_context("read", entry)?.path();
        if path.is_dir() {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// Gives the freshly built `sysroot`, whose libraries are in `lib`, its name.
fn name_by_content(entry: &Path, sysroot: &Path, lib: &Path) -> Result<(), Error> {
    let mut hash = Hash::new();
    for name in ["core", "compiler_builtins"] {
        let library = lib.join(format!("lib{name}.rlib"));
        hash.add(&fs::read(&library).with_context("read", &library)?);
    }
    let named = entry.join(hash.hex());
    fs::rename(sysroot, &named).with_context("create", &named)
}

/// Builds `core` for eBPF, or takes it from the cache; returns the sysroot.
///
/// One call of the compiler on the library's root file does it, without cargo, registry or network.
/// `core` can only be compiled with the unstable features that it is made of: so
/// `RUSTC_BOOTSTRAP`, in this call and no other. Compiled with line tables (so that a diagnostic
/// can point into it) and as bitcode only, since every eBPF program is linked by full LTO.
pub(super) fn build(
    compiler: &Compiler,
    source: &Source,
    target: Target,
    cache: &Cache,
) -> Result<PathBuf, Error> {
    let entry = cache.get_or_make::<Error>(&entry_name(compiler, source, target)?, |entry| {
        let sysroot = entry.join("new");
        eprintln!(
            "hachi: building `core` for {} with rustc {} (once; takes about 10 s)",
            target.triple(),
            compiler.version.release
        );
        let start = Instant::now();
        let lib = sysroot
            .join("lib/rustlib")
            .join(target.triple())
            .join("lib");
        fs::create_dir_all(&lib).with_context("create", &lib)?;
        let threads = std::thread::available_parallelism()
            .map_or(1, usize::from)
            .min(4);
        // Objects must not depend on where the source lay; the name is the one official builds use.
        let public_name = format!(
            "/rustc/{}/library",
            compiler
                .version
                .commit()
                .unwrap_or(&compiler.version.release)
        );
        let mut core = library_call(compiler, target, "core", &lib);
        core.arg("--edition")
            .arg(edition(&source.dir.join("core/Cargo.toml")))
            .arg(format!(
                "--remap-path-prefix={}={public_name}",
                source.dir.display()
            ))
            .arg(format!("-Zthreads={threads}"))
            .arg(source.dir.join("core/src/lib.rs"));
        run(core, compiler, source)?;

        // Every crate without `std` links against a crate of this name. The memory functions that
        // the real one holds are supplied by our linker.
        let stub = sysroot.join("compiler_builtins.rs");
        let text = "#![feature(compiler_builtins, staged_api)]\n#![compiler_builtins]\n#![no_std]\n\
                    #![unstable(feature = \"compiler_builtins\", issue = \"none\")]\n";
        fs::write(&stub, text).with_context("write", &stub)?;
        let mut builtins = library_call(compiler, target, "compiler_builtins", &lib);
        builtins
            .args(["--edition", "2021"])
            .arg(format!(
                "--remap-path-prefix={}={public_name}",
                sysroot.display()
            ))
            .arg("--sysroot")
            .arg(&sysroot)
            .arg(&stub);
        run(builtins, compiler, source)?;
        name_by_content(entry, &sysroot, &lib)?;
        eprintln!(
            "hachi: built `core` in {:.1} s",
            start.elapsed().as_secs_f32()
        );
        Ok(())
    })?;
    Ok(sysroot_in(&entry)?.expect("a complete entry holds a sysroot"))
}

fn library_call(
    compiler: &Compiler,
    target: Target,
    name: &str,
    out: &Path,
) -> std::process::Command {
    let mut call = command(&compiler.rustc);
    call.env("RUSTC_BOOTSTRAP", "1")
        // The working directory goes into debug information, so it must be the same for everyone.
        .current_dir("/")
        .args([
            "--crate-name",
            name,
            "--crate-type",
            "rlib",
            "--target",
            target.triple(),
        ])
        .args([
            "-Copt-level=3",
            "-Cpanic=abort",
            "-Cdebuginfo=line-tables-only",
            "-Clinker-plugin-lto",
        ])
        .args([
            "-Cmetadata=hachi",
            "-Zforce-unstable-if-unmarked",
            "--cap-lints=allow",
        ])
        .arg("--out-dir")
        .arg(out);
    call
}

fn run(mut call: std::process::Command, compiler: &Compiler, source: &Source) -> Result<(), Error> {
    let output = output(&mut call)?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::CoreBuild {
        rustc: compiler.rustc.clone(),
        source_dir: source.dir.clone(),
        output: last_words(&output),
    })
}

/// The edition that a manifest of the library names.
fn edition(manifest: &Path) -> String {
    fs::read_to_string(manifest)
        .ok()
        .and_then(|text| {
            text.lines().find_map(|line| {
                let value = line
                    .trim()
                    .strip_prefix("edition")?
                    .trim_start()
                    .strip_prefix('=')?;
                Some(value.trim().trim_matches('"').to_string())
            })
        })
        .unwrap_or_else(|| "2024".into())
}
