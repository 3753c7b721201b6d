//! A verifier log: read, explained, shown in every form.

use hachi_diag::json::{Json, parse};
use hachi_diag::{Diagnostic, Input, Renderer, diagnose};

/// Fails by a panic.
pub fn run(bytes: &[u8]) {
    let log = String::from_utf8_lossy(bytes);
    let mut diagnostic = diagnose(&Input::new("program", &log));
    assert!(!Renderer::styled().render(&diagnostic).is_empty());
    let text = diagnostic.to_json(Renderer::plain());
    let document = parse(text.as_bytes()).expect("JSON");
    // A fix is not written: it becomes an edit where the sources are, and edits are.
    for help in &mut diagnostic.helps {
        help.fix = None;
    }
    assert_eq!(Diagnostic::from_json(Json::of(&document)), Some(diagnostic));
}
