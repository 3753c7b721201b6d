//! Who may use what: user side MIT or Apache-2.0, kernel side GPL-2.0 or MIT.

use crate::shell::{Result, root};
use std::path::Path;

const KERNEL_SIDE: &str = "license = \"GPL-2.0 OR MIT\"";
const USER_SIDE: [&str; 2] = [
    "license.workspace = true",
    "license = \"MIT OR Apache-2.0\"",
];

/// Checks the licence line of every crate and that the texts are there.
pub fn check() -> Result {
    let mut problems = Vec::new();
    for text in ["LICENSE-MIT", "LICENSE-APACHE", "LICENSE-GPL2"] {
        if !root().join(text).is_file() {
            problems.push(format!("{text} is missing"));
        }
    }
    let workspace = std::fs::read_to_string(root().join("Cargo.toml"))?;
    if !has_line(&workspace, USER_SIDE[1]) {
        problems.push(format!("Cargo.toml: no `{}`", USER_SIDE[1]));
    }
    let either = [USER_SIDE[0], USER_SIDE[1], KERNEL_SIDE];
    let sides: [(&str, &[&str]); 3] = [
        ("crates", &USER_SIDE),
        ("ebpf", &[KERNEL_SIDE]),
        ("compat", &either),
    ];
    for (directory, allowed) in sides {
        for entry in std::fs::read_dir(root().join(directory))? {
            let path = entry?.path().join("Cargo.toml");
            let Ok(manifest) = std::fs::read_to_string(&path) else {
                continue;
            };
            if !allowed.iter().any(|line| has_line(&manifest, line)) {
                let path = relative(&path);
                problems.push(format!("{path}: no line `{}`", allowed.join("` or `")));
            }
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems.join("\n").into())
    }
}

fn has_line(manifest: &str, line: &str) -> bool {
    manifest.lines().any(|candidate| candidate.trim() == line)
}

fn relative(path: &Path) -> String {
    let path = path.strip_prefix(root()).unwrap_or(path);
    path.display().to_string()
}
