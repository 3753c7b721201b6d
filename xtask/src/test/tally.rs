//! What steps count: tests that passed, failed and were skipped.

use crate::shell::{Result, dim, red, target_dir, watch};
use std::collections::BTreeSet;
use std::process::{Command, ExitCode};

/// What was counted so far.
#[derive(Default)]
pub struct Tally {
    pub passed: usize,
    pub failed: usize,
    pub skipped: usize,
    /// What failed, by name.
    pub failures: Vec<String>,
    /// What was skipped, with the reason.
    pub skips: BTreeSet<String>,
}

impl Tally {
    /// Prints the summary.
    pub fn close(&self) -> ExitCode {
        println!();
        for skip in &self.skips {
            println!("{}", dim(skip));
        }
        for failure in &self.failures {
            println!("{} {failure}", red("failed"));
        }
        println!(
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        );
        if self.failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    pub fn skip(&mut self, name: &str, reason: impl std::fmt::Display) {
        self.skipped += 1;
        let line = format!("skipped {name}: {reason}");
        println!("{line}");
        self.skips.insert(line);
    }

    /// Runs a `cargo test` and adds up its closing lines; gives how many tests ran. A test that
    /// skipped itself counts as skipped, not as passed.
    pub fn cargo_test(&mut self, command: &mut Command) -> Result<usize> {
        let skip_file = target_dir().join("skipped-tests");
        let _ = std::fs::remove_file(&skip_file);
        command.env("HACHI_TEST_SKIPS", &skip_file);
        let mut counted = 0;
        let mut failures = Vec::new();
        let succeeded = watch(command, |line| {
            if let Some([passed, failed, ignored]) = closing_line(line) {
                counted += passed + failed;
                self.passed += passed;
                self.failed += failed;
                self.skipped += ignored;
            } else if let Some(name) = line
                .strip_prefix("test ")
                .and_then(|line| line.strip_suffix(" ... FAILED"))
            {
                failures.push(name.to_owned());
            }
        })?;
        self.failures.append(&mut failures);
        let skips = std::fs::read_to_string(&skip_file).unwrap_or_default();
        for line in skips.lines() {
            self.skipped += 1;
            self.passed = self.passed.saturating_sub(1);
            self.skips.insert(line.to_owned());
        }
        if succeeded {
            Ok(counted)
        } else {
            Err("see above".into())
        }
    }
}

/// Reads a row of the matrix's table, `6.1  6.1.0-56-cloud-amd64  65  1  2  45.2 s`, as
/// `[65, 1, 2]`.
pub fn matrix_row(line: &str) -> Option<[usize; 3]> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [version, release, passed, failed, skipped, _, "s"] = words[..] else {
        return None;
    };
    release.starts_with(version).then_some(())?;
    Some([
        passed.parse().ok()?,
        failed.parse().ok()?,
        skipped.parse().ok()?,
    ])
}

/// Reads `test result: ok. 3 passed; 0 failed; 1 ignored; …` as `[3, 0, 1]`.
fn closing_line(line: &str) -> Option<[usize; 3]> {
    let rest = line.strip_prefix("test result: ")?;
    let (_, rest) = rest.split_once(". ")?;
    let mut counts = rest.split("; ").map(|part| {
        let (number, _) = part.split_once(' ')?;
        number.parse().ok()
    });
    Some([counts.next()??, counts.next()??, counts.next()??])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_read() {
        let line = "test result: FAILED. 12 passed; 1 failed; 2 ignored; 0 measured; 0 filtered \
                    out; finished in 0.5s";
        assert_eq!(closing_line(line), Some([12, 1, 2]));
        assert_eq!(closing_line("test result of mine"), None);
        assert_eq!(closing_line("running 3 tests"), None);
    }

    #[test]
    fn rows_of_the_matrix_are_read() {
        let row = "6.1     6.1.0-56-cloud-amd64  65      1       2        45.2 s";
        assert_eq!(matrix_row(row), Some([65, 1, 2]));
        assert_eq!(
            matrix_row("KERNEL  RELEASE  PASSED  FAILED  SKIPPED  TIME"),
            None
        );
        assert_eq!(matrix_row(""), None);
    }
}
