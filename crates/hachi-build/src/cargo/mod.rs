//! The nested cargo that compiles eBPF packages.
//!
//! Cargo does all of it with stable flags, given by environment so that nothing has to be written
//! into the user's project: the profile by `CARGO_PROFILE_*`, our cfg and the sysroot by
//! `CARGO_ENCODED_RUSTFLAGS`. The compiler's linker is the program that runs us (see
//! [`hachi_linker::intercept`]).

use std::{
    env,
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::UNIX_EPOCH,
};

use hachi_diag::Diagnostic;

use crate::{
    Arch, Cpu, Error, Kernel, Panics, Profile, Toolchain, Way,
    cache::{Hash, Lock},
    error::IoContext,
    process::{shown, spawn_error},
    toolchain::machine,
};

pub(crate) mod inputs;
mod messages;
pub(crate) mod metadata;

use messages::LinkerDiagnostics;
pub(crate) use messages::{Audience, Built, Sink};

/// One call of cargo.
pub(crate) struct Job<'a> {
    pub(crate) toolchain: &'a Toolchain,
    /// Where cargo runs: the directory of a package, so that its configuration counts.
    pub(crate) dir: &'a Path,
    /// Packages by name.
    pub(crate) packages: Vec<&'a str>,
    /// Only these binaries; all when empty.
    pub(crate) bins: &'a [String],
    pub(crate) profile: Profile,
    /// The kind of machine that was asked for; that of the build script or this one when absent.
    pub(crate) arch: Option<Arch>,
    pub(crate) cpu: Cpu,
    pub(crate) min_kernel: Option<Kernel>,
    pub(crate) panics: Panics,
    pub(crate) features: &'a [String],
    pub(crate) no_default_features: bool,
    pub(crate) locked: bool,
    pub(crate) offline: bool,
    pub(crate) verbose: bool,
    /// Our own directory for cargo's files. Never that of an outer cargo, which holds its lock.
    pub(crate) target_dir: &'a Path,
    pub(crate) audience: Audience,
    /// The command that explains the codes of errors, given one.
    pub(crate) explained_by: Option<&'a str>,
}

impl Profile {
    /// Cargo's name for it, in environment variables.
    fn variable(self) -> &'static str {
        match self {
            Profile::Release => "RELEASE",
            Profile::Debug => "DEV",
        }
    }

    /// The directory cargo puts its files in.
    pub(crate) fn directory(self) -> &'static str {
        match self {
            Profile::Release => "release",
            Profile::Debug => "debug",
        }
    }
}

