//! The toolchain, found rather than demanded.
//!
//! What a stock Rust toolchain lacks for eBPF is a `core` library for the target. There are four
//! ways to one, tried in this order (the submodules hold one each):
//!
//! 1. a compiler that has one: in its sysroot, or built by an earlier run and kept in the cache;
//! 2. the active compiler and its library source: build one, once;
//! 3. ask, and get what 1 or 2 needs: rustup's `rust-src`, or packages of the distribution;
//! 4. none: compile for the host and let the linker turn the bitcode into eBPF, with a warning.

use std::path::PathBuf;

pub use cross::Cross;

use crate::{
    Error, Obstacle, Target,
    cache::{Cache, setting},
};

mod apt;
mod ask;
mod compiler;
mod cross;
pub(crate) mod machine;
mod prebuilt;
mod source;
mod survey;

use compiler::Compiler;
use source::Source;

/// How a `core` library for eBPF was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Way {
    /// The compiler's own sysroot holds one (Debian's packages do).
    Prebuilt,
    /// Built from the compiler's library source, now or by an earlier run, and kept in the cache.
    Source,
    /// There is none: compile for the host and turn the bitcode into eBPF. Works for most
    /// programs; a fallback, never chosen when another way works.
    HostRetarget,
}

/// What `rustc -vV` says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Version {
    /// The release, such as `1.95.0`.
    pub release: String,
    /// Major and minor number of the release, such as `(1, 95)`.
    pub number: (u32, u32),
    /// The host target triple, such as `x86_64-unknown-linux-gnu`.
    pub host: String,
    /// The version of the LLVM inside, such as `22.1.2`.
    pub llvm: String,
    /// The whole text. Libraries are compatible only between compilers of which this is equal.
    pub text: String,
}

/// Where and how [`Toolchain::find`] looks.
///
/// ```
/// let search = hachi_build::Search::default().package_dir("firewall-ebpf").offline(true);
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Search {
    pub(crate) package_dir: Option<PathBuf>,
    pub(crate) assume_yes: bool,
    pub(crate) interactive: bool,
    pub(crate) offline: bool,
    pub(crate) verbose: bool,
    pub(crate) force: Option<Way>,
    pub(crate) target: Option<Target>,
    pub(crate) rustc: Option<PathBuf>,
    pub(crate) rust_src: Option<PathBuf>,
    pub(crate) cache: Option<PathBuf>,
}

/// A compiler that can build eBPF, with all it needs for that.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Toolchain {
    /// The compiler.
    pub rustc: PathBuf,
    /// The cargo to drive it with.
    pub cargo: PathBuf,
    /// What it compiles eBPF packages for.
    pub target: Target,
    /// How its `core` for eBPF was found.
    pub way: Way,
    /// The sysroot to pass by `--sysroot`; `None` when the compiler's own will do.
    pub sysroot: Option<PathBuf>,
    /// The LLVM library of the compiler, for the linker.
    pub llvm: PathBuf,
    /// The compiler's version.
    pub version: Version,
    /// Which way was taken and why the others were not, one line each.
    pub explanation: Vec<String>,
    /// What the user should know even without asking (the host fallback says here how to do
    /// better).
    pub warning: Option<String>,
}

/// Whether one way of getting a toolchain is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// Usable now.
    Ready,
    /// Usable after something was installed or built.
    Possible,
    /// Not usable on this machine.
    Missing,
}

/// One line of `hachi doctor`: a way to a toolchain, and what it lacks.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Finding {
    /// The way; `None` for what every way needs.
    pub way: Option<Way>,
    /// A few words naming what was looked for, such as "prebuilt core of rustc 1.96.0".
    pub subject: String,
    /// Whether it is there.
    pub state: State,
    /// What is there or what is missing.
    pub detail: String,
    /// The exact command that would make it ready.
    pub fix: Option<String>,
}

