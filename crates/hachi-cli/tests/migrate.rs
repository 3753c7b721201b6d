//! `hachi migrate`.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use hachi_test::TempDir;
use support::{command, keys, run};

/// A project of these files.
fn project(files: &[(&str, &str)]) -> TempDir {
    let dir = TempDir::new().unwrap();
    for (path, text) in files {
        let path = dir.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

/// All files below a directory.
fn all(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.append(&mut all(&path));
        } else {
            let text = fs::read_to_string(&path).unwrap();
            files.insert(path, text);
        }
    }
    files
}

fn migrate(dir: &TempDir, arguments: &[&str]) -> support::Run {
    let mut line = vec!["migrate"];
    line.extend(arguments);
    run(command(line).current_dir(dir.path()))
}

fn read(dir: &TempDir, path: &str) -> String {
    fs::read_to_string(dir.join(path)).unwrap()
}

const FINDS_LINKER: &str = "use which::which;\n\nfn main() {\n    \
    let bpf_linker = which(\"bpf-linker\").unwrap();\n    \
    println!(\"cargo:rerun-if-changed={}\", bpf_linker.to_str().unwrap());\n}\n";

/// A workspace whose crates inherit from it, for Aya 0.13.
fn of_2025() -> TempDir {
    project(&[
        (
            "Cargo.toml",
            "[workspace]\nmembers = [\"fw\", \"fw-ebpf\"]\n\n[workspace.dependencies]\n\
             aya = { version = \"0.13.1\", default-features = false }\n\
             aya-build = { version = \"0.1.2\", default-features = false }\n\
             aya-ebpf = { version = \"0.1.1\", default-features = false }\n\
             which = { version = \"6\", default-features = false }\n",
        ),
        (
            "fw/Cargo.toml",
            "[package]\nname = \"fw\"\n\n[dependencies]\naya = { workspace = true }\n\n\
             [build-dependencies]\naya-build = { workspace = true }\n",
        ),
        (
            "fw/build.rs",
            "use aya_build::cargo_metadata;\n\nfn main() {\n    \
             aya_build::build_ebpf([ebpf_package]).unwrap();\n}\n",
        ),
        (
            "fw-ebpf/Cargo.toml",
            "[package]\nname = \"fw-ebpf\"\n\n[dependencies]\naya-ebpf = { workspace = true }\n\n\
             [build-dependencies]\nwhich = { workspace = true }\n",
        ),
        ("fw-ebpf/build.rs", FINDS_LINKER),
        (
            "fw-ebpf/rust-toolchain.toml",
            "[toolchain]\nchannel = \"nightly\"\ncomponents = [\"rust-src\"]\n",
        ),
        ("fw-ebpf/src/main.rs", "#![no_std]\n#![no_main]\n"),
        ("README.md", "# fw\n\n1. `cargo install bpf-linker`\n"),
        ("target/debug/Cargo.toml", "not ours"),
    ])
}

#[test]
fn a_workspace_is_rewritten_once_and_then_left_alone() {
    let dir = of_2025();
    let before = all(dir.path());
    let document = migrate(&dir, &["--dry-run", "--json"]).code(0).json();
    assert_eq!(keys(&document), ["changes", "dry_run", "left", "notes"]);
    assert_eq!(document["changes"].as_array().unwrap().len(), 4);
    let shown = migrate(&dir, &["--dry-run"]).code(0).prints(&[
        "-aya = { version = \"0.13.1\"",
        "+aya = { package = \"hachi-aya\"",
        "+++ /dev/null",
        "4 files would change",
    ]);
    assert!(!shown.stdout.contains("\x1b["), "{}", shown.stdout);
    assert_eq!(all(dir.path()), before, "a dry run writes nothing");

    migrate(&dir, &[]).code(0).prints(&[
        "changed ./Cargo.toml",
        "removed ./fw-ebpf/build.rs",
        "removed ./fw-ebpf/rust-toolchain.toml",
        "README.md:3: speaks of bpf-linker",
    ]);
    let manifest = read(&dir, "Cargo.toml");
    for part in [
        "features = [\"v0_13\"]",
        "features = [\"v0_1\"]",
        "compat/hachi-aya-ebpf\"",
    ] {
        assert!(manifest.contains(part), "no {part} in {manifest}");
    }
    assert!(manifest.contains("which"), "what others may use stays");
    assert!(!read(&dir, "fw-ebpf/Cargo.toml").contains("which"));
    assert_eq!(
        read(&dir, "fw/Cargo.toml"),
        before[&dir.join("fw/Cargo.toml")]
    );
    assert!(dir.join("fw/build.rs").exists());
    assert_eq!(read(&dir, "target/debug/Cargo.toml"), "not ours");

    let after = all(dir.path());
    let again = migrate(&dir, &[])
        .code(0)
        .prints(&["Left to do by hand:", "no file was changed: the rest"]);
    assert!(!again.stdout.contains("nothing"), "{}", again.stdout);
    assert_eq!(all(dir.path()), after);
    std::fs::remove_file(dir.join("README.md")).unwrap();
    migrate(&dir, &[]).code(0).prints(&["nothing to change"]);
}

