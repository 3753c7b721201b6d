//! Tests that cannot run here say so, and the runner counts them.

use crate::sys;
use std::fmt;
use std::io::{self, Write};
use std::sync::OnceLock;

/// The environment variable that names a file to which every skipped test adds one line.
const SKIP_FILE: &str = "HACHI_TEST_SKIPS";

/// How the reason of a test that a kernel is too old for begins to say so.
const NEEDS: &str = "needs Linux ≥ ";

/// Leaves a test (a function that returns `()`) as *skipped*, with the reason.
///
/// The test harness knows only passed and failed, so a skipped test passes; but a line
/// `skipped NAME: reason` appears on stderr whatever the harness captures, and in the file named by
/// `HACHI_TEST_SKIPS`, from which a runner counts.
///
/// ```
/// // with #[test] above it:
/// fn needs_a_printer() {
///     if std::env::var_os("PRINTER").is_none() {
///         hachi_test::skip!("no printer");
///     }
/// }
/// ```
#[macro_export]
macro_rules! skip {
    ($($reason:tt)*) => {{
        $crate::report_skip(::core::format_args!($($reason)*));
        return;
    }};
}

/// Leaves the test as skipped where bpf(2) cannot be used (no privilege, or forbidden).
#[macro_export]
macro_rules! require_bpf {
    () => {
        if let ::core::result::Result::Err(reason) = $crate::bpf_available() {
            $crate::skip!("{reason}");
        }
    };
}

/// Leaves the test as skipped on kernels older than what it is about. To be used where no error
/// says so (see [`supported!`](crate::supported)): in tests of programs that older verifiers
/// reject.
///
/// ```
/// // with #[test] above it:
/// fn iterates() {
///     hachi_test::require_kernel!("4.4", "a kernel for BPF");
///     // …
/// }
/// ```
#[macro_export]
macro_rules! require_kernel {
    ($version:literal, $what:literal) => {
        if $crate::kernel_is_older_than($version) {
            $crate::skip!("{} needs Linux ≥ {}", $what, $version);
        }
    };
}

/// Leaves the test as skipped in a guest (a kernel in a virtual machine, by `hachi test --kernel`),
/// where there is neither a compiler nor what the host has in its file system.
///
/// ```
/// // with #[test] above it:
/// fn compiles_a_program() {
///     hachi_test::require_host!("a compiler");
///     // …
/// }
/// ```
#[macro_export]
macro_rules! require_host {
    ($what:literal) => {
        if $crate::in_guest() {
            $crate::skip!("guests do not have {}", $what);
        }
    };
}

/// The value of a `Result`; leaves the test as skipped if the error is that the kernel is too old
/// for what was tried.
///
/// An error "… needs Linux ≥ 6.6 …" is a declaration, and this tests it: on Linux 6.6 and newer the
/// test fails. (Not if the error says that a kernel may be built without it, unless in a guest,
/// whose kernels have everything.) Any other error fails the test, as `unwrap` would.
///
/// ```
/// // with #[test] above it:
/// fn uses_something_new() {
///     let answer: Result<u32, std::io::Error> = Ok(7);
///     assert_eq!(hachi_test::supported!(answer), 7);
/// }
/// ```
#[macro_export]
macro_rules! supported {
    ($result:expr) => {
        match $result {
            ::core::result::Result::Ok(value) => value,
            ::core::result::Result::Err(error) => {
                $crate::report_unsupported(&error);
                return;
            }
        }
    };
}

/// Reports the current test as skipped if the error is that the running kernel is too old; what
/// [`supported!`](crate::supported) calls.
///
/// # Panics
/// With the error and its causes, if it is another, or the kernel is new enough.
#[track_caller]
pub fn report_unsupported(error: &dyn std::error::Error) {
    let text = with_causes(error);
    assert!(text.contains(NEEDS), "{text}");
    report_skip(format_args!("{text}"));
}

/// An error with all its causes, on one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        // Some errors print their source themselves.
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

/// Whether the running kernel is older than `version`, such as `6.1`.
pub fn kernel_is_older_than(needed: &str) -> bool {
    version(&release()) < version(needed)
}

/// Whether the running kernel was built without CONFIG_FPROBE, though it is new enough to have it
/// (Linux 5.18): then programs cannot be attached to many of its functions at once. From
/// `/proc/kallsyms`.
pub fn kernel_lacks_fprobe() -> bool {
    let symbols = std::fs::read_to_string("/proc/kallsyms").unwrap_or_default();
    let mut names = symbols
        .lines()
        .filter_map(|line| line.split_ascii_whitespace().nth(2));
    !kernel_is_older_than("5.18") && !names.any(|name| name == "register_fprobe_ips")
}