impl Way {
    /// The name of the way in `HACHI_TOOLCHAIN`.
    pub fn name(self) -> &'static str {
        match self {
            Way::Prebuilt => "prebuilt",
            Way::Source => "source",
            Way::HostRetarget => "host",
        }
    }

    fn from_environment() -> Result<Option<Way>, Error> {
        let Some(value) = setting("HACHI_TOOLCHAIN") else {
            return Ok(None);
        };
        [Way::Prebuilt, Way::Source, Way::HostRetarget]
            .into_iter()
            .find(|way| value == way.name())
            .map(Some)
            .ok_or(Error::Setting {
                variable: "HACHI_TOOLCHAIN",
                value: value.to_string_lossy().into_owned(),
                expected: &["prebuilt", "source", "host"],
            })
    }
}

impl Search {
    /// Names the package to be built: its `rust-toolchain.toml` decides which compiler is the
    /// active one. The working directory when never called.
    pub fn package_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.package_dir = Some(dir.into());
        self
    }

    /// Installs what is missing without asking (`--yes`; `HACHI_YES=1` does the same).
    pub fn assume_yes(mut self, yes: bool) -> Self {
        self.assume_yes = yes;
        self
    }

    /// A person sits at the terminal and can be asked.
    pub fn interactive(mut self, interactive: bool) -> Self {
        self.interactive = interactive;
        self
    }

    /// Does not touch the network, so installs nothing (cargo's `CARGO_NET_OFFLINE=true` does the
    /// same).
    pub fn offline(mut self, offline: bool) -> Self {
        self.offline = offline;
        self
    }

    /// Prints on stderr which way was taken and why the others were not.
    pub fn verbose(mut self, verbose: bool) -> Self {
        self.verbose = verbose;
        self
    }

    /// Takes this way or fails; overrides `HACHI_TOOLCHAIN`.
    pub fn force(mut self, way: Way) -> Self {
        self.force = Some(way);
        self
    }

    /// Selects the byte order of the machine that the programs run on. When never called: in a
    /// build script that of the machine it builds for, else this machine's.
    pub fn target(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    /// Names the compiler to use; overrides `HACHI_RUSTC`.
    pub fn rustc(mut self, rustc: impl Into<PathBuf>) -> Self {
        self.rustc = Some(rustc.into());
        self
    }

    /// Names the library source to use; overrides `HACHI_RUST_SRC`.
    pub fn rust_src(mut self, dir: impl Into<PathBuf>) -> Self {
        self.rust_src = Some(dir.into());
        self
    }

    /// Names the cache directory; overrides `HACHI_CACHE`.
    pub fn cache(mut self, dir: impl Into<PathBuf>) -> Self {
        self.cache = Some(dir.into());
        self
    }

    fn dir(&self) -> PathBuf {
        self.package_dir
            .clone()
            .filter(|dir| !dir.as_os_str().is_empty())
            .unwrap_or_else(|| ".".into())
    }

    fn wanted_target(&self) -> Target {
        self.target.unwrap_or_else(machine::target)
    }
}

impl Toolchain {
    /// Finds the first toolchain that works, building or (when allowed) installing what it lacks.
    ///
    /// # Errors
    /// When no way works, or the one forced does not: the error names the command that fixes it.
    pub fn find(search: &Search) -> Result<Toolchain, Error> {
        let found = Finder::new(search)?.find()?;
        if search.verbose {
            for line in &found.explanation {
                eprintln!("hachi: {line}");
            }
        }
        Ok(found)
    }

    /// Looks at every way without building, installing or asking anything.
    ///
    /// Compilers are started in `search.package_dir`, where a `rust-toolchain.toml` can name any
    /// program to be run in their place. Give the root directory to look at the machine alone.
    pub fn survey(search: &Search) -> Vec<Finding> {
        survey::survey(search)
    }

    /// The target triple that the compiler is given: the host's when the code is turned into eBPF
    /// later.
    pub fn triple(&self) -> &str {
        match self.way {
            Way::HostRetarget => &self.version.host,
            Way::Prebuilt | Way::Source => self.target.triple(),
        }
    }

