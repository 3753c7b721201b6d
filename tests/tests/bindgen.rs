//! `hachi bindgen`: what it writes compiles, for both sides, and is formatted.

use hachi_test::{TempDir, find_program, require_bpf, require_host, skip};
use hachi_tests::{cargo, failure, hachi, libbpf::Libbpf, root, success, target_dir};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Some hundreds of the running kernel's types, and functions of every kind.
const MANY: [&str; 11] = [
    "bpf_*",
    "task_struct",
    "sock",
    "TCP_*",
    "tp:sched_*",
    "tp:*sock*",
    "fn:tcp_*",
    "lsm:file_*",
    "iter:*",
    "kfunc:bpf_*",
    "struct_ops:tcp_congestion_ops",
];

macro_rules! require_btf {
    () => {
        if !Path::new("/sys/kernel/btf/vmlinux").exists() {
            skip!("this kernel does not show its types");
        }
    };
}

fn bindings(names: &[&str], path: &Path) -> String {
    let mut bindgen = hachi(["bindgen"]);
    success(bindgen.args(names).arg("--output").arg(path));
    fs::read_to_string(path).unwrap()
}

#[test]
fn many_types_compile_on_the_development_machine() {
    require_host!("a compiler");
    require_btf!();
    let project = TempDir::new().unwrap();
    fs::create_dir(project.join("src")).unwrap();
    let manifest = format!(
        "[package]\nname = \"many\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n\
         hachi-ebpf = {{ path = {:?} }}\n",
        root().join("ebpf/hachi-ebpf")
    );
    fs::write(project.join("Cargo.toml"), manifest).unwrap();
    fs::copy(root().join("Cargo.lock"), project.join("Cargo.lock")).unwrap();
    // `include!` is how a build script's output comes in, and takes no inner attributes.
    fs::write(
        project.join("src/lib.rs"),
        "#![no_std]\n#![deny(warnings)]\npub mod vmlinux {\n    include!(\"vmlinux.rs\");\n}\n\
         pub mod made_up {\n    include!(\"everything.rs\");\n}\n",
    )
    .unwrap();
    let text = bindings(&MANY, &project.join("src/vmlinux.rs"));
    let full = text.matches(" bytes.\n").count();
    assert!(full >= 300, "{full} types");
    assert_eq!(text, bindings(&MANY, &project.join("again.rs")));
    fs::copy(
        root().join("crates/hachi-btf/tests/rust/everything.rs"),
        project.join("src/everything.rs"),
    )
    .unwrap();
    let mut check = cargo(project.path());
    check.args(["check", "--quiet", "--offline", "--target-dir"]);
    success(check.arg(target_dir().join("bindgen")));
}

#[test]
fn bindings_are_formatted() {
    require_btf!();
    let Some(rustfmt) = find_program("rustfmt") else {
        skip!("rustfmt is not installed");
    };
    let directory = TempDir::new().unwrap();
    let path = directory.join("vmlinux.rs");
    bindings(&MANY, &path);
    let mut format = Command::new(rustfmt);
    success(format.args(["--check", "--edition", "2024"]).arg(&path));
}

/// A program that uses what was generated, in a directory of its own.
fn program(directory: &TempDir, names: &[&str], source: &str) -> PathBuf {
    bindings(names, &directory.join("vmlinux.rs"));
    let path = directory.join("program.rs");
    fs::write(&path, source).unwrap();
    let mut build = hachi(["build"]);
    build.arg(&path).arg("--out").arg(directory.path());
    PathBuf::from(success(&mut build).trim_end())
}

const PROGRAM: &str = r#"
#![no_std]
#![no_main]
#![forbid(unsafe_code)]
use hachi_ebpf::macros::{btf_tracepoint, kprobe, raw_tracepoint};
use hachi_ebpf::{core_read, field_exists, programs::*};
#[path = "vmlinux.rs"]
mod vmlinux;
use vmlinux::*;

#[btf_tracepoint(function = "sched_switch")]
fn switched(ctx: BtfTracePointContext) -> Option<()> {
    let next = sched_switch::of(&ctx).next();
    let parent = next.real_parent()?;
    if field_exists!(task_struct, se.sum_exec_runtime) && next.se().sum_exec_runtime() > 0 {
        hachi_ebpf::bpf_printk!("%d %d", next.pid(), parent.pid());
    }
    let acquired = bpf_task_acquire(next)?;
    bpf_task_release(acquired);
    Some(())
}

#[raw_tracepoint(tracepoint = "sched_switch")]
fn switched_raw(ctx: RawTracePointContext) -> Result<(), i64> {
    let parent = core_read!(sched_switch::of(&ctx).next(), real_parent.pid)?;
    hachi_ebpf::bpf_printk!("%d", parent);
    Ok(())
}

#[kprobe(function = "tcp_connect")]
fn connecting(ctx: ProbeContext) -> Result<(), i64> {
    let family = core_read!(tcp_connect::of(&ctx).sk(), __sk_common.skc_family)?;
    hachi_ebpf::bpf_printk!("%d %d", family, TCP_ESTABLISHED);
    Ok(())
}

hachi_ebpf::license!("GPL");
"#;

#[test]
fn many_types_compile_for_programs_and_load() {
    require_host!("a compiler");
    require_btf!();
    require_bpf!();
    let Some(libbpf) = Libbpf::open() else {
        skip!("libbpf is not installed");
    };
    let directory = TempDir::new().unwrap();
    let object = program(&directory, &MANY, PROGRAM);
    libbpf.load(&object).unwrap();
}

#[test]
fn unknown_types_are_errors() {
    require_btf!();
    let said = failure(&mut hachi(["bindgen", "task_strct"]), 1);
    assert!(said.contains("similar: task_struct"), "{said}");
    let said = failure(&mut hachi(["bindgen", "socket:sock"]), 2);
    assert!(said.contains("there is no kind `socket`"), "{said}");
}
