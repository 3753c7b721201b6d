//! Which program types and ways to attach a test exercises, for the table of what is supported.

use std::cell::RefCell;
use std::fmt;
use std::io::Write as _;

/// The environment variable that names a file to which every [`Exercise`] adds a line.
const FILE: &str = "HACHI_TEST_SUPPORT";

thread_local! {
    /// Why the test that this thread runs was skipped, if it was.
    static SKIPPED: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// A program of one section, attached in one way, that a test has run by a real event; made by
/// [`exercises`].
///
/// When it is dropped, it writes the result into the file that `HACHI_TEST_SUPPORT` names:
/// section, way, `passed`, `skipped` or `failed`, the reason, and the test, with tabs in between.
#[derive(Debug)]
#[must_use = "what happens until it is dropped is what is recorded"]
pub struct Exercise {
    section: String,
    way: &'static str,
}

/// Declares that what follows, as long as the result lives, runs a program of this section (as the
/// table of section names has it, without a target) attached in this way.
///
/// ```
/// // with #[test] above it:
/// fn drops_packets() {
///     let _row = hachi_test::exercises("xdp", "link");
///     // … attach, send a packet, see that it is gone …
/// }
/// ```
pub fn exercises(section: impl Into<String>, way: &'static str) -> Exercise {
    SKIPPED.take();
    Exercise {
        section: section.into(),
        way,
    }
}

/// Notes that the running test is skipped.
pub(crate) fn note_skip(reason: fmt::Arguments<'_>) {
    SKIPPED.set(Some(reason.to_string()));
}

impl Drop for Exercise {
    fn drop(&mut self) {
        let Some(path) = std::env::var_os(FILE) else {
            return;
        };
        let skipped = SKIPPED.with_borrow(|reason| reason.clone());
        let (outcome, reason) = match skipped {
            _ if std::thread::panicking() => ("failed", String::new()),
            Some(reason) => ("skipped", reason),
            None => ("passed", String::new()),
        };
        let reason = reason.replace(['\n', '\t'], " ");
        let thread = std::thread::current();
        let test = format!("{}::{}", program(), thread.name().unwrap_or("unnamed"));
        let line = format!(
            "{}\t{}\t{outcome}\t{reason}\t{test}\n",
            self.section, self.way
        );
        let file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path);
        // One write of a short line in append mode: lines of parallel tests do not mix.
        let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
    }
}

/// The name of the running test program, without the hash that cargo adds.
fn program() -> String {
    let path = std::env::current_exe().unwrap_or_default();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    without_hash(&name).to_owned()
}

/// `tcx` of `tcx-0123456789abcdef`.
fn without_hash(name: &str) -> &str {
    match name.rsplit_once('-') {
        Some((name, hash)) if hash.len() == 16 && hash.chars().all(|c| c.is_ascii_hexdigit()) => {
            name
        }
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_programs() {
        assert_eq!(without_hash("tcx-0123456789abcdef"), "tcx");
        assert_eq!(without_hash("cgroup-skb"), "cgroup-skb");
    }
}