    /// Directories that change when a better way than the fallback opens; none unless the fallback
    /// was taken.
    pub(crate) fn places_of_better_ways(&self) -> Vec<PathBuf> {
        if self.warning.is_none() {
            return Vec::new();
        }
        let sysroot = self.rustc.parent().and_then(|bin| bin.parent());
        let cache = Cache::locate(None)
            .ok()
            .and_then(|cache| source::built_libraries(&cache));
        sysroot
            .map(|sysroot| sysroot.join("lib/rustlib"))
            .into_iter()
            .chain(cache)
            .filter(|dir| dir.is_dir())
            .collect()
    }

    fn new(
        compiler: &Compiler,
        target: Target,
        way: Way,
        sysroot: Option<PathBuf>,
        explanation: Vec<String>,
    ) -> Result<Toolchain, Error> {
        let llvm = match setting("HACHI_LLVM") {
            Some(path) => path.into(),
            None => hachi_linker::find_libllvm(&compiler.rustc)?,
        };
        // In its shortest form: cargo compares it to decide whether to build again.
        let llvm = llvm.canonicalize().unwrap_or(llvm);
        Ok(Toolchain {
            rustc: compiler.rustc.clone(),
            cargo: compiler.cargo(),
            target,
            way,
            sysroot,
            llvm,
            version: compiler.version.clone(),
            explanation,
            warning: None,
        })
    }
}

/// One search, step by step.
struct Finder<'a> {
    search: &'a Search,
    force: Option<Way>,
    cache: Cache,
    /// The active compiler; why there is none.
    active: Result<Compiler, Box<Error>>,
}

impl<'a> Finder<'a> {
    fn new(search: &'a Search) -> Result<Self, Error> {
        let force = match search.force {
            Some(way) => Some(way),
            None => Way::from_environment()?,
        };
        Ok(Finder {
            search,
            force,
            cache: Cache::locate(search.cache.as_deref())?,
            active: Compiler::active(search).map_err(Box::new),
        })
    }

    fn wants(&self, way: Way) -> bool {
        self.force.is_none_or(|force| force == way)
    }

    fn find(self) -> Result<Toolchain, Error> {
        let mut why = Vec::new();
        if let Some(found) = self.look(&mut why)? {
            return Ok(found);
        }
        if self.force != Some(Way::HostRetarget) {
            let active = self.active.as_ref().ok();
            let look_again = |why: &mut Vec<Obstacle>| {
                // rustc may be what was installed.
                let active = Compiler::active(self.search).map_err(Box::new);
                Finder {
                    search: self.search,
                    force: self.force,
                    cache: self.cache.clone(),
                    active,
                }
                .look(why)
            };
            let found = ask::ask(
                self.search,
                active,
                self.force,
                &self.cache,
                &mut why,
                look_again,
            )?;
            if let Some(found) = found {
                return Ok(found);
            }
        }
        if !self.wants(Way::HostRetarget) {
            let help = survey::fix(self.active.as_ref().ok(), self.force);
            if let Err(error) = self.active {
                why.insert(0, Obstacle::Failed(error));
            }
            return Err(Error::ForcedWay {
                way: self.force.unwrap_or(Way::HostRetarget),
                tried: why,
                help,
            });
        }
        self.host_retarget(why)
    }

    /// Ways 1 and 2. Reasons against each go to `why`.
    fn look(&self, why: &mut Vec<Obstacle>) -> Result<Option<Toolchain>, Error> {
        let active = self.active.as_ref().ok();
        if let Some(active) = active
            && let Some(found) = self.prebuilt(active, why)?
        {
            return Ok(Some(found));
        }
        let by_source = active.filter(|_| self.wants(Way::Source));
        if let Some(active) = by_source
            && let Some(found) = self.built_earlier(active, why)?
        {
            return Ok(Some(found));
        }
        for other in Compiler::others_with_core(active, self.search) {
            if let Some(found) = self.prebuilt(&other, why)? {
                return Ok(Some(found));
            }
        }
        match by_source {
            Some(active) => self.built_now(active, why),
            None => Ok(None),
        }
    }