impl Job<'_> {
    /// Directory of the final objects.
    pub(crate) fn output_dir(&self) -> PathBuf {
        self.target_dir
            .join(self.toolchain.triple())
            .join(self.profile.directory())
    }

    /// Runs cargo, shows what the compiler and the linker say, and returns the binaries.
    pub(crate) fn run(&self, what: &str, sink: Sink<'_>) -> Result<Vec<Built>, Error> {
        fs::create_dir_all(self.target_dir).with_context("create", self.target_dir)?;
        // For the linker's path and its diagnostics file, which all builds in this directory share.
        let _lock = Lock::take(&self.target_dir.join(".hachi-lock"))?;
        let linker = self.install_linker()?;
        let mut diagnostics = LinkerDiagnostics::new(self.target_dir.join(".hachi-diagnostics"))?;

        let mut command = self.command(&linker, diagnostics.file());
        command.env("PATH", self.path_of_build_scripts(&linker)?);
        if self.verbose {
            eprintln!(
                "hachi: running `{}` in {}",
                shown(&command),
                self.dir.display()
            );
        }
        let mut child = command
            .spawn()
            .map_err(|source| spawn_error(&command, source))?;
        let collected = messages::collect(&mut child, self.audience, &mut diagnostics, sink);
        let status = child
            .wait()
            .map_err(|source| spawn_error(&command, source))?;
        let collected = collected.with_context("read the messages of", &self.toolchain.cargo)?;

        let said = diagnostics.take_new();
        if status.success() {
            for text in &collected.warnings {
                self.audience.warn(text);
            }
            for (warning, built) in warnings_to_show(&collected.built, said)? {
                self.audience.warn_with(&warning, &built.about, sink);
            }
            return Ok(collected.built);
        }
        for text in &collected.warnings {
            self.audience.fail(text);
        }
        self.audience.fail_with(&said, &collected.about, sink);
        self.audience.fail(&collected.failure);
        let codes = messages::codes_of_errors(&said).chain(collected.codes);
        if let Some(command) = self.explained_by
            && let Some(more) = hachi_diag::where_to_read_on(command, codes)
        {
            self.audience.fail(&more);
        }
        Err(Error::Failed { what: what.into() })
    }

    fn command(&self, linker: &Path, diagnostics: &Path) -> Command {
        let toolchain = self.toolchain;
        let mut command = Command::new(&toolchain.cargo);
        scrub(&mut command, env::vars_os());
        command
            .arg("build")
            .args(["--target", toolchain.triple()])
            .arg("--target-dir")
            .arg(self.target_dir)
            .arg(match self.audience {
                Audience::Terminal { color: true } => {
                    "--message-format=json-diagnostic-rendered-ansi"
                }
                _ => "--message-format=json",
            });
        if self.profile == Profile::Release {
            command.arg("--release");
        }
        for package in &self.packages {
            command.args(["--package", package]);
        }
        if self.bins.is_empty() {
            command.arg("--bins");
        }
        for bin in self.bins {
            command.args(["--bin", bin]);
        }
        if !self.features.is_empty() {
            command.arg("--features").arg(self.features.join(","));
        }
        for (flag, on) in [
            ("--no-default-features", self.no_default_features),
            ("--locked", self.locked),
            ("--offline", self.offline),
            ("--verbose", self.verbose),
            (
                "--quiet",
                self.audience == Audience::BuildScript && !self.verbose,
            ),
        ] {
            if on {
                command.arg(flag);
            }
        }
        command
            .current_dir(self.dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .env("RUSTC", &toolchain.rustc)
            .env("CARGO_ENCODED_RUSTFLAGS", self.rustflags(linker))
            .env_remove(hachi_linker::LINKER_ENV)
            .env(hachi_linker::DIAGNOSTICS_ENV, diagnostics)
            // The compiler recurses over long chains of operations.
            .env(STACK_VARIABLE, compiler_stack(env::var_os(STACK_VARIABLE)))
            // The bar would be drawn over the messages that we print.
            .env("CARGO_TERM_PROGRESS_WHEN", "never");
        if self.audience == Audience::BuildScript {
            command
                .stderr(Stdio::piped())
                .env("CARGO_TERM_COLOR", "never");
        }
        if toolchain.way != Way::HostRetarget {
            let variable = format!(
                "CARGO_TARGET_{}_LINKER",
                toolchain.triple().to_uppercase().replace('-', "_")
            );
            command.env(variable, linker);
        }
        let host = toolchain.way == Way::HostRetarget;
        for (key, value) in [
            // The linker wants the whole program as one module, unwinding does not exist there,
            // and BTF is made from full debug information.
            ("LTO", "fat"),
            ("PANIC", "abort"),
            ("DEBUG", "2"),
            ("STRIP", "none"),
            ("SPLIT_DEBUGINFO", "off"),
            ("CODEGEN_UNITS", "1"),
            ("INCREMENTAL", "false"),
            // They check alignment by masking pointers, which the verifier forbids.
            ("DEBUG_ASSERTIONS", "false"),
            (
                "OPT_LEVEL",
                match (self.profile, host) {
                    (Profile::Debug, _) => "1",
                    // At level 3 the host's code model makes loops that the verifier cannot follow.
                    (Profile::Release, true) => "2",
                    // Not the size levels either, which keep loops over packet fields rolled.
                    (Profile::Release, false) => "3",
                },
            ),
            // Macros and build scripts run once, so compiling them fast is what counts.
            ("BUILD_OVERRIDE_OPT_LEVEL", "0"),
            ("BUILD_OVERRIDE_DEBUG", "0"),
        ] {
            command.env(
                format!("CARGO_PROFILE_{}_{key}", self.profile.variable()),
                value,
            );
        }
        command
    }

    /// Flags for every crate of the eBPF side, joined as `CARGO_ENCODED_RUSTFLAGS` wants them.
    fn rustflags(&self, linker: &Path) -> OsString {
        let mut flags: Vec<OsString> = Vec::new();
        let mut flag = |text: &str, value: Option<&OsStr>| {
            let mut flag = OsString::from(text);
            flag.extend(value);
            flags.push(flag);
        };
        // By this, not by the target, our crates know that they are compiled for eBPF.
        flag("--cfg=hachi_bpf", None);
        flag("--check-cfg=cfg(hachi_bpf)", None);
        // The machine whose registers a kprobe sees; the name is Aya's.
        let arch = match self.arch {
            Some(arch) => arch.name().to_owned(),
            None => machine::architecture(self.toolchain.target),
        };
        flag(&format!("--cfg=bpf_target_arch=\"{arch}\""), None);
        flag("--check-cfg=cfg(bpf_target_arch, values(any()))", None);
        flag(&format!("-Clink-arg=--arch={arch}"), None);
        if let Some(sysroot) = &self.toolchain.sysroot {
            flag("--sysroot=", Some(sysroot.as_os_str()));
        }
        flag("-Clink-arg=--llvm=", Some(self.toolchain.llvm.as_os_str()));
        if self.cpu != Cpu::default() {
            flag(&format!("-Clink-arg=--cpu={}", self.cpu.name()), None);
        }
        if let Some(kernel) = self.min_kernel {
            flag(&format!("-Clink-arg=--min-kernel={kernel}"), None);
        }
        if self.panics != Panics::default() {
            flag(&format!("-Clink-arg=--panics={}", self.panics.name()), None);
        }
        // Vector code ends as masks and bit counts, which cost stack and which the verifier cannot
        // follow.
        flag("-Cno-vectorize-loops", None);
        // The linker optimises, after it has looked at the code as it was written.
        flag("-Cno-prepopulate-passes", None);
        flag("-Cno-vectorize-slp", None);
        // The verifier follows loops that end by `<` and are not copied, and branches better than
        // tables.
        flag("-Cllvm-args=-disable-lftr -unroll-runtime=false", None);
        if self.toolchain.version.number >= (1, 93) {
            flag("-Cjump-tables=no", None);
        }
        if self.toolchain.way == Way::HostRetarget {
            // Here, since `CARGO_TARGET_*_LINKER` would be the linker of build scripts as well.
            flag("-Clinker=", Some(linker.as_os_str()));
            flag("-Clink-arg=--hachi-retarget", None);
            // Without `link` there is no LTO, without `llvm-bc` nothing to turn into eBPF.
            flag("--emit=link,llvm-bc", None);
            flag("-Crelocation-model=static", None);
        }
        flags.join(OsStr::new("\u{1f}"))
    }

    /// The search path with a directory at its end that holds a `bpf-linker`, which is ours. Build
    /// scripts of programs written for Aya look for one, and fail where there is none.
    fn path_of_build_scripts(&self, linker: &Path) -> Result<OsString, Error> {
        let directory = self.target_dir.join("hachi-tools");
        let link = directory.join("bpf-linker");
        fs::create_dir_all(&directory).with_context("create", &directory)?;
        match std::os::unix::fs::symlink(linker, &link) {
            // Always to the same place.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made.with_context("create", &link)?,
        }
        let mut path = env::var_os("PATH").unwrap_or_default();
        // A directory with a colon in its name cannot stand in a search path.
        if !directory.as_os_str().as_bytes().contains(&b':') {
            if !path.is_empty() {
                path.push(":");
            }
            path.push(&directory);
        }
        Ok(path)
    }

    /// Puts a script that starts the running program as linker where the compiler will find it;
    /// returns its path.
    ///
    /// Cargo compiles everything again when the linker's path changes, and this program's changes:
    /// it is the `hachi` command at one time and a build script at another. So cargo sees a
    /// constant path, and when there is another program behind it than at the last build, the
    /// linked binaries are removed, which makes cargo link them again and do nothing else.
    ///
    /// The script, and not the environment of the whole build, holds the variable that makes the
    /// program a linker, since build scripts inside may use this crate too.
    fn install_linker(&self) -> Result<PathBuf, Error> {
        let program = env::current_exe().with_context("find", Path::new("/proc/self/exe"))?;
        let script = self.target_dir.join("hachi-linker");
        let mut text = format!("#!/bin/sh\n{}=1 exec '", hachi_linker::LINKER_ENV).into_bytes();
        for byte in program.as_os_str().as_bytes() {
            match byte {
                b'\'' => text.extend(br"'\''"),
                other => text.push(*other),
            }
        }
        text.extend(b"' \"$@\"\n");
        if fs::read(&script).ok().as_ref() != Some(&text) {
            hachi_linker::write_program(&script, &text).with_context("create", &script)?;
        }
        let metadata = fs::metadata(&program).with_context("read", &program)?;
        let modified = metadata
            .modified()
            .ok()
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let mut hash = Hash::new();
        hash.add(&metadata.len().to_le_bytes());
        hash.add(&modified.map_or(0, |time| time.as_nanos()).to_le_bytes());
        let identity = hash.hex();
        let record = self.output_dir().join(".hachi-linker-id");
        if fs::read_to_string(&record).ok().as_deref() != Some(&identity) {
            let deps = self.output_dir().join("deps");
            for entry in fs::read_dir(&deps).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.extension().is_none() && path.is_file() {
                    fs::remove_file(&path).with_context("remove", &path)?;
                }
            }
            fs::create_dir_all(self.output_dir()).with_context("create", &self.output_dir())?;
            hachi_linker::write_file(&record, identity.as_bytes())
                .with_context("write", &record)?;
        }
        Ok(script)
    }
}

