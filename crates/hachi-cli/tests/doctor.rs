//! `hachi doctor`.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use hachi_test::{TempDir, is_root, skip};
use serde_json::Value;
use support::{command, hachi, keys, run};

#[test]
fn prints_a_document_of_stable_keys() {
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

/// The checks of a run of `hachi doctor --json`.
fn checks(document: &Value) -> &Vec<Value> {
    document["checks"].as_array().expect("a list of checks")
}

fn check<'a>(document: &'a Value, subject: &str) -> &'a Value {
    let mut found = checks(document).iter();
    found
        .find(|check| check["subject"] == subject)
        .unwrap_or_else(|| panic!("no check of {subject}"))
}

#[test]
fn names_a_fix_only_for_what_is_broken() {
    let document = hachi(["doctor", "--json"]).json();
    let is_ready = |check: &&Value| {
        let subject = check["subject"].as_str().unwrap();
        check["area"] == "Building" && check["state"] == "ok" && subject.contains("Rust")
            || subject.contains("`core` ") && check["state"] == "ok"
    };
    let can_build = checks(&document).iter().any(|check| is_ready(&check));
    for check in checks(&document) {
        let subject = check["subject"].as_str().unwrap();
        let may_have_one = match check["state"].as_str().unwrap() {
            "ok" => false,
            "optional" => {
                ["bpffs", "JIT"].contains(&subject) || check["area"] == "Building" && !can_build
            }
            _ => true,
        };
        assert!(may_have_one || check["fix"].is_null(), "{check}");
    }
}

#[test]
fn says_what_this_kernel_cannot_do_at_all() {
    let document = hachi(["doctor", "--run", "--json"]).json();
    let has_kprobes = Path::new("/sys/bus/event_source/devices/kprobe").exists();
    let kprobes = check(&document, "kprobes");
    assert_eq!(kprobes["state"] == "ok", has_kprobes, "{kprobes}");
    let features = check(&document, "features")["detail"].as_str().unwrap();
    if !has_kprobes {
        let detail = kprobes["detail"].as_str().unwrap();
        assert!(detail.contains("not built into"), "{detail}");
        assert!(!features.contains("kprobe"), "said twice: {features}");
    }
    // A version that the kernel has is no reason for what it lacks.
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let running = version(&release);
    for part in features.split("Linux ≥ ").skip(1) {
        assert!(version(part) > running, "{features}");
    }
    if is_root() && hachi_test::bpf_available().is_ok() {
        let fentry = check(&document, "fentry");
        assert!(
            !fentry["detail"].as_str().unwrap().contains("not asked"),
            "{fentry}"
        );
    }
}

fn version(text: &str) -> (u32, u32) {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit());
    let mut next = || numbers.next().unwrap().parse().unwrap();
    (next(), next())
}

#[test]
fn says_the_same_to_root_and_others_where_it_can() {
    if !is_root() {
        skip!("only root can become somebody else");
    }
    let dir = TempDir::new().unwrap();
    let everyone = fs::Permissions::from_mode(0o755);
    fs::set_permissions(dir.path(), everyone.clone()).unwrap();
    let program = dir.join("hachi");
    fs::copy(env!("CARGO_BIN_EXE_hachi"), &program).unwrap();
    fs::set_permissions(&program, everyone).unwrap();
    let doctor = || {
        let mut doctor = Command::new(&program);
        doctor.args(["doctor", "--run", "--json"]).current_dir("/");
        doctor
    };
    let root = run(&mut doctor()).json();
    let other = run(doctor().uid(65534).gid(65534)).code(3).json();
    let differ = ["privileges", "bpf(2)", "fentry", "features", "JIT"];
    for of_root in checks(&root) {
        let subject = of_root["subject"].as_str().unwrap();
        if !differ.contains(&subject) {
            assert_eq!(of_root, check(&other, subject), "{subject}");
        }
    }
    // What cannot be asked is not made up.
    for subject in ["bpf(2)", "fentry"] {
        let check = check(&other, subject);
        assert_eq!(check["state"], "optional");
        assert!(
            check["detail"].as_str().unwrap().contains("not asked"),
            "{check}"
        );
    }
    assert!(
        check(&other, "features")["detail"]
            .as_str()
            .unwrap()
            .contains("version")
    );
}

