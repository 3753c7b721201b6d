//! `hachi test --kernel`, and what becomes of tests that fail, hang, are skipped, or take the
//! kernel down.

use hachi_build::{Arch, Cross, Search, State};
use hachi_test::{TempDir, find_program, require_host, skip};
use hachi_tests::{examples_target_dir, failure, hachi, root, success};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A package whose tests end in every way there is.
const TESTS: &str = r#"
use std::{fs, thread, time::Duration};

#[test]
fn passes() {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert!(release.starts_with("5.10."), "{release}");
    // Files of the package are there.
    assert_eq!(fs::read_to_string("data/greeting").unwrap(), "hello");
    println!("printed");
}

#[test]
fn fails() {
    panic!("on purpose");
}

#[test]
fn takes_the_kernel_down() {
    fs::write("/proc/sysrq-trigger", "c").unwrap();
    thread::sleep(Duration::from_secs(60));
}

#[test]
fn takes_too_long() {
    thread::sleep(Duration::from_secs(60));
}

#[test]
fn too_new() {
    hachi_test::skip!("it needs Linux ≥ 5.11");
}

#[test]
fn wrongly_declared() {
    hachi_test::skip!("it needs Linux ≥ 5.9");
}

#[test]
#[ignore]
fn ignored() {}
"#;