/// What the linker had to say about these binaries. A binary that cargo found fresh was not linked
/// now, so its warnings are those of the time it was.
fn warnings_to_show(
    built: &[Built],
    said: Vec<Diagnostic>,
) -> Result<Vec<(Diagnostic, &Built)>, Error> {
    let mut warnings: Vec<(Diagnostic, &Built)> = Vec::new();
    for built in built {
        let mut name = built.path.clone().into_os_string();
        name.push(".warnings");
        let record = PathBuf::from(name);
        let own = if built.fresh {
            messages::read_lines(&fs::read(&record).unwrap_or_default())
        } else if said.is_empty() {
            let _ = fs::remove_file(&record);
            Vec::new()
        } else {
            hachi_linker::write_file(&record, messages::write_lines(&said).as_ref())
                .with_context("write", &record)?;
            said.clone()
        };
        for warning in own {
            if warnings.iter().all(|(known, _)| *known != warning) {
                warnings.push((warning, built));
            }
        }
    }
    Ok(warnings)
}

/// Removes what an outer cargo, or the user, tells compilers of other builds. Settings of the
/// network, the registries and the place of cargo's own files stay.
pub(crate) fn scrub(
    command: &mut Command,
    environment: impl Iterator<Item = (OsString, OsString)>,
) {
    for (name, _) in environment {
        if name.to_str().is_none_or(|name| !is_kept(name)) {
            command.env_remove(name);
        }
    }
}