/// `sudo -E` leaves root with the home of somebody else.
#[test]
fn root_leaves_the_cache_of_another_user_alone() {
    if !is_root() {
        skip!("only root can give directories away");
    }
    let dir = TempDir::new().unwrap();
    let theirs = dir.join("cache");
    fs::create_dir(&theirs).unwrap();
    std::os::unix::fs::chown(&theirs, Some(65534), Some(65534)).unwrap();
    let cache = |variable: &str, value: &Path| {
        let mut doctor = command(["doctor", "--build", "--json"]);
        doctor
            .env_remove("HACHI_CACHE")
            .env_remove("XDG_CACHE_HOME")
            .env(variable, value);
        let document = run(&mut doctor).json();
        let found = check(&document, "cache")["detail"].clone();
        found.as_str().unwrap().to_owned()
    };
    // Whether it exists, or would only be made.
    for variable in ["HACHI_CACHE", "XDG_CACHE_HOME"] {
        for path in [theirs.clone(), theirs.join("not/yet")] {
            let found = cache(variable, &path);
            assert!(found.contains("/var/cache/hachi"), "{variable}: {found}");
        }
    }
    assert_eq!(fs::read_dir(&theirs).unwrap().count(), 0);
    // One of root's own is root's.
    let own = dir.join("own");
    let found = cache("HACHI_CACHE", &own);
    assert!(found.contains(own.to_str().unwrap()), "{found}");
}

/// A directory whose files name a program that leaves a mark when it runs; gives the mark.
fn hostile(dir: &Path) -> PathBuf {
    let mark = dir.join("it-ran");
    let script = format!("#!/bin/sh\ntouch '{}'\nexit 1\n", mark.display());
    fs::create_dir_all(dir.join("evil/bin")).unwrap();
    fs::create_dir_all(dir.join("evil/lib")).unwrap();
    for tool in ["rustc", "cargo", "rustdoc"] {
        let path = dir.join("evil/bin").join(tool);
        fs::write(&path, &script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let evil = dir.join("evil").display().to_string();
    fs::write(
        dir.join("rust-toolchain.toml"),
        format!("[toolchain]\npath = \"{evil}\"\n"),
    )
    .unwrap();
    fs::create_dir(dir.join(".cargo")).unwrap();
    fs::write(
        dir.join(".cargo/config.toml"),
        format!("[build]\nrustc = \"{evil}/bin/rustc\"\nrustc-wrapper = \"{evil}/bin/cargo\"\n"),
    )
    .unwrap();
    mark
}

#[test]
fn looking_runs_nothing_that_the_directory_names() {
    let dir = TempDir::new().unwrap();
    let mark = hostile(dir.path());
    // The trap works, where rustup chooses the compiler.
    // Which rustup sets for what it runs, this test among it.
    let chosen = "RUSTUP_TOOLCHAIN";
    let mut compiler = Command::new("rustc");
    compiler
        .arg("-vV")
        .current_dir(dir.path())
        .env_remove(chosen);
    let compiler = compiler.output();
    if compiler.is_ok() && mark.exists() {
        fs::remove_file(&mark).unwrap();
    } else {
        eprintln!("rustc is not rustup's here: only half of this test means something");
    }
    let object = support::object("watcher");
    let object = object.to_str().unwrap();
    for arguments in [
        &["doctor"][..],
        &["doctor", "--build", "--json"],
        &[],
        &["--version"],
        &["inspect", object],
        &["dis", object],
        &["btf", "dump", object],
        &["ld", object, "-o", "linked.o"],
        &["prog", "list"],
        &["map", "list"],
        &["link", "list"],
        &["check", object],
        &["new", "wall"],
    ] {
        let outcome = run(command(arguments)
            .current_dir(dir.path())
            .env_remove(chosen));
        assert!(!mark.exists(), "hachi {arguments:?} ran it");
        assert_ne!(outcome.code, 2, "hachi {arguments:?}: {}", outcome.stderr);
    }
    assert!(dir.join("linked.o").is_file());
    let said = run(command(["doctor", "--build"]).current_dir(dir.path())).stdout;
    assert!(
        said.contains("rust-toolchain.toml") && said.contains("not asked"),
        "{said}"
    );
}