    fn prebuilt(
        &self,
        compiler: &Compiler,
        why: &mut Vec<Obstacle>,
    ) -> Result<Option<Toolchain>, Error> {
        if !self.wants(Way::Prebuilt) {
            return Ok(None);
        }
        match prebuilt::usable(compiler, self.search.wanted_target(), &self.cache) {
            Ok(()) => self.take(
                compiler,
                Way::Prebuilt,
                None,
                "its own `core` for eBPF",
                why,
            ),
            Err(reason) => {
                why.push(reason);
                Ok(None)
            }
        }
    }

    fn built_earlier(
        &self,
        active: &Compiler,
        why: &mut Vec<Obstacle>,
    ) -> Result<Option<Toolchain>, Error> {
        let Some(sysroot) = source::cached(active, self.search, &self.cache)? else {
            why.push(Obstacle::NotInCache {
                target: self.search.wanted_target(),
                release: active.version.release.clone(),
            });
            return Ok(None);
        };
        let how = format!("the `core` for eBPF built earlier in {}", sysroot.display());
        self.take(active, Way::Source, Some(sysroot), &how, why)
    }

    fn built_now(
        &self,
        active: &Compiler,
        why: &mut Vec<Obstacle>,
    ) -> Result<Option<Toolchain>, Error> {
        let Some(source) = Source::find(active, self.search, &self.cache)? else {
            why.push(Obstacle::NoSource {
                release: active.version.release.clone(),
            });
            return Ok(None);
        };
        match source::build(active, &source, self.search.wanted_target(), &self.cache) {
            Ok(sysroot) => {
                let how = format!("a `core` for eBPF built from {}", source.dir.display());
                self.take(active, Way::Source, Some(sysroot), &how, why)
            }
            // Anyone who asked for just this wants the reason, not a substitute.
            Err(error) if self.force.is_some() => Err(error),
            Err(error) => {
                eprintln!("hachi: {error}");
                why.push(error.into());
                Ok(None)
            }
        }
    }

    fn take(
        &self,
        compiler: &Compiler,
        way: Way,
        sysroot: Option<PathBuf>,
        how: &str,
        why: &[Obstacle],
    ) -> Result<Option<Toolchain>, Error> {
        let taken = format!("using {compiler} with {how}");
        let target = self.search.wanted_target();
        let mut lines = explain(why, taken);
        if let Err(error) = &self.active {
            lines.insert(0, format!("not taken: {error}"));
        }
        Toolchain::new(compiler, target, way, sysroot, lines).map(Some)
    }

    /// Way 4.
    fn host_retarget(self, why: Vec<Obstacle>) -> Result<Toolchain, Error> {
        let active = self.active.map_err(|error| *error)?;
        let target = self.search.wanted_target();
        if target != Target::HOST {
            return Err(Error::NoCore {
                target,
                tried: why,
                help: survey::fix(Some(&active), None),
            });
        }
        let taken = format!(
            "using {active}, compiling for {} and turning the code into eBPF",
            active.version.host
        );
        let mut found = Toolchain::new(
            &active,
            target,
            Way::HostRetarget,
            None,
            explain(&why, taken),
        )?;
        if self.force.is_none() {
            found.warning = Some(format!(
                "no `core` library for eBPF: compiling for {} and turning that into eBPF, which \
                 works for most programs; for the supported way: {}",
                active.version.host,
                survey::fix(Some(&active), None)
            ));
        }
        Ok(found)
    }
}

fn explain(why: &[Obstacle], taken: String) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for reason in why {
        let line = format!("not taken: {reason}");
        // After something was installed all places are looked at once more.
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines.push(taken);
    lines
}
