//! Building from a build script.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    Cpu, Error, Kernel, Panics, Profile, Search, Toolchain,
    builder::{checked, copy_if_changed, panics},
    cache::setting,
    cargo::{Audience, Job, inputs::Inputs, metadata::Metadata},
};

/// An eBPF package to build: by name (`"firewall-ebpf"`, a member of the workspace or a path
/// dependency) or by directory (`"../firewall-ebpf"`, relative to the calling package).
///
/// ```no_run
/// use hachi_build::{Kernel, Package};
///
/// fn main() -> Result<(), hachi_build::Error> {
///     hachi_build::build_ebpf([Package::from("firewall-ebpf").min_kernel(Kernel(5, 15))])
/// }
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Package {
    /// Found through the calling package's workspace when `root_dir` is absent.
    name: Option<String>,
    root_dir: Option<PathBuf>,
    features: Vec<String>,
    no_default_features: bool,
    profile: Option<Profile>,
    cpu: Cpu,
    min_kernel: Option<Kernel>,
    panics: Option<Panics>,
}

impl Package {
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

    /// Selects the profile. When never called: what `HACHI_EBPF_PROFILE` says, else release.
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = Some(profile);
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

/// Builds eBPF packages from a `build.rs`; each of their binaries becomes `$OUT_DIR/<bin>`.
///
/// ```no_run
/// fn main() -> Result<(), hachi_build::Error> {
///     hachi_build::build_ebpf(["firewall-ebpf"])
/// }
/// ```
///
/// Must be the first thing in `main`: the build script is run a second time, as the linker.
///
/// Cargo runs the script again exactly when a source file, manifest or environment variable that
/// took part in the build changes. The compiler is the one of the outer build; compiled files are
/// kept in `hachi/` of the outer target directory, away from the outer cargo's lock. The outer
/// cargo's `--offline`, `--locked` and `--frozen` hold for the inner one too.
///
/// Nothing is installed from here, since a build script has nobody to ask: run the build with
/// `HACHI_YES=1`, or `hachi build` once, to let it be.
///
/// # Errors
/// As [`Builder::build`](crate::Builder::build), and when not run from a build script. Compiler
/// messages have then been printed.
pub fn build_ebpf<I>(packages: I) -> Result<(), Error>
where
    I: IntoIterator,
    I::Item: Into<Package>,
{
    hachi_linker::intercept();
    let script = Script::new()?;
    let mut inputs = Inputs::default();
    for package in packages {
        inputs.extend(script.build(&package.into())?);
    }
    // Only now: a failed build script runs again in any case, and cargo would show these lines with
    // the errors.
    for file in &inputs.files {
        println!("cargo::rerun-if-changed={}", file.display());
    }
    for variable in SETTINGS
        .iter()
        .copied()
        .chain(inputs.variables.iter().map(String::as_str))
    {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    Ok(())
}

/// Our own variables that change what is built.
const SETTINGS: [&str; 8] = [
    "HACHI_TOOLCHAIN",
    "HACHI_RUSTC",
    "HACHI_RUST_SRC",
    "HACHI_LLVM",
    "HACHI_CACHE",
    "HACHI_EBPF_PROFILE",
    "HACHI_PANICS",
    "HACHI_YES",
];

/// The build script that we run in.
struct Script {
    /// Directory of the package that the script belongs to.
    manifest_dir: PathBuf,
    out_dir: PathBuf,
    target_dir: PathBuf,
    profile: Profile,
    outer: OuterFlags,
}

impl Script {
    fn new() -> Result<Script, Error> {
        let variable = |name| {
            setting(name)
                .map(PathBuf::from)
                .ok_or(Error::NotABuildScript { variable: name })
        };
        let out_dir = variable("OUT_DIR")?;
        let profile = match setting("HACHI_EBPF_PROFILE") {
            None => Profile::default(),
            Some(value) if value == "release" => Profile::Release,
            Some(value) if value == "debug" => Profile::Debug,
            Some(value) => {
                return Err(Error::Setting {
                    variable: "HACHI_EBPF_PROFILE",
                    value: value.to_string_lossy().into_owned(),
                    expected: &["release", "debug"],
                });
            }
        };
        Ok(Script {
            manifest_dir: variable("CARGO_MANIFEST_DIR")?,
            target_dir: outer_target_dir(&out_dir, setting("TARGET").as_deref().map(Path::new))
                .join("hachi"),
            out_dir,
            profile,
            outer: OuterFlags::read(),
        })
    }

    fn build(&self, package: &Package) -> Result<Inputs, Error> {
        let asked = match &package.root_dir {
            Some(dir) => self.manifest_dir.join(dir),
            None => self.manifest_dir.clone(),
        };
        if !asked.join("Cargo.toml").is_file() {
            return Err(Error::NotBuildable { path: asked });
        }
        let metadata = Metadata::read(&asked)?;
        let found = match &package.name {
            Some(name) => metadata.named(name).ok_or_else(|| Error::NoSuchPackage {
                name: name.clone(),
                dir: asked.clone(),
                available: metadata
                    .packages
                    .iter()
                    .map(|package| package.name.clone())
                    .collect(),
            })?,
            None => metadata
                .at(&asked)
                .ok_or_else(|| Error::NoEbpfPackage { dir: asked.clone() })?,
        };
        let found = checked(found)?;
        let toolchain = Toolchain::find(&Search {
            package_dir: Some(found.dir().into()),
            offline: self.outer.offline,
            ..Search::default()
        })?;
        if let Some(warning) = &toolchain.warning {
            println!("cargo::warning={warning}");
        }
        let job = Job {
            toolchain: &toolchain,
            dir: found.dir(),
            packages: vec![&found.name],
            bins: &[],
            profile: package.profile.unwrap_or(self.profile),
            arch: None,
            cpu: package.cpu,
            min_kernel: package.min_kernel,
            panics: panics(package.panics)?,
            features: &package.features,
            no_default_features: package.no_default_features,
            locked: self.outer.locked,
            offline: self.outer.offline,
            verbose: false,
            target_dir: &self.target_dir,
            audience: Audience::BuildScript,
            explained_by: None,
        };
        let built = job.run(&found.name, &mut |_| {})?;
        for built in &built {
            copy_if_changed(&built.path, &self.out_dir.join(&built.name))?;
        }
        let mut inputs = Inputs::collect(
            &built,
            &job.output_dir(),
            found.dir(),
            &metadata.workspace_root,
        );
        // As soon as there is a better way, it is to be taken.
        inputs.files.extend(toolchain.places_of_better_ways());
        Ok(inputs)
    }
}

/// The root of the outer cargo's target directory, seen from `OUT_DIR`, which is
/// `ROOT/[TRIPLE/]PROFILE/build/PACKAGE-HASH/out`.
fn outer_target_dir(out_dir: &Path, triple: Option<&Path>) -> PathBuf {
    let by_position = || {
        let build = out_dir.parent()?.parent()?;
        let profile = build
            .file_name()
            .filter(|name| *name == "build")
            .and(build.parent())?;
        let above = profile.parent()?;
        match above.file_name() {
            Some(name) if triple.is_some_and(|triple| triple == Path::new(name)) => above.parent(),
            _ => Some(above),
        }
    };
    let by_tag = || {
        out_dir
            .ancestors()
            .find(|dir| dir.join("CACHEDIR.TAG").is_file())
    };
    by_position()
        .or_else(by_tag)
        .unwrap_or(out_dir)
        .to_path_buf()
}

/// Flags of the outer cargo that it does not hand on to build scripts.
#[derive(Debug, Default, PartialEq, Eq)]
struct OuterFlags {
    locked: bool,
    offline: bool,
}

impl OuterFlags {
    /// Reads the command line of our parent process. Where that cannot be read the flags are taken
    /// as absent: the lock file was checked by the outer cargo already, if both share a workspace.
    fn read() -> OuterFlags {
        let parent = std::os::unix::process::parent_id();
        let line = fs::read(format!("/proc/{parent}/cmdline")).unwrap_or_default();
        Self::parse(line.split(|byte| *byte == 0))
    }

    fn parse<'a>(arguments: impl Iterator<Item = &'a [u8]>) -> OuterFlags {
        // What follows `--` is for the program that cargo runs.
        let flags: BTreeSet<&[u8]> = arguments
            .take_while(|argument| *argument != b"--")
            .collect();
        let given =
            |flag: &str| flags.contains(flag.as_bytes()) || flags.contains(&b"--frozen"[..]);
        OuterFlags {
            locked: given("--locked"),
            offline: given("--offline"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_come_by_name_or_directory() {
        assert_eq!(Package::from("fw-ebpf").name.as_deref(), Some("fw-ebpf"));
        for dir in ["../fw-ebpf", ".", "..", "/abs"] {
            assert_eq!(Package::from(dir).root_dir.as_deref(), Some(Path::new(dir)));
        }
    }

    #[test]
    fn the_target_directory_is_found_from_out_dir() {
        let triple = Some(Path::new("x86_64-unknown-linux-gnu"));
        let root = |out: &str| outer_target_dir(Path::new(out), triple);
        assert_eq!(
            root("/w/target/debug/build/fw-0123/out"),
            Path::new("/w/target")
        );
        assert_eq!(
            root("/w/t/x86_64-unknown-linux-gnu/release/build/fw-0123/out"),
            Path::new("/w/t")
        );
        assert_eq!(root("/elsewhere/out"), Path::new("/elsewhere/out"));
    }

    #[test]
    fn outer_flags_are_read() {
        let parse = |line: &str| OuterFlags::parse(line.split(' ').map(str::as_bytes));
        assert_eq!(parse("cargo build"), OuterFlags::default());
        assert_eq!(
            parse("cargo build --offline -p x"),
            OuterFlags {
                locked: false,
                offline: true
            }
        );
        assert_eq!(
            parse("cargo run --locked -- --offline"),
            OuterFlags {
                locked: true,
                offline: false
            }
        );
        assert_eq!(
            parse("cargo test --frozen"),
            OuterFlags {
                locked: true,
                offline: true
            }
        );
    }

    #[test]
    fn outside_a_build_script_the_error_says_so() {
        // Cargo sets OUT_DIR for the tests of packages with a build script only.
        assert!(std::env::var_os("OUT_DIR").is_none());
        let error = build_ebpf(["x"]).unwrap_err().to_string();
        assert!(
            error.contains("OUT_DIR") && error.contains("Builder"),
            "{error}"
        );
    }
}