fn is_kept(name: &str) -> bool {
    const KEPT: [&str; 9] = [
        "CARGO_HOME",
        "CARGO_NET_",
        "CARGO_HTTP_",
        "CARGO_REGISTRY_",
        "CARGO_REGISTRIES_",
        "CARGO_SOURCE_",
        "CARGO_TERM_",
        "CARGO_BUILD_JOBS",
        // The outer cargo's job server: both together must not start more jobs than allowed.
        "CARGO_MAKEFLAGS",
    ];
    // A build script is told about its own package and target by these.
    const OUTER: [&str; 10] = [
        "OUT_DIR",
        "TARGET",
        "HOST",
        "NUM_JOBS",
        "OPT_LEVEL",
        "PROFILE",
        "DEBUG",
        "CARGO",
        "RUSTFLAGS",
        "RUSTDOCFLAGS",
    ];
    // The linker of build scripts and macros is part of how the machine is set up.
    if name.starts_with("CARGO_TARGET_") && name.ends_with("_LINKER") {
        return !name.contains("_BPF");
    }
    if name.starts_with("CARGO_") {
        return KEPT.iter().any(|kept| name.starts_with(kept));
    }
    !(OUTER.contains(&name)
        || name.starts_with("DEP_")
        || name == "RUSTC"
        || name == "RUSTDOC"
        || name.starts_with("RUSTC_")
        || name.starts_with("CLIPPY_"))
}

