//! `hachi doctor`.

mod support;

use support::{hachi, keys};

#[test]
fn the_doctor_names_fixes() {
    let run = hachi(["doctor", "--json"]);
    assert!(matches!(run.code, 0 | 3), "{}", run.stderr);
    let document = run.json();
    assert_eq!(keys(&document), ["checks", "healthy"]);
    assert_eq!(document["healthy"], run.code == 0);
    let checks = document["checks"].as_array().unwrap();
    for check in checks {
        assert_eq!(keys(check), ["area", "detail", "fix", "state", "subject"]);
        let state = check["state"].as_str().unwrap();
        assert!(["ok", "optional", "missing"].contains(&state));
    }
    for subject in ["kernel", "privileges", "bpffs", "kernel BTF", "JIT"] {
        assert!(
            checks.iter().any(|check| check["subject"] == subject),
            "{subject}"
        );
    }
    let build = hachi(["doctor", "--build", "--json"]).json();
    assert!(
        build["checks"]
            .as_array()
            .unwrap()
            .iter()
            .all(|check| check["area"] == "Building")
    );
}
