//! Building packages and single files, for the command line.

use std::{
    fs,
    io::{self, IsTerminal},
    path::{Path, PathBuf},
};

use crate::{
    Arch, Cpu, Error, Kernel, Origin, Panics, Search, Target, Toolchain,
    cache::{Cache, setting},
    cargo::{
        Audience, Job, Sink,
        metadata::{Metadata, PackageInfo},
    },
    error::IoContext,
    single,
};

/// How much the compiler optimises before the linker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Profile {
    /// `opt-level = 3`, no overflow checks. The default everywhere: the verifier likes it best.
    #[default]
    Release,
    /// `opt-level = 1`, overflow checks on.
    Debug,
}

/// One object that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Artifact {
    /// Name of the binary target.
    pub name: String,
    /// The object file.
    pub path: PathBuf,
    /// It was up to date, and not built by this call.
    pub fresh: bool,
}

/// Builds one eBPF package, or one stand-alone `.rs` file, and returns its objects.
///
/// ```no_run
/// # fn main() -> Result<(), hachi_build::Error> {
/// for object in hachi_build::Builder::new("firewall-ebpf").build()? {
///     println!("{}", object.path.display());
/// }
/// # Ok(())
/// # }
/// ```
///
/// The calling program acts as the compiler's linker: it must call
/// [`intercept`](crate::intercept) before anything else in `main`.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Builder {
    path: PathBuf,
    bins: Vec<String>,
    profile: Profile,
    target: Option<Target>,
    arch: Option<Arch>,
    cpu: Cpu,
    min_kernel: Option<Kernel>,
    panics: Option<Panics>,
    out_dir: Option<PathBuf>,
    target_dir: Option<PathBuf>,
    features: Vec<String>,
    no_default_features: bool,
    locked: bool,
    offline: bool,
    verbose: bool,
    toolchain: Option<Toolchain>,
    built_in: Option<PathBuf>,
    explained_by: Option<String>,
}

