//! Building programs for the user space of another kind of machine: the standard library for it,
//! and a linker.
//!
//! The library is looked for in this order: the compiler's own sysroot; rustup, which can add it;
//! for a compiler of Debian's, the package of the same version for that machine, which is unpacked
//! into the cache. Nothing of another machine is installed into this one's system.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::{
    Finding, Search, State,
    ask::{confirm, consent, rustup_with},
    compiler::{Compiler, rustup},
};
use crate::{
    Arch, Error, Obstacle, Origin, Remedy,
    archive::{Archive, Offer, Suite, run},
    cache::{Cache, Hash, setting},
    error::IoContext,
    process::{in_path, output, shown},
};

/// Debian's packages of the standard library.
const PACKAGES: [&str; 2] = ["libstd-rust-dev", "libstd-rust-web-dev"];

/// What cargo needs to build programs for one kind of machine.
#[derive(Debug, Clone)]
pub struct Cross {
    arch: Arch,
    /// The compiler and cargo.
    compiler: Compiler,
    /// Where the standard library is, if not in the compiler's own sysroot.
    sysroot: Option<PathBuf>,
    /// The linker; `None` where cargo has been told one, or this machine's own will do.
    linker: Option<PathBuf>,
}

impl Cross {
    /// Finds what building for `arch` takes. Adds the standard library where rustup or Debian has
    /// it, after asking, as [`Toolchain::find`](super::Toolchain::find) does.
    ///
    /// # Errors
    /// [`Error::NoCross`], with the command that fixes it.
    pub fn find(arch: Arch, search: &Search) -> Result<Cross, Error> {
        let compiler = Compiler::active(search)?;
        let linker = match linker(arch, &compiler.version.host) {
            Ok(linker) => linker,
            Err(obstacle) => return Err(missing(arch, vec![obstacle], linker_fix(arch))),
        };
        let sysroot = match has_library(&compiler.sysroot, arch) {
            true => None,
            false => add_library(arch, search, &compiler)?,
        };
        Ok(Cross {
            arch,
            compiler,
            sysroot,
            linker,
        })
    }

    /// What there is for building for `arch`, and what is missing. Changes nothing.
    pub fn survey(arch: Arch, search: &Search) -> Vec<Finding> {
        let compiler = Compiler::active(search);
        let finding = |subject: String, state, detail: String, fix| Finding {
            way: None,
            subject,
            state,
            detail,
            fix,
        };
        let subject = format!("standard library for {arch}");
        let has = |compiler: &Compiler| has_library(&compiler.sysroot, arch);
        let library = match &compiler {
            Err(error) => finding(subject, State::Missing, error.to_string(), None),
            Ok(compiler) if has(compiler) => {
                finding(subject, State::Ready, "of the compiler".into(), None)
            }
            Ok(compiler) => match supply(compiler) {
                Supply::Rustup(toolchain) => {
                    let fix = shown(&rustup_command(arch, &toolchain));
                    let detail = "rustup may have it".into();
                    finding(subject, State::Possible, detail, Some(fix))
                }
                Supply::Debian(_) => {
                    let detail = "Debian's package is unpacked into the cache when it is needed";
                    finding(subject, State::Possible, detail.into(), None)
                }
                Supply::None => {
                    let detail = format!("{compiler} has none");
                    finding(subject, State::Missing, detail, None)
                }
            },
        };
        let subject = format!("linker for {arch}");
        let host = compiler.map_or_else(|_| String::new(), |compiler| compiler.version.host);
        let linker = match linker(arch, &host) {
            Ok(Some(path)) => finding(subject, State::Ready, path.display().to_string(), None),
            Ok(None) => finding(subject, State::Ready, "as cargo is set up".into(), None),
            Err(obstacle) => {
                let fix = Some(linker_fix(arch).to_string());
                finding(subject, State::Missing, obstacle.to_string(), fix)
            }
        };
        vec![library, linker]
    }

    /// The machine that is built for.
    pub fn arch(&self) -> Arch {
        self.arch
    }

    /// Makes `cargo` build for that machine.
    pub fn set_up(&self, cargo: &mut Command) {
        let triple = self.arch.triple();
        cargo.env("CARGO_BUILD_TARGET", triple);
        if let Some(linker) = &self.linker {
            cargo.env(cargo_variable(triple, "LINKER"), linker);
        }
        if let Some(sysroot) = &self.sysroot {
            // For what is built for the target only: this machine's programs have their own.
            let variable = cargo_variable(triple, "RUSTFLAGS");
            let mut flags = setting(&variable).unwrap_or_default();
            flags.push(" --sysroot=");
            flags.push(sysroot);
            cargo
                .env(variable, flags)
                .env("RUSTC", &self.compiler.rustc);
        }
    }