/// Whether this machine cannot have timers, storage and arenas: from Linux 7.0 on their memory
/// comes from an allocator that works only on CPUs with `cmpxchg16b`, which some guests are not
/// given.
pub fn cpu_lacks_cmpxchg16b() -> bool {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let lacks = cfg!(target_arch = "x86_64") && !cpus.split_whitespace().any(|word| word == "cx16");
    lacks && !kernel_is_older_than("7.0")
}

fn release() -> String {
    std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default()
}

/// Whether this process runs in a guest: see the feature `kernels`.
pub fn in_guest() -> bool {
    std::env::var_os("HACHI_GUEST").is_some()
}

/// What is wrong with a reason to be skipped on the kernel `running`, if anything: it declares that
/// an older one would do.
fn wrongly_declared(reason: &str, running: &str, guest: bool) -> Option<String> {
    let (_, needed) = reason.split_once(NEEDS)?;
    let optional = reason.contains("configured out") && !guest;
    let too_old = version(running) < version(needed);
    (!too_old && !optional)
        .then(|| format!("declared for an older kernel than {running}: {reason}"))
}

/// The first two numbers: `(6, 1)` of `6.1.0-56-cloud-amd64`.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text
        .split(|c: char| !c.is_ascii_digit())
        .map_while(|digits| digits.parse().ok());
    numbers.next().zip(numbers.next())
}

/// Reports the current test as skipped; what [`skip!`] calls. Where skipping is forbidden
/// (`HACHI_TEST_NO_SKIP=1`), or the reason is that the test "needs Linux ≥" a version that the
/// running kernel has, it panics instead.
///
/// # Panics
/// See above.
#[track_caller]
pub fn report_skip(reason: fmt::Arguments<'_>) {
    let running = release();
    if let Some(wrong) = wrongly_declared(&reason.to_string(), running.trim(), in_guest()) {
        panic!("{wrong}");
    }
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("unnamed test");
    if std::env::var_os("HACHI_TEST_NO_SKIP").is_some_and(|value| value == "1") {
        panic!("{name} would be skipped, which HACHI_TEST_NO_SKIP forbids: {reason}");
    }
    crate::support::note_skip(reason);
    let line = format!("skipped {name}: {reason}\n");
    // Not eprint!: the harness would swallow it, since the test passes.
    let _ = io::stderr().write_all(line.as_bytes());
    if let Some(path) = std::env::var_os(SKIP_FILE) {
        let file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path);
        // One write of a short line in append mode: lines of parallel tests do not mix.
        let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
    }
}

/// Whether this process is root's.
pub fn is_root() -> bool {
    sys::effective_uid() == 0
}

/// Whether bpf(2) works here, found by creating a map; the reason if not.
///
/// # Errors
/// One sentence for a person: what the kernel answered and what it usually means.
pub fn bpf_available() -> Result<(), String> {
    static ANSWER: OnceLock<Result<(), String>> = OnceLock::new();
    let answer = ANSWER.get_or_init(|| {
        sys::try_bpf().map_err(|error| match error.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) if is_root() => {
                "bpf(2) is forbidden here, even for root (a container without CAP_BPF, or a \
                 seccomp filter)"
                    .to_owned()
            }
            Some(libc::EPERM | libc::EACCES) => "bpf(2) needs root (or CAP_BPF)".to_owned(),
            Some(libc::ENOSYS) => "this kernel has no bpf(2)".to_owned(),
            _ => format!("bpf(2) does not work here: {error}"),
        })
    });
    answer.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_versions_are_checked() {
        let wrong = |reason, running| wrongly_declared(reason, running, false).is_some();
        assert!(!wrong("no printer", "6.1.0"));
        assert!(!wrong(
            "bpf_loop needs Linux ≥ 5.17",
            "5.10.0-46-cloud-amd64"
        ));
        assert!(wrong("bpf_loop needs Linux ≥ 5.17", "5.17.1"));
        assert!(wrong("it needs Linux ≥ 6.6 (running 6.12)", "6.12.107"));
        let optional = "kprobes needs Linux ≥ 4.1 (running 6.18, which should have it: it may be \
                        configured out)";
        assert!(!wrong(optional, "6.18.44"));
        assert!(wrongly_declared(optional, "6.18.44", true).is_some());
    }
}
