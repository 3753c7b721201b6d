//! What editors get: cargo's messages, by `hachi build` and by `hachi check`.

use std::fs;
use std::path::Path;
use std::process::Output;

use hachi_test::TempDir;
use hachi_tests::{hachi, root};
use serde_json::Value;

/// A package whose binaries are each wrong in another way.
fn package(directory: &Path) {
    let hachi_ebpf = root().join("ebpf/hachi-ebpf");
    let manifest = format!(
        "[package]\nname = \"wrong\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
         [workspace]\n\n[dependencies]\nhachi-ebpf = {{ path = {hachi_ebpf:?} }}\n"
    );
    fs::create_dir_all(directory.join("src/bin")).unwrap();
    fs::write(directory.join("Cargo.toml"), manifest).unwrap();
    let program = |body: &str, more: &str| {
        format!(
            "#![no_std]\n#![no_main]\n\
             use hachi_ebpf::{{macros::xdp, programs::XdpContext}};\n\
             hachi_ebpf::license!(\"GPL\");\n\
             #[xdp]\nfn program(ctx: XdpContext) -> u32 {{\n    {body}\n}}\n{more}\n"
        )
    };
    for (name, source) in [
        (
            "mistyped",
            program("let length: u32 = \"\"; length + ctx.len() as u32", ""),
        ),
        (
            "recursive",
            program(
                "depth(ctx.len() as u32)",
                "#[inline(never)]\nfn depth(n: u32) -> u32 {\n    \
                 if n == 0 { 1 } else { depth(n / 2).wrapping_mul(3) ^ n }\n}",
            ),
        ),
        (
            "unchecked",
            program("unsafe { *(ctx.data() as *const u32) }", ""),
        ),
    ] {
        fs::write(directory.join(format!("src/bin/{name}.rs")), source).unwrap();
    }
}

/// The lines on stdout, each a document.
fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {text}"));
    text.lines().map(parse).collect()
}

fn messages(lines: &[Value]) -> Vec<&Value> {
    let is_message = |line: &&Value| line["reason"] == "compiler-message";
    lines.iter().filter(is_message).collect()
}

/// Checks that `ours` has all that `theirs` has, of the same kinds.
fn assert_shaped_alike(ours: &Value, theirs: &Value, at: &str) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            for (key, theirs) in theirs {
                let at = format!("{at}.{key}");
                let ours = ours.get(key).unwrap_or_else(|| panic!("{at} is missing"));
                assert_shaped_alike(ours, theirs, &at);
            }
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            if let Some(theirs) = theirs.first() {
                for ours in ours {
                    assert_shaped_alike(ours, theirs, &format!("{at}[]"));
                }
            }
        }
        (Value::Null, _) | (_, Value::Null) => {}
        (ours, theirs) => {
            let same = std::mem::discriminant(ours) == std::mem::discriminant(theirs);
            assert!(same, "{at}: {ours} and {theirs}");
        }
    }
}

#[test]
fn messages_are_shaped_as_cargos_are() {
    hachi_test::require_host!("a compiler");
    let dir = TempDir::new().unwrap();
    package(dir.path());
    let build = |bin: &str| {
        let mut build = hachi(["build", "--json", "--bin", bin]);
        build.arg(dir.join("Cargo.toml")).output().unwrap()
    };
    let of_rustc = build("mistyped");
    assert_eq!(of_rustc.status.code(), Some(1));
    let of_rustc = lines(&of_rustc);
    let rustcs = messages(&of_rustc)[0];
    assert_eq!(rustcs["message"]["code"]["code"], "E0308", "{rustcs}");
    let finished = of_rustc.last().unwrap();
    assert_eq!(finished["reason"], "build-finished");
    assert_eq!(finished["success"], false);

    let of_linker = build("recursive");
    assert_eq!(of_linker.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&of_linker.stderr);
    assert!(stderr.contains("try `hachi explain recursion`"), "{stderr}");
    let of_linker = lines(&of_linker);
    let linkers = messages(&of_linker)[0];
    assert_eq!(linkers["message"]["code"]["code"], "recursion", "{linkers}");
    assert_shaped_alike(linkers, rustcs, "");
    for key in ["package_id", "manifest_path"] {
        assert_eq!(linkers[key], rustcs[key], "{key}");
    }
    assert_eq!(linkers["target"]["name"], "recursive");
    let page = linkers["message"]["code"]["explanation"].as_str().unwrap();
    assert!(page.starts_with("# recursion\n"), "{page}");
    let span = &linkers["message"]["spans"][0];
    assert!(
        span["file_name"]
            .as_str()
            .unwrap()
            .ends_with("src/bin/recursive.rs")
    );
    assert!(span["line_start"].as_u64().unwrap() >= 6, "{span}");

    let built = build("unchecked");
    assert_eq!(built.status.code(), Some(0));
    let built = lines(&built);
    let built = built.last().unwrap();
    assert_eq!(built["success"], true);
    let object = built["objects"][0]["path"].as_str().unwrap();

    hachi_test::require_bpf!();
    let checked = hachi(["check", "--json", object]).output().unwrap();
    assert_eq!(checked.status.code(), Some(1));
    let checked = lines(&checked);
    let kernels = messages(&checked)[0];
    assert_eq!(
        kernels["message"]["code"]["code"], "packet-bounds",
        "{kernels}"
    );
    assert_shaped_alike(kernels, rustcs, "");
    assert_eq!(kernels["manifest_path"], rustcs["manifest_path"]);
    let finished = checked.last().unwrap();
    assert_eq!(finished["reason"], "check-finished");
    assert_eq!(finished["accepted"], false);
}

/// The setting that the book gives to rust-analyzer's users is one that works.
#[test]
fn the_books_setting_of_rust_analyzer_works() {
    hachi_test::require_host!("a compiler");
    let chapter = fs::read_to_string(root().join("book/src/checks.md")).unwrap();
    let (_, setting) = chapter
        .split_once("\"rust-analyzer.check.overrideCommand\": ")
        .unwrap();
    let (setting, _) = setting.split_once('\n').unwrap();
    let words: Vec<String> = serde_json::from_str(setting).unwrap();
    let (program, arguments) = words.split_first().unwrap();
    assert_eq!(program, "hachi");
    let dir = TempDir::new().unwrap();
    package(&dir.join("firewall-ebpf"));
    let mut build = hachi(arguments);
    let output = build.current_dir(dir.path()).output().unwrap();
    let lines = lines(&output);
    assert!(!messages(&lines).is_empty(), "{lines:?}");
}