    /// Builds a program whose `main` is `main`, Rust code that calls Hachi's crate `package`, in
    /// the cache. One that is there is built again only as far as its sources have changed.
    ///
    /// # Errors
    /// When cargo does not build it.
    pub fn program(&self, origin: &Origin, package: &str, main: &str) -> Result<PathBuf, Error> {
        let cache = Cache::locate(None)?;
        let dependency = origin.dependency(package, "");
        let manifest = format!(
            "[package]\nname = \"guest\"\nedition = \"2024\"\n\n[dependencies]\n\
             {package} = {dependency}\n\n[profile.release]\nopt-level = 1\n\
             debug = false\nstrip = \"debuginfo\"\n\n[workspace]\n"
        );
        let key = Hash::of(format!("{manifest}{main}{}", self.compiler.version.text).as_bytes());
        let dir = cache.directory(&format!("programs/{package}-{key}"))?;
        let source = dir.join("src");
        fs::create_dir_all(&source).with_context("create", &source)?;
        write_if_other(&dir.join("Cargo.toml"), &manifest)?;
        write_if_other(
            &source.join("main.rs"),
            &format!("fn main() {{\n    {main}\n}}\n"),
        )?;
        // The same versions of other crates, where it is known which they are.
        let lock = dir.join("Cargo.lock");
        if let Origin::Checkout(checkout) = origin
            && !lock.exists()
        {
            let theirs = checkout.join("Cargo.lock");
            fs::copy(&theirs, &lock).with_context("copy", &theirs)?;
        }
        let target = dir.join("target");
        let mut cargo = Command::new(self.compiler.cargo());
        cargo
            .args(["build", "--quiet", "--release", "--target-dir"])
            .arg(&target)
            .current_dir(&dir)
            .env_remove("CARGO_BUILD_TARGET_DIR")
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS");
        self.set_up(&mut cargo);
        let status = cargo
            .status()
            .map_err(|source| crate::process::spawn_error(&cargo, source))?;
        if !status.success() {
            return Err(Error::Failed {
                what: format!("{package} for {}", self.arch),
            });
        }
        Ok(target.join(self.arch.triple()).join("release/guest"))
    }

    /// The tool of binutils for that machine, such as `strip`, if it is there.
    pub fn tool(arch: Arch, name: &str) -> Option<PathBuf> {
        match Arch::here() == Some(arch) {
            true => in_path(name),
            false => in_path(&format!("{}-{name}", arch.gnu())),
        }
    }
}

/// Writes a file unless it is so already: cargo builds again what has changed.
fn write_if_other(path: &Path, text: &str) -> Result<(), Error> {
    match fs::read_to_string(path) {
        Ok(there) if there == text => Ok(()),
        _ => fs::write(path, text).with_context("write", path),
    }
}

/// The name of cargo's setting `key` for a target, as an environment variable.
fn cargo_variable(triple: &str, key: &str) -> String {
    let triple = triple.to_uppercase().replace('-', "_");
    format!("CARGO_TARGET_{triple}_{key}")
}

/// Whether a sysroot has the standard library for that machine.
fn has_library(sysroot: &Path, arch: Arch) -> bool {
    let directory = sysroot.join("lib/rustlib").join(arch.triple()).join("lib");
    let is_std = |entry: fs::DirEntry| {
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        name.starts_with(b"libstd-") && name.ends_with(b".rlib")
    };
    fs::read_dir(directory).is_ok_and(|entries| entries.flatten().any(is_std))
}

/// The linker to name to cargo, if any; why there is none.
fn linker(arch: Arch, host: &str) -> Result<Option<PathBuf>, Obstacle> {
    let is_told = setting(&cargo_variable(arch.triple(), "LINKER")).is_some();
    if is_told || host == arch.triple() {
        return Ok(None);
    }
    let name = format!("{}-gcc", arch.gnu());
    in_path(&name)
        .map(Some)
        .ok_or(Obstacle::NoLinker { linker: name })
}

fn linker_fix(arch: Arch) -> Remedy {
    let package = match arch {
        Arch::X86_64 => "gcc-x86-64-linux-gnu".to_owned(),
        _ => format!("gcc-{}", arch.gnu()),
    };
    // Its headers and libraries have a package of their own, which apt does not take as needed.
    let libraries = format!("libc6-dev-{}-cross", arch.debian());
    let command = format!("apt-get install --no-install-recommends {package} {libraries}");
    Remedy::Run(command)
}

fn missing(arch: Arch, tried: Vec<Obstacle>, help: Remedy) -> Error {
    Error::NoCross { arch, tried, help }
}

/// Where a library that the compiler lacks may come from.
enum Supply {
    /// rustup, which manages the toolchain of this name.
    Rustup(String),
    /// The distribution that the compiler is from.
    Debian(Archive),
    None,
}

fn supply(compiler: &Compiler) -> Supply {
    if let (Some(toolchain), Some(_)) = (compiler.rustup_toolchain(), rustup()) {
        return Supply::Rustup(toolchain);
    }
    match Archive::detect() {
        Some(archive) if compiler.sysroot == Path::new("/usr") => Supply::Debian(archive),
        _ => Supply::None,
    }
}

fn rustup_command(arch: Arch, toolchain: &str) -> Command {
    rustup_with(&["target", "add", arch.triple(), "--toolchain", toolchain])
}

