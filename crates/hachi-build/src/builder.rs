//! Building packages and single files.

use std::path::{Path, PathBuf};

use crate::{Cpu, Error, Toolchain};

/// An eBPF package to build: by name (`"firewall-ebpf"`, a member of the workspace or a path
/// dependency) or by directory (`"../firewall-ebpf"`, relative to the calling package).
#[derive(Debug, Clone, Default)]
pub struct Package {
    /// Name of the package; found through the calling package's workspace when `root_dir` is absent.
    pub name: Option<String>,
    /// Directory of the package's `Cargo.toml`.
    pub root_dir: Option<PathBuf>,
    /// Features to enable.
    pub features: Vec<String>,
    /// Do not enable the default features.
    pub no_default_features: bool,
    /// The profile; `HACHI_EBPF_PROFILE`, else release, when absent.
    pub profile: Option<Profile>,
    /// The instruction set to generate code for.
    pub cpu: Cpu,
}

impl From<&str> for Package {
    /// A package by name, or by directory when the text holds a `/` or is `.` or `..`.
    fn from(text: &str) -> Self {
        if text.contains('/') || text == "." || text == ".." {
            Package {
                root_dir: Some(text.into()),
                ..Package::default()
            }
        } else {
            Package {
                name: Some(text.to_string()),
                ..Package::default()
            }
        }
    }
}

impl From<String> for Package {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl From<&Path> for Package {
    fn from(path: &Path) -> Self {
        path.to_path_buf().into()
    }
}

impl From<PathBuf> for Package {
    fn from(path: PathBuf) -> Self {
        Package {
            root_dir: Some(path),
            ..Package::default()
        }
    }
}

/// How much the compiler optimises before the linker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// `opt-level = 3`, no overflow checks. The default everywhere: the verifier likes it best.
    #[default]
    Release,
    /// `opt-level = 1`, overflow checks on.
    Debug,
}

/// One object that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Name of the binary target.
    pub name: String,
    /// The object file.
    pub path: PathBuf,
    /// Whether it was built anew by this call.
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
/// [`hachi_linker::intercept`](hachi_linker) before anything else in `main`.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Builder {
    path: PathBuf,
    bins: Vec<String>,
    profile: Profile,
    cpu: Cpu,
    out_dir: Option<PathBuf>,
    target_dir: Option<PathBuf>,
    features: Vec<String>,
    no_default_features: bool,
    locked: bool,
    offline: bool,
    verbose: bool,
    toolchain: Option<Toolchain>,
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

    /// Selects the instruction set; [`Cpu::V3`] when never called.
    pub fn cpu(mut self, cpu: Cpu) -> Self {
        self.cpu = cpu;
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

    /// Builds. Compiler messages go to stderr as rustc prints them.
    ///
    /// # Errors
    /// When no toolchain is found, the package does not exist or has no binary, or it does not
    /// compile or link; the messages of the compiler and the linker have then been printed already.
    pub fn build(&self) -> Result<Vec<Artifact>, Error> {
        unimplemented!()
    }
}

/// Builds eBPF packages from a `build.rs`; each of their binaries becomes `$OUT_DIR/<bin>`.
///
/// ```no_run
/// fn main() -> Result<(), hachi_build::Error> {
///     hachi_build::build_ebpf(["firewall-ebpf"])
/// }
/// ```
///
/// Must be the first thing in `main`: the build script is run a second time, as the linker.
/// Cargo runs the script again exactly when a source file, manifest or environment variable that
/// took part in the build changes.
///
/// # Errors
/// As [`Builder::build`], and when not run from a build script. Compiler messages have then been printed.
pub fn build_ebpf<I>(packages: I) -> Result<(), Error>
where
    I: IntoIterator,
    I::Item: Into<Package>,
{
    let _: Vec<Package> = packages.into_iter().map(Into::into).collect();
    unimplemented!()
}
