//! What the measurements share: running, timing, medians.

use crate::figures::{Goal, Unit, figure};
pub use crate::timing::{cpu_time, median};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("benches is a directory of the repository")
}

/// Where measurements may write: a directory below the one this program was built in.
pub fn scratch(name: &str) -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    let target = this
        .ancestors()
        .nth(2)
        .ok_or("we are in no target directory")?;
    let directory = target.join("scratch").join(name);
    std::fs::create_dir_all(&directory)?;
    Ok(directory)
}

/// The `hachi` command in release, built now.
pub fn hachi() -> Result<PathBuf> {
    let target = scratch("hachi")?;
    let mut build = cargo(root());
    build.args(["build", "--quiet", "--release", "--package", "hachi-cli"]);
    succeed(build.arg("--target-dir").arg(&target))?;
    Ok(target.join("release/hachi"))
}

/// Cargo in `directory`.
pub fn cargo(directory: &Path) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo
        .current_dir(directory)
        .env("HACHI_YES", "1")
        .env_remove("CARGO_TARGET_DIR");
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&*name);
        }
    }
    cargo
}

/// Cargo for a directory of programs of our own, with the settings that this one was built with.
pub fn own_cargo(directory: &str) -> Command {
    let mut cargo = cargo(&root().join(directory));
    if let Some(settings) = std::env::var_os("HACHI_BENCH_SETTINGS") {
        cargo.arg("--config").arg(settings);
    }
    cargo
}

/// Runs to the end, which must be a success, and gives what was written to stdout.
pub fn succeed(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?} failed ({}):\n{stderr}", output.status).into())
}

/// How long a command takes, from start to end.
pub fn time(command: &mut Command) -> Result<Duration> {
    let start = Instant::now();
    succeed(command)?;
    Ok(start.elapsed())
}

/// Prints a time, and beside it the goal, if there is one.
pub fn report(what: &str, duration: Duration, goal: Option<Duration>) {
    let goal = goal.map_or(Goal::None, |goal| Goal::Below(goal.as_secs_f64()));
    figure(what, duration.as_secs_f64(), Unit::Seconds, goal);
}

/// Prints how much of the other's time ours is; as [`report`].
pub fn ratio(what: &str, ours: Duration, theirs: Duration, goal: Option<f64>) {
    let goal = goal.map_or(Goal::None, Goal::Below);
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    figure(what, ratio, Unit::Ratio, goal);
}

/// Prints a time in nanoseconds; as [`report`].
pub fn nanos(what: &str, nanos: f64, goal: Option<f64>) {
    let goal = goal.map_or(Goal::None, |goal| Goal::Below(goal / 1e9));
    figure(what, nanos / 1e9, Unit::Seconds, goal);
}

/// As [`ratio`], of figures in nanoseconds.
pub fn nanos_ratio(what: &str, ours: f64, theirs: f64) {
    figure(what, ours / theirs, Unit::Ratio, Goal::None);
}

/// The C program `benches/libbpf/NAME.c`, built now.
pub fn libbpf(name: &str) -> Result<PathBuf> {
    let program = scratch("libbpf")?.join(name);
    let mut cc = Command::new("cc");
    cc.args(["-O2", "-static", "-o"])
        .arg(&program)
        .arg(root().join(format!("benches/libbpf/{name}.c")))
        .args(["-lbpf", "-lelf", "-lz"]);
    succeed(&mut cc).map_err(|_| "needs cc, libbpf-dev, libelf-dev and zlib1g-dev")?;
    Ok(program)
}

/// The other toolkits' programs, by name: with libbpf in C, with libbpf-rs, with Aya.
pub fn peers(c_program: &str) -> [(&'static str, Result<PathBuf>); 3] {
    [
        ("libbpf", libbpf(c_program)),
        ("libbpf-rs", libbpf_rs()),
        ("Aya", aya()),
    ]
}

/// Those of the other toolkits' programs that could be built; says why the others could not.
pub fn built_peers(c_program: &str) -> Vec<(&'static str, PathBuf)> {
    let mut built = Vec::new();
    for (name, program) in peers(c_program) {
        match program {
            Ok(program) => built.push((name, program)),
            Err(error) => println!("  ({name}: not measured: {error})"),
        }
    }
    built
}

/// Linked statically, as the loaders of a comparison all are. A target triple keeps the flags away
/// from build scripts and macros, which cannot be static.
pub fn build_static(build: &mut Command, target: &Path, flags: &str) -> Result<PathBuf> {
    let host = host()?;
    build
        .args(["build", "--quiet", "--release", "--ignore-rust-version"])
        .args(["--target", &host])
        .arg("--target-dir")
        .arg(target)
        .env(
            "RUSTFLAGS",
            format!("-C target-feature=+crt-static {flags}"),
        );
    succeed(build)?;
    Ok(target.join(host).join("release"))
}

fn host() -> Result<String> {
    let version = succeed(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or("rustc -vV names no host")?.to_owned())
}

fn libbpf_rs() -> Result<PathBuf> {
    let mut build = cargo(&root().join("benches/libbpf-rs"));
    // The build script of libbpf-sys looks no further for the static libraries of the system.
    let libraries = "-L native=/usr/lib/x86_64-linux-gnu";
    let built = build_static(&mut build, &scratch("libbpf-rs-peer")?, libraries);
    let directory = built.map_err(|_| "needs cc, libelf-dev and zlib1g-dev")?;
    Ok(directory.join("libbpf-rs-peer"))
}

/// Aya asks for a newer compiler than ours, for one library function that is unstable in it.
pub fn aya() -> Result<PathBuf> {
    let mut build = cargo(&root().join("benches/aya"));
    build.env("RUSTC_BOOTSTRAP", "1");
    let feature = "-Zcrate-attr=feature(result_option_map_or_default)";
    Ok(build_static(&mut build, &scratch("aya-peer")?, feature)?.join("aya-peer"))
}