/// What tells the compiler how much stack its threads are to have, in bytes.
const STACK_VARIABLE: &str = "RUST_MIN_STACK";

/// Address space, which becomes memory only where it is used: 32 times the compiler's own choice,
/// or what the user asks for.
fn compiler_stack(asked: Option<OsString>) -> OsString {
    asked.unwrap_or_else(|| {
        let bytes: usize = if cfg!(target_pointer_width = "64") {
            256 << 20
        } else {
            32 << 20
        };
        bytes.to_string().into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stack_that_the_user_asks_for_is_the_compilers() {
        let asked = compiler_stack(Some("12345".into()));
        assert_eq!(asked, "12345");
        let ours: usize = compiler_stack(None).to_str().unwrap().parse().unwrap();
        assert!(ours > 8 << 20, "more than the compiler has by itself");
    }

    #[test]
    fn variables_of_the_outer_build_are_not_passed_on() {
        for name in [
            "RUSTC_BOOTSTRAP",
            "RUSTFLAGS",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_BUILD_RUSTFLAGS",
            "CARGO_BUILD_TARGET",
            "CARGO_TARGET_DIR",
            "CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER",
            "CARGO_TARGET_BPFEL_UNKNOWN_NONE_RUSTFLAGS",
            "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS",
            "CARGO_PROFILE_RELEASE_LTO",
            "CARGO_INCREMENTAL",
            "CARGO_FEATURE_X",
            "CARGO_CFG_TARGET_OS",
            "CARGO_PKG_NAME",
            "CARGO_UNSTABLE_BUILD_STD",
            "RUSTC",
            "RUSTC_WRAPPER",
            "RUSTC_WORKSPACE_WRAPPER",
            "RUSTC_LINKER",
            "CLIPPY_ARGS",
            "OUT_DIR",
            "TARGET",
            "DEP_Z_ROOT",
        ] {
            assert!(!is_kept(name), "{name}");
        }
        for name in [
            "PATH",
            "HOME",
            "CARGO_HOME",
            "RUSTUP_HOME",
            "CARGO_NET_OFFLINE",
            "CARGO_HTTP_PROXY",
            "CARGO_REGISTRIES_MINE_TOKEN",
            "CARGO_BUILD_JOBS",
            "CARGO_MAKEFLAGS",
            "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER",
            "HACHI_CACHE",
            "TARGETED",
        ] {
            assert!(is_kept(name), "{name}");
        }
    }
}
