//! What the measurements share: running, timing, medians.

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

/// The middle one.
pub fn median<T: PartialOrd + Copy>(values: &[T]) -> T {
    let mut sorted = values.to_vec();
    sorted.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    sorted[sorted.len() / 2]
}

/// Prints one figure, and beside it the goal, if there is one.
pub fn report(what: &str, duration: Duration, goal: Option<Duration>) {
    let verdict = match goal {
        Some(goal) if duration < goal => format!("goal < {goal:?}: met"),
        Some(goal) => format!("goal < {goal:?}: MISSED"),
        None => String::new(),
    };
    println!("  {what:44} {:>9}  {verdict}", shown(duration));
}

/// Prints how much of the other's figure ours is.
pub fn ratio(what: &str, ours: Duration, theirs: Duration) {
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    println!("  {what:44} {ratio:>8.2}x");
}

/// Prints a figure in nanoseconds; as [`report`].
pub fn nanos(what: &str, nanos: f64, goal: Option<f64>) {
    let verdict = match goal {
        Some(goal) if nanos <= goal => format!("goal ≤ {goal:.1} ns: met"),
        Some(goal) => format!("goal ≤ {goal:.1} ns: MISSED"),
        None => String::new(),
    };
    println!("  {what:44} {nanos:>6.1} ns  {verdict}");
}

/// As [`ratio`], of figures in nanoseconds.
pub fn nanos_ratio(what: &str, ours: f64, theirs: f64) {
    println!("  {what:44} {:>8.3}x", ours / theirs);
}

/// CPU time of this thread so far, the kernel's on its behalf included.
pub fn cpu_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the struct is live, and the call only writes to it.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
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

fn shown(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        s if s >= 1.0 => format!("{s:.2} s"),
        s if s >= 0.001 => format!("{:.2} ms", s * 1e3),
        s => format!("{:.1} µs", s * 1e6),
    }
}