#[test]
fn every_outcome_of_a_test_is_reported() {
    require_host!("a compiler");
    if find_program("qemu-system-x86_64").is_none() {
        skip!("qemu-system-x86_64 is not installed (package qemu-system-x86)");
    }
    let package = TempDir::new().unwrap();
    let manifest = format!(
        "[package]\nname = \"ends\"\nedition = \"2024\"\n[workspace]\n\
         [dev-dependencies]\nhachi-test = {{ path = {:?} }}\n",
        root().join("crates/hachi-test")
    );
    std::fs::write(package.join("Cargo.toml"), manifest).unwrap();
    for directory in ["src", "tests", "data"] {
        std::fs::create_dir(package.join(directory)).unwrap();
    }
    std::fs::write(package.join("src/lib.rs"), "").unwrap();
    std::fs::write(package.join("tests/ways.rs"), TESTS).unwrap();
    std::fs::write(package.join("data/greeting"), "hello").unwrap();
    let mut test = hachi(["test", "--kernel", "5.10", "--timeout", "10", "--report"]);
    test.arg(package.join("report"))
        .current_dir(package.path())
        .env("CARGO_TARGET_DIR", examples_target_dir());
    let text = failure(&mut test, 1);
    assert!(text.contains("4 failed tests"), "{text}");

    let report = std::fs::read_to_string(package.join("report/5.10.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["problem"], Value::Null);
    let text = |test: &Value, key: &str| test[key].as_str().unwrap_or_default().to_owned();
    let ends: BTreeMap<String, &Value> = report["tests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|test| (text(test, "test"), test))
        .collect();
    for (name, outcome, reason, output) in [
        ("passes", "passed", "", "printed"),
        ("fails", "failed", "", "on purpose"),
        ("takes_the_kernel_down", "failed", "Kernel panic", ""),
        ("takes_too_long", "failed", "not done after", ""),
        ("too_new", "skipped", "needs Linux ≥ 5.11", ""),
        (
            "wrongly_declared",
            "failed",
            "",
            "declared for an older kernel",
        ),
        ("ignored", "ignored", "", ""),
    ] {
        let test = ends[name];
        assert_eq!(test["outcome"], outcome, "{test}");
        assert!(text(test, "reason").contains(reason), "{test}");
        assert!(text(test, "output").contains(output), "{test}");
    }
    assert_eq!(ends.len(), 7);
}

/// A cache of its own with the kernel 5.10 of the usual one.
fn cache_with_a_kernel(directory: &TempDir) -> PathBuf {
    let kernel = hachi_guest::Kernel::find("5.10").unwrap();
    let usual = hachi_build::Cache::locate(None).unwrap();
    let from = usual.path("kernels").join(kernel.release());
    let cache = directory.join("cache");
    let own = hachi_build::Cache::locate(Some(&cache)).unwrap();
    let to = own.directory("kernels").unwrap();
    success(Command::new("cp").arg("-a").arg(from).arg(to));
    cache
}

#[test]
fn saved_guests_go_on_and_damaged_ones_are_made_again() {
    require_host!("QEMU");
    let Some(qemu) = find_program("qemu-system-x86_64") else {
        skip!("qemu-system-x86_64 is not installed (package qemu-system-x86)");
    };
    let directory = TempDir::new().unwrap();
    let cache = cache_with_a_kernel(&directory);
    // It notes how each guest comes to run.
    let (noting, notes) = (directory.join("qemu"), directory.join("notes"));
    let script = format!(
        "#!/bin/sh\ncase \" $* \" in *' -incoming '*) w=resumed;; *share=on*) w=saved;; *) \
         w=booted;; esac\necho $w >> {}\nexec {} \"$@\"\n",
        notes.display(),
        qemu.display()
    );
    fs::write(&noting, script).unwrap();
    fs::set_permissions(&noting, fs::Permissions::from_mode(0o755)).unwrap();
    let object = root().join("crates/hachi-obj/tests/data/basic.bpfel.o");
    let check = || {
        let mut check = hachi(["check", "--kernel", "5.10"]);
        check
            .arg(&object)
            .env("HACHI_CACHE", &cache)
            .env("HACHI_QEMU", &noting);
        let text = success(&mut check);
        let noted = fs::read_to_string(&notes).unwrap();
        fs::remove_file(&notes).unwrap();
        (
            text,
            noted
                .split_whitespace()
                .map(String::from)
                .collect::<Vec<_>>(),
        )
    };
    let saved = || -> Vec<PathBuf> {
        let entries = fs::read_dir(cache.join("2/guests")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    };

    let (text, noted) = check();
    assert!(text.contains("accepted"), "{text}");
    assert_eq!(noted, ["saved", "resumed"]);
    let (again, noted) = check();
    assert!(again.contains("accepted"), "{again}");
    assert_eq!(noted, ["resumed"]);

    let [guest] = &saved()[..] else {
        panic!("{:?}", saved());
    };
    fs::write(guest.join("devices"), "no state of devices").unwrap();
    let (text, noted) = check();
    assert!(text.contains("accepted"), "{text}");
    assert_eq!(noted, ["resumed", "booted"]);
    assert_eq!(saved(), [""; 0].map(PathBuf::from), "what is damaged goes");

    let mut remove = hachi(["kernels", "remove", "5.10"]);
    check();
    assert_eq!(saved().len(), 1);
    success(remove.env("HACHI_CACHE", &cache));
    assert_eq!(saved().len(), 0);
}

/// Tests of a machine that this one is not: what they run on, what they start, and what takes it
/// down.
const ELSEWHERE: &str = r#"
use std::{fs, process::Command, thread, time::Duration};

#[test]
fn runs_there() {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert!(release.starts_with("6.12."), "{release}");
    assert_eq!(std::env::consts::ARCH, ARCH);
    for (program, argument) in [("sh", "-c true"), ("ip", "-V"), ("ping", "-V")] {
        let ended = Command::new(program).args(argument.splitn(2, ' ')).status().unwrap();
        assert!(ended.success(), "{program}");
    }
}

#[test]
fn fails() {
    panic!("on purpose");
}

#[test]
fn takes_the_kernel_down() {
    fs::write("/proc/sysrq-trigger", "c").unwrap();
    thread::sleep(Duration::from_secs(60));
}
"#;

/// Its kernel, programs and libraries are that machine's, and nothing of them is installed here.
#[test]
#[ignore = "it boots another kind of machine: the step `architectures` runs it"]
fn tests_run_on_a_machine_of_another_kind() {
    require_host!("a compiler");
    let arch = match Arch::here() {
        Some(Arch::Aarch64) => Arch::S390x,
        _ => Arch::Aarch64,
    };
    let missing = Cross::survey(arch, &Search::default())
        .into_iter()
        .find(|finding| finding.state == State::Missing);
    if let Some(missing) = missing {
        skip!("programs for {arch} are not built here: {}", missing.detail);
    }
    if let Err(error) = hachi_guest::Guest::require(arch) {
        skip!("{error}");
    }
    let package = TempDir::new().unwrap();
    let manifest = "[package]\nname = \"elsewhere\"\nedition = \"2024\"\n[workspace]\n";
    std::fs::write(package.join("Cargo.toml"), manifest).unwrap();
    std::fs::create_dir(package.join("src")).unwrap();
    let tests = ELSEWHERE.replace("ARCH);", &format!("{:?});", arch.name()));
    std::fs::write(package.join("src/lib.rs"), tests).unwrap();
    let mut test = hachi(["test", "--kernel", "6.12", "--arch", arch.debian()]);
    test.args(["--report", "report"])
        .current_dir(package.path())
        .env("CARGO_TARGET_DIR", package.join("target"));
    let text = failure(&mut test, 1);
    assert!(text.contains("2 failed tests"), "{text}");

    let report = package.join(format!("report/6.12-{arch}.json"));
    let report: Value = serde_json::from_str(&std::fs::read_to_string(report).unwrap()).unwrap();
    assert_eq!(report["problem"], Value::Null);
    assert_eq!(report["arch"], arch.name());
    let ends: BTreeMap<&str, (&str, &str)> = report["tests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|test| {
            let text = |key: &str| test[key].as_str().unwrap_or_default();
            (text("test"), (text("outcome"), text("reason")))
        })
        .collect();
    assert_eq!(ends["runs_there"].0, "passed", "{report:#}");
    assert_eq!(ends["fails"].0, "failed");
    let (outcome, reason) = ends["takes_the_kernel_down"];
    assert!(
        outcome == "failed" && reason.contains("Kernel panic"),
        "{reason}"
    );
}

/// Two objects on a kernel that is not this machine's: verdicts, figures, explanations with their
/// lines, and a baseline that they are held against.
#[test]
fn programs_are_judged_by_another_kernel() {
    require_host!("a compiler");
    if find_program("qemu-system-x86_64").is_none() {
        skip!("qemu-system-x86_64 is not installed (package qemu-system-x86)");
    }
    let objects = root().join("crates/hachi-cli/tests/objects");
    let dir = TempDir::new().unwrap();
    let baseline = dir.join("baseline.json");
    std::fs::write(
        &baseline,
        r#"{"version": 1, "verdicts": {"rejected.o:short_check@5.10":
            {"verdict": "accepted", "insns": 5}}}"#,
    )
    .unwrap();
    let mut check = hachi(["check", "--json", "--kernel", "5.10"]);
    check
        .args(["--program", "short_check", "--baseline"])
        .arg(&baseline)
        .arg("--save")
        .arg(dir.join("saved.json"))
        .arg(objects.join("rejected.o"));
    let output = check.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["accepted"], false);
    let kernel = &document["kernels"][0];
    assert!(
        kernel["release"].as_str().unwrap().starts_with("5.10."),
        "{kernel}"
    );
    let program = &kernel["objects"][0]["programs"][0];
    assert_eq!(program["verdict"], "rejected");
    assert_eq!(program["diagnostics"][0]["code"]["code"], "packet-bounds");
    assert_eq!(program["diagnostics"][0]["spans"][0]["line_start"], 44);
    assert!(program["stats"]["insns"].as_u64().unwrap() > 0);
    let worse = document["worse"].as_array().unwrap();
    assert!(
        worse[0]
            .as_str()
            .unwrap()
            .contains("was accepted, and is rejected"),
        "{worse:?}"
    );
    let saved = std::fs::read_to_string(dir.join("saved.json")).unwrap();
    assert!(saved.contains("rejected.o:short_check@5.10"), "{saved}");
}