/// As in 2021: the programs are a workspace of their own, built by an xtask.
fn of_2021(source: &str) -> TempDir {
    let git = "git = \"https://github.com/aya-rs/aya\", branch = \"main\"";
    project(&[
        ("Cargo.toml", "[workspace]\nmembers = [\"fw\", \"xtask\"]\n"),
        (
            "fw/Cargo.toml",
            &format!(
                "[package]\nname = \"fw\"\n\n[dependencies]\n\
                 aya = {{ {git}, features = [\"async_tokio\"] }}\n"
            ),
        ),
        ("fw/src/main.rs", source),
        ("xtask/Cargo.toml", "[package]\nname = \"xtask\"\n"),
        (
            "xtask/src/main.rs",
            "// A comment on build-std.\nlet args = [\"-Z\", \"build-std=core\"];\n",
        ),
        (
            "fw-ebpf/Cargo.toml",
            &format!(
                "[package]\nname = \"fw-ebpf\"\n\n[dependencies]\naya-bpf = {{ {git} }}\n\n\
                 [workspace]\n"
            ),
        ),
        (
            "fw-ebpf/src/main.rs",
            "#![feature(core_intrinsics)]\n#![no_std]\n",
        ),
        ("fw-ebpf/rust-toolchain", "nightly\n"),
        (
            "fw-ebpf/.cargo/config.toml",
            "[build]\ntarget = \"bpfel-unknown-none\"\n\n[unstable]\nbuild-std = [\"core\"]\n",
        ),
    ])
}

#[test]
fn sources_tell_the_shape_where_manifests_do_not() {
    let of_year = |source: &str| {
        let dir = of_2021(source);
        let shown = migrate(&dir, &[]).code(0).stdout;
        (read(&dir, "fw/Cargo.toml"), shown, dir)
    };
    let (manifest, shown, dir) = of_year(
        "let mut bpf = Bpf::load_file(path)?;\n\
         let program: &mut Xdp = bpf.program_mut(\"fw\")?.try_into()?;\n",
    );
    assert!(manifest.contains("[\"async_tokio\"]"), "{manifest}");
    assert!(shown.contains("fw/src/main.rs:2 takes a Result"), "{shown}");
    assert!(read(&dir, "fw-ebpf/Cargo.toml").contains("aya-bpf = { package = \"hachi-aya-ebpf\""));
    assert!(!dir.join("fw-ebpf/.cargo/config.toml").exists());
    assert!(
        dir.join("fw-ebpf/rust-toolchain").exists(),
        "a nightly feature needs it"
    );
    assert!(
        shown.contains("fw-ebpf/src/main.rs:1: uses a feature of nightly"),
        "{shown}"
    );
    assert!(
        shown.contains("xtask/src/main.rs:2: starts cargo with build-std"),
        "{shown}"
    );

    let (manifest, _, _) =
        of_year("let program = bpf.program_mut(\"fw\").unwrap();\nBpf::load(x);");
    assert!(
        manifest.contains("[\"async_tokio\", \"v0_13\"]"),
        "{manifest}"
    );
}

#[test]
fn reports_members_for_different_versions_instead_of_guessing() {
    let dir = project(&[
        ("Cargo.toml", "[workspace]\nmembers = [\"a\", \"b\"]\n"),
        (
            "a/Cargo.toml",
            "[package]\nname = \"a\"\n[dependencies]\naya = \"0.12\"\n",
        ),
        (
            "b/Cargo.toml",
            "[package]\nname = \"b\"\n[dependencies]\naya = \"0.14\"\n",
        ),
    ]);
    let before = all(dir.path());
    migrate(&dir, &[])
        .code(1)
        .says(&["a/Cargo.toml", "b/Cargo.toml", "--shape"]);
    assert_eq!(all(dir.path()), before);
    migrate(&dir, &["--shape", "0.13"]).code(0);
    for member in ["a", "b"] {
        assert!(read(&dir, &format!("{member}/Cargo.toml")).contains("v0_13"));
    }
    migrate(&dir, &["--shape", "0.9"]).code(2).says(&["0.9"]);
}

#[test]
fn leaves_unmigratable_code_as_it_is() {
    // One malformed manifest, and nothing is written.
    let dir = of_2025();
    fs::write(dir.join("fw/Cargo.toml"), "[package\n").unwrap();
    let before = all(dir.path());
    migrate(&dir, &[])
        .code(1)
        .says(&["fw/Cargo.toml", "malformed"]);
    assert_eq!(all(dir.path()), before);

    let other = project(&[(
        "Cargo.toml",
        "[package]\nname = \"x\"\n[dependencies]\nlog = \"0.4\"\n",
    )]);
    migrate(&other, &[])
        .code(1)
        .says(&["does not depend on Aya"]);
    migrate(&other, &["nowhere"])
        .code(1)
        .says(&["nowhere/Cargo.toml"]);

    // A member alone has no dependencies of its own to rewrite.
    let dir = of_2025();
    migrate(&dir, &["fw"])
        .code(1)
        .says(&["`aya` from a workspace", "workspace's directory"]);
}
