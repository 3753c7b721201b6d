//! Tests that cannot run here say so, and the runner counts them.

use crate::sys;
use std::fmt;
use std::io::{self, Write};
use std::sync::OnceLock;

/// The environment variable that names a file to which every skipped test adds one line.
const SKIP_FILE: &str = "HACHI_TEST_SKIPS";

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

/// Reports the current test as skipped; what [`skip!`] calls. Where skipping is forbidden
/// (`HACHI_TEST_NO_SKIP=1`) it panics instead.
///
/// # Panics
/// See above.
pub fn report_skip(reason: fmt::Arguments<'_>) {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("unnamed test");
    if std::env::var_os("HACHI_TEST_NO_SKIP").is_some_and(|value| value == "1") {
        panic!("{name} would be skipped, which HACHI_TEST_NO_SKIP forbids: {reason}");
    }
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
                "bpf(2) is forbidden here, even for root (a container without CAP_BPF, or a seccomp filter)"
                    .to_owned()
            }
            Some(libc::EPERM | libc::EACCES) => "bpf(2) needs root (or CAP_BPF)".to_owned(),
            Some(libc::ENOSYS) => "this kernel has no bpf(2)".to_owned(),
            _ => format!("bpf(2) does not work here: {error}"),
        })
    });
    answer.clone()
}
