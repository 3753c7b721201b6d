//! A verifier log: read, explained, shown in every form.

use hachi_diag::{Input, explain};

/// Fails by a panic.
pub fn run(bytes: &[u8]) {
    let log = String::from_utf8_lossy(bytes);
    let _ = explain(&Input::new("program", &log)).to_string();
}
