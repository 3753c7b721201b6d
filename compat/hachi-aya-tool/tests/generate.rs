//! The text compiles, and its types have the kernel's sizes and offsets.

use std::{fmt::Write as _, fs, path::Path, process::Command};

use hachi_aya_tool::{Error, InputFile, RUNNING, generate};
use hachi_btf::{Btf, Kind, Types as _};
use hachi_test::{TempDir, skip};

/// Structures of different kinds: packed ones, with bit-fields, unions, enums, aligned members.
const TYPES: [&str; 8] = [
    "task_struct",
    "sk_buff",
    "sock",
    "ethhdr",
    "iphdr",
    "net_device",
    "bpf_prog",
    "page",
];

fn input() -> InputFile {
    InputFile::Btf(RUNNING.into())
}

#[test]
fn types_have_the_offsets_of_the_kernel() {
    let Ok(bytes) = fs::read(RUNNING) else {
        skip!("the kernel shows no types");
    };
    let btf = Btf::parse(&bytes).unwrap();
    let types: Vec<&str> = TYPES
        .into_iter()
        .filter(|name| btf.find(name, Kind::Struct).is_some())
        .collect();
    assert!(types.contains(&"task_struct"));
    let text = generate(input(), &types, &[]).unwrap();

    // What the kernel's own types say, as assertions that a compiler checks. All structures that
    // are named in the text are asked, whatever they were needed for.
    let mut checks = String::from("mod vmlinux;\nuse vmlinux::*;\n");
    let mut asked = 0;
    for line in text.lines() {
        let Some(name) = line
            .strip_prefix("pub struct ")
            .and_then(|line| line.strip_suffix(" {"))
        else {
            continue;
        };
        let ids = btf.candidates(name);
        let Some(id) = btf.find(name, Kind::Struct).filter(|_| ids.len() == 1) else {
            continue;
        };
        let size = btf.size_of(id).unwrap();
        let _ = writeln!(
            checks,
            "const _: () = assert!(size_of::<{name}>() == {size});"
        );
        asked += 1;
        for member in btf.members(id).unwrap() {
            let field = member.name;
            if field.is_empty() || member.bit_size != 0 || !text.contains(&format!("pub {field}: "))
            {
                continue;
            }
            let offset = member.bit_offset / 8;
            let _ = writeln!(
                checks,
                "const _: () = assert!(core::mem::offset_of!({name}, {field}) == {offset});"
            );
        }
    }
    assert!(asked > 100, "{asked} structures");
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("vmlinux.rs"), &text).unwrap();
    compile(directory.path(), &checks);
    assert!(text.contains("pub fn "), "no bit-field");
    assert!(text.contains("pub mod pid_type {") && text.contains("PIDTYPE_TGID: Type = 1;"));
}

fn compile(directory: &Path, checks: &str) {
    let main = directory.join("main.rs");
    fs::write(&main, checks).unwrap();
    let output = Command::new("rustc")
        .args(["--edition=2024", "--crate-type=lib", "--emit=metadata"])
        .arg("-o")
        .arg(directory.join("out"))
        .arg(&main)
        .output()
        .expect("rustc");
    let errors = String::from_utf8_lossy(&output.stderr);
    let errors: String = errors.chars().take(4000).collect();
    assert!(output.status.success(), "{errors}");
}

#[test]
fn missing_types_and_files_are_named() {
    if !Path::new(RUNNING).exists() {
        skip!("the kernel shows no types");
    }
    let unknown = generate(input(), &["no_such_struct"], &[]).unwrap_err();
    assert_eq!(unknown.to_string(), "there is no type `no_such_struct`");
    let header = generate(InputFile::Header("a.h".into()), &["x"], &[]);
    assert!(matches!(header, Err(Error::Header(_))));
    let missing = generate(InputFile::Btf("/nowhere".into()), &["x"], &[]);
    assert!(matches!(missing, Err(Error::File { .. })));
}

#[test]
fn the_command_writes_what_the_library_does() {
    if !Path::new(RUNNING).exists() {
        skip!("the kernel shows no types");
    }
    let run = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hachi-aya-tool"));
        command.arg("generate").args(words).output().unwrap()
    };
    let output = run(&["iphdr", "--", "--no-layout-tests"]);
    let text = generate(input(), &["iphdr"], &[]).unwrap();
    assert!(output.status.success() && output.stdout == text.as_bytes());
    assert!(text.contains("pub struct iphdr {") && text.contains("pub fn ihl(&self) -> u64"));
    let output = run(&["no_such_struct"]);
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(error, "error: there is no type `no_such_struct`\n");
}