/// The files below a directory, linked into another; of their own where they are to be, as a cache
/// wants it.
fn link_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => link_all(&path, &to),
            false if fs::hard_link(&path, &to).is_ok() => {}
            false => drop(fs::copy(&path, &to).unwrap()),
        }
    }
}

#[test]
fn kernels_are_fetched_listed_asked_under_another_path_and_removed() {
    require_host!("QEMU");
    if find_program("qemu-system-x86_64").is_none() {
        skip!("qemu-system-x86_64 is not installed (package qemu-system-x86)");
    }
    let release = success(&mut hachi(["kernels", "fetch", "5.10"]));
    let release = release.trim();
    let list: Value =
        serde_json::from_str(&success(&mut hachi(["kernels", "list", "--json"]))).unwrap();
    let all = list["kernels"].as_array().unwrap();
    let fetched = all
        .iter()
        .find(|kernel| kernel["release"] == release)
        .unwrap();
    assert!(fetched["bytes"].as_u64().unwrap() > 10_000_000, "{fetched}");
    let entry = Path::new(fetched["image"].as_str().unwrap())
        .parent()
        .unwrap();

    // As somebody who built one has it.
    let own = TempDir::new().unwrap();
    link_all(&entry.join("modules"), &own.join("lib/modules/own/kernel"));
    let image = own.join("bzImage");
    fs::copy(entry.join("vmlinuz"), &image).unwrap();
    let object = root().join("crates/hachi-cli/tests/objects/watcher.o");
    let check = |options: &[(&str, &Path)]| {
        let mut check = hachi(["check", "--json", "--kernel"]);
        check.arg(&image).arg(&object);
        for (option, path) in options {
            check.arg(option).arg(path);
        }
        check
    };
    let (modules, types) = (own.join("lib"), entry.join("vmlinux.btf"));
    let answer = success(&mut check(&[("--modules", &modules), ("--btf", &types)]));
    let answer: Value = serde_json::from_str(answer.lines().last().unwrap()).unwrap();
    let kernel = &answer["kernels"][0];
    assert_eq!(kernel["release"], release, "{answer:#}");
    let program = &kernel["objects"][0]["programs"][0];
    assert_eq!(program["verdict"], "accepted", "{answer:#}");
    // A file without BTF is refused before anything boots.
    let text = failure(
        &mut check(&[("--modules", &modules), ("--btf", &object)]),
        1,
    );
    assert!(text.contains("watcher.o: not BTF"), "{text}");

    // In a cache of its own.
    let cache = TempDir::new().unwrap();
    let kernels = entry.parent().unwrap();
    let version = kernels.parent().unwrap().file_name().unwrap();
    let in_cache = |arguments: &[&str]| {
        let mut command = hachi(arguments);
        command.env("HACHI_CACHE", cache.path());
        command
    };
    let text = success(&mut in_cache(&["kernels", "list"]));
    assert!(text.contains("hachi kernels fetch"), "{text}");
    let copy = cache.join(version).join("kernels").join(release);
    link_all(entry, &copy);
    let text = success(&mut in_cache(&["kernels", "list"]));
    assert!(text.contains(release) && text.contains(" MB"), "{text}");
    let text = failure(&mut in_cache(&["kernels", "remove", "6.1"]), 1);
    assert!(
        text.contains("no kernel 6.1") && text.contains("kernels list"),
        "{text}"
    );
    assert!(copy.exists());
    let text = success(&mut in_cache(&["kernels", "remove", "5.10"]));
    assert_eq!(text.trim(), format!("removed {release}"));
    assert!(!copy.exists() && entry.join("vmlinuz").exists());
}