/// Adds the library; gives the sysroot that it is in, if that is not the compiler's.
fn add_library(arch: Arch, search: &Search, compiler: &Compiler) -> Result<Option<PathBuf>, Error> {
    let lacks = Obstacle::NoStandardLibrary {
        compiler: compiler.to_string(),
        triple: arch.triple(),
    };
    let supply = supply(compiler);
    let (question, help) = match &supply {
        Supply::Rustup(toolchain) => {
            let command = shown(&rustup_command(arch, toolchain));
            (format!("run `{command}`"), Remedy::Run(command))
        }
        Supply::Debian(_) => (
            "unpack Debian's package of it into the cache".to_owned(),
            Remedy::AllowUnpacking,
        ),
        Supply::None => {
            return Err(missing(arch, vec![lacks], Remedy::Rustup));
        }
    };
    let yes = match consent(search) {
        Ok(yes) => yes,
        Err(obstacle) => return Err(missing(arch, vec![lacks, obstacle], help)),
    };
    if !yes
        && !confirm(
            &format!("Programs for {arch} need the standard library for it"),
            &question,
        )
    {
        return Err(missing(
            arch,
            vec![lacks, Obstacle::Declined { step: question }],
            help,
        ));
    }
    match supply {
        Supply::Rustup(toolchain) => {
            let mut command = rustup_command(arch, &toolchain);
            eprintln!("hachi: running `{}`", shown(&command));
            let added = run(&mut command);
            match added {
                Ok(()) if has_library(&compiler.sysroot, arch) => Ok(None),
                Ok(()) => Err(missing(arch, vec![lacks], help)),
                Err(error) => Err(missing(arch, vec![lacks, error.into()], help)),
            }
        }
        Supply::Debian(archive) => unpacked(arch, compiler, &archive)
            .map(Some)
            .map_err(|error| missing(arch, vec![lacks, error.into()], linker_fix(arch))),
        Supply::None => Err(missing(arch, vec![lacks], help)),
    }
}

/// The sysroot in Debian's package of the library of exactly this compiler, unpacked in the cache.
fn unpacked(arch: Arch, compiler: &Compiler, archive: &Archive) -> Result<PathBuf, Error> {
    const FRESH: Duration = Duration::from_secs(24 * 60 * 60);
    let cache = Cache::locate(None)?;
    let installed = installed_version(&compiler.rustc)?;
    let name = format!("std/{}-{installed}", arch.debian()).replace(':', "_");
    let directory = cache.get_or_make(&name, |directory| {
        let work = cache.directory("apt")?;
        let mut looked_at = Vec::new();
        for suite in suites(archive, arch, &work)? {
            looked_at.push(suite.name().to_owned());
            if suite.update(FRESH).is_err() {
                continue;
            }
            let offers = suite.offers(&PACKAGES);
            let same = |offer: &&Offer| offer.version == installed;
            let Some(offer) = offers.iter().find(same) else {
                continue;
            };
            eprintln!(
                "hachi: downloading {} for {arch} (nothing is installed)",
                offer.spec()
            );
            suite.download(&[offer.spec()], directory)?;
            return unpack(directory);
        }
        Err(Error::NoSourcePackage {
            release: installed.clone(),
            suites: looked_at,
        })
    })?;
    Ok(directory.join("usr"))
}

/// The version of the package that a program of Debian's is from.
fn installed_version(program: &Path) -> Result<String, Error> {
    let real = program.canonicalize().with_context("find", program)?;
    let owner = output(Command::new("dpkg").arg("-S").arg(&real))?;
    let owner = String::from_utf8_lossy(&owner.stdout).into_owned();
    let package = owner.split(": ").next().unwrap_or_default();
    let mut query = Command::new("dpkg-query");
    query.args(["-W", "-f=${Version}", package]);
    let version = output(&mut query)?;
    Ok(String::from_utf8_lossy(&version.stdout).trim().to_owned())
}

/// Where the library of a compiler that is installed from Debian's archive may be.
fn suites(archive: &Archive, arch: Arch, work: &Path) -> Result<Vec<Suite>, Error> {
    let own = archive.codename();
    let names = ["", "-security", "-updates", "-backports"].map(|part| format!("{own}{part}"));
    let main = archive.mirror(own);
    names
        .iter()
        .filter_map(|name| Some((archive.mirror(name).or_else(|| main.clone())?, name)))
        .map(|(mirror, name)| archive.suite_for(arch, work, &mirror, name))
        .collect()
}

/// Unpacks all packages in a directory there, and removes them.
fn unpack(directory: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(directory).with_context("read", directory)? {
        let package = entry.with_context("read", directory)?.path();
        if package
            .extension()
            .is_some_and(|extension| extension == "deb")
        {
            run(Command::new("dpkg-deb")
                .arg("-x")
                .arg(&package)
                .arg(directory))?;
            fs::remove_file(&package).with_context("remove", &package)?;
        }
    }
    Ok(())
}