impl Builder {
    /// Builds the package in the directory `path` (or whose `Cargo.toml` is `path`), or the single
    /// file `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Builder {
            path: path.into(),
            ..Builder::default()
        }
    }

    /// Builds only this binary; may be called several times. All binaries when never called.
    pub fn bin(mut self, name: impl Into<String>) -> Self {
        self.bins.push(name.into());
        self
    }

    /// Selects the profile; [`Profile::Release`] when never called.
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// Selects the byte order of the machine that the programs run on; this machine's when never
    /// called. It is also the one whose registers `hachi-ebpf` reads: that of s390x for
    /// [`Target::Bpfeb`] elsewhere. A toolchain given by [`Builder::toolchain`] has its own target,
    /// which counts instead.
    pub fn target(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    /// Selects the kind of machine that the programs run on: its byte order, and the registers that
    /// `hachi-ebpf` reads. When never called: that of the build script's target, or this machine.
    pub fn arch(mut self, arch: Arch) -> Self {
        self.target = Some(arch.target());
        self.arch = Some(arch);
        self
    }

    /// Selects the instruction set; [`Cpu::V3`] when never called.
    pub fn cpu(mut self, cpu: Cpu) -> Self {
        self.cpu = cpu;
        self
    }

    /// Refuses programs that use what kernels as old as this do not have.
    pub fn min_kernel(mut self, kernel: Kernel) -> Self {
        self.min_kernel = Some(kernel);
        self
    }

    /// Selects what to do about code that can still panic after optimisation. When never called:
    /// what the variable `HACHI_PANICS` says (`allow`, `warn` or `deny`), else [`Panics::Warn`].
    pub fn panics(mut self, panics: Panics) -> Self {
        self.panics = Some(panics);
        self
    }

    /// Copies each object to `dir/<bin>.o`. Without it objects stay in the target directory.
    pub fn out_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.out_dir = Some(dir.into());
        self
    }

    /// Keeps the intermediate files under `dir`, instead of `hachi/` in the package's own target
    /// directory (or, for a single file, in the cache).
    pub fn target_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.target_dir = Some(dir.into());
        self
    }

    /// Enables a feature of the package.
    pub fn feature(mut self, name: impl Into<String>) -> Self {
        self.features.push(name.into());
        self
    }

    /// Does not enable the package's default features.
    pub fn no_default_features(mut self) -> Self {
        self.no_default_features = true;
        self
    }

    /// Requires `Cargo.lock` to be up to date (`cargo --locked`).
    pub fn locked(mut self, locked: bool) -> Self {
        self.locked = locked;
        self
    }

    /// Does not touch the network (`cargo --offline`).
    pub fn offline(mut self, offline: bool) -> Self {
        self.offline = offline;
        self
    }

    /// Prints the commands that are run and the toolchain that was taken, on stderr.
    pub fn verbose(mut self, verbose: bool) -> Self {
        self.verbose = verbose;
        self
    }

    /// Builds with this toolchain instead of the one [`Toolchain::find`] gives.
    pub fn toolchain(mut self, toolchain: Toolchain) -> Self {
        self.toolchain = Some(toolchain);
        self
    }

    /// Names the checkout of Hachi that the calling program was built in: a single file that uses
    /// `hachi-ebpf` takes it from there, unless `HACHI_SRC` names another. From the registry when
    /// never called.
    pub fn built_in(mut self, checkout: impl Into<PathBuf>) -> Self {
        self.built_in = Some(checkout.into());
        self
    }

    /// After the linker's errors, names this command as the one that explains their codes when it
    /// is given one: `hachi explain`.
    pub fn explained_by(mut self, command: impl Into<String>) -> Self {
        self.explained_by = Some(command.into());
        self
    }

    /// Builds. Compiler messages go to stderr as rustc prints them.
    ///
    /// Given the root of a workspace without a package of its own, builds every member that depends
    /// on `hachi-ebpf`.
    ///
    /// # Errors
    /// When no toolchain is found, the package does not exist or has no binary, or it does not
    /// compile or link; the messages of the compiler and the linker have then been printed already.
    pub fn build(&self) -> Result<Vec<Artifact>, Error> {
        self.build_for(None)
    }

    /// Builds, and hands what compiler and linker say to `messages`: in cargo's JSON form
    /// (`cargo build --message-format=json`), one line at a time and without its line feed.
    /// Editors show these.
    ///
    /// # Errors
    /// As [`Builder::build`].
    pub fn build_with_messages(
        &self,
        mut messages: impl FnMut(&str),
    ) -> Result<Vec<Artifact>, Error> {
        self.build_for(Some(&mut messages))
    }

    fn build_for(&self, messages: Option<Sink<'_>>) -> Result<Vec<Artifact>, Error> {
        // A program that forgot to call it would otherwise start itself again as the linker,
        // without end.
        hachi_linker::intercept();
        let mut search = Search {
            interactive: io::stdin().is_terminal() && io::stderr().is_terminal(),
            offline: self.offline,
            verbose: self.verbose,
            target: self.target,
            ..Search::default()
        };
        let color = io::stderr().is_terminal()
            && setting("NO_COLOR").is_none()
            && setting("CARGO_TERM_COLOR").is_none_or(|when| when != "never");
        let audience = match messages {
            Some(_) => Audience::Program,
            None => Audience::Terminal { color },
        };

        let is_file = self
            .path
            .extension()
            .is_some_and(|extension| extension == "rs")
            && self.path.is_file();
        let single = if is_file {
            Some(single::package_for(
                &self.path,
                &Cache::locate(search.cache.as_deref())?,
                || Origin::find(self.built_in.as_deref()),
            )?)
        } else {
            None
        };
        let dir = match &single {
            Some(dir) => dir.clone(),
            None => self.package_dir()?,
        };
        let metadata = Metadata::read(&dir)?;
        let packages = self.packages(&metadata, &dir)?;
        let target_dir = self
            .target_dir
            .clone()
            .unwrap_or_else(|| metadata.target_directory.join("hachi"));
        let target_dir = std::path::absolute(&target_dir).with_context("resolve", &target_dir)?;

        let toolchain = match &self.toolchain {
            Some(toolchain) => toolchain.clone(),
            None => {
                // A single file has no surroundings but those of the person who builds it.
                search.package_dir = Some(if is_file { ".".into() } else { dir.clone() });
                Toolchain::find(&search)?
            }
        };
        if let Some(warning) = &toolchain.warning {
            eprintln!("warning: {warning}");
        }
        let job = Job {
            toolchain: &toolchain,
            dir: &dir,
            packages: packages
                .iter()
                .map(|package| package.name.as_str())
                .collect(),
            bins: &self.bins,
            profile: self.profile,
            arch: self.arch,
            cpu: self.cpu,
            min_kernel: self.min_kernel,
            panics: panics(self.panics)?,
            features: &self.features,
            no_default_features: self.no_default_features,
            locked: self.locked,
            offline: self.offline,
            verbose: self.verbose,
            target_dir: &target_dir,
            audience,
            explained_by: self.explained_by.as_deref(),
        };
        let what = if is_file {
            self.path.display().to_string()
        } else {
            job.packages.join("`, `")
        };
        job.run(&what, messages.unwrap_or(&mut |_| {}))?
            .into_iter()
            .map(|built| {
                let path = match &self.out_dir {
                    None => built.path,
                    Some(out) => {
                        fs::create_dir_all(out).with_context("create", out)?;
                        let path = out.join(format!("{}.o", built.name));
                        copy_if_changed(&built.path, &path)?;
                        path
                    }
                };
                Ok(Artifact {
                    name: built.name,
                    path,
                    fresh: built.fresh,
                })
            })
            .collect()
    }

    /// The directory of the manifest.
    fn package_dir(&self) -> Result<PathBuf, Error> {
        let dir = match self.path.file_name() {
            Some(name) if name == "Cargo.toml" => self.path.parent().unwrap_or(Path::new("")),
            _ => &self.path,
        };
        let dir = if dir.as_os_str().is_empty() {
            Path::new(".")
        } else {
            dir
        };
        if !dir.join("Cargo.toml").is_file() {
            return Err(Error::NotBuildable {
                path: self.path.clone(),
            });
        }
        std::path::absolute(dir).with_context("resolve", dir)
    }

    /// The packages to build, checked to hold the binaries asked for.
    fn packages(&self, metadata: &Metadata, dir: &Path) -> Result<Vec<PackageInfo>, Error> {
        let packages: Vec<PackageInfo> = match metadata.at(dir) {
            Some(package) => vec![checked(package)?.clone()],
            None => metadata
                .packages
                .iter()
                .filter(|package| package.is_ebpf && !package.bins.is_empty())
                .cloned()
                .collect(),
        };
        if packages.is_empty() {
            return Err(Error::NoEbpfPackage { dir: dir.into() });
        }
        let available: Vec<String> = packages
            .iter()
            .flat_map(|package| package.bins.clone())
            .collect();
        match self.bins.iter().find(|bin| !available.contains(bin)) {
            None => Ok(packages),
            Some(bin) => Err(Error::NoSuchBinary {
                package: packages
                    .iter()
                    .map(|package| package.name.as_str())
                    .collect::<Vec<_>>()
                    .join("`, `"),
                name: bin.clone(),
                available,
            }),
        }
    }
}

/// What to do about panics: what was asked for, else what the environment says, else the default.
pub(crate) fn panics(asked: Option<Panics>) -> Result<Panics, Error> {
    const VARIABLE: &str = "HACHI_PANICS";
    if let Some(panics) = asked {
        return Ok(panics);
    }
    let Some(value) = setting(VARIABLE) else {
        return Ok(Panics::default());
    };
    let value = value.to_string_lossy().into_owned();
    value.parse().map_err(|_| Error::Setting {
        variable: VARIABLE,
        value,
        expected: &["allow", "warn", "deny"],
    })
}

/// A package that has something to build.
pub(crate) fn checked(package: &PackageInfo) -> Result<&PackageInfo, Error> {
    if package.bins.is_empty() {
        return Err(Error::NoBinary {
            package: package.name.clone(),
            manifest: package.manifest.clone(),
        });
    }
    Ok(package)
}

/// Copies a file unless the copy is the same already, whose date then stays, so that what is made
/// from it is not made again. The copy appears whole or not at all.
pub(crate) fn copy_if_changed(from: &Path, to: &Path) -> Result<(), Error> {
    let bytes = fs::read(from).with_context("read", from)?;
    if fs::read(to).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    hachi_linker::write_file(to, &bytes).with_context("write", to)
}
