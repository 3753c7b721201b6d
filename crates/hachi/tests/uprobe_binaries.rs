//! Probes of programs that other toolchains make: Go, musl, static ones at fixed addresses, and
//! ones whose symbols are in a file of their own.

mod support;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use hachi::{obj::ProgramSpec, programs::UProbe};
use hachi_test::{TempDir, find_program, require_bpf, require_host, skip};
use support::{
    load,
    tracing::{Observer, get, seen, watching},
};

/// How often each program here calls the function that is probed.
const CALLS: u64 = 5;

const C_SOURCE: &str = "
#include <stdio.h>
__attribute__((noinline)) int handle(int n) { __asm__ volatile(\"\"); return n + 1; }
int main(void) { int i, n = 0; for (i = 0; i < 5; i++) n = handle(n); return n != 5; }
";

const GO_SOURCE: &str = "
package main

import \"os\"

//go:noinline
func Handle(n int) int { return n + 1 }

func main() {
\tn := 0
\tfor i := 0; i < 5; i++ {
\t\tn = Handle(n)
\t}
\tif n != 5 {
\t\tos.Exit(1)
\t}
}
";

fn success(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

/// A program that counts its runs in whatever process.
fn counting() -> ProgramSpec {
    let observer = Observer {
        mine: false,
        ..Observer::default()
    };
    observer.program("probe", "uprobe")
}

/// How often a program is seen to call `function` when it runs once.
fn calls_seen(binary: &Path, function: &str) -> u64 {
    let mut ebpf = load(watching(vec![counting()]));
    let program: &mut UProbe = get(&mut ebpf, "probe").try_into().unwrap();
    program.load().unwrap();
    program.attach(function, binary, None, None).unwrap();
    success(&mut Command::new(binary));
    seen(&ebpf).0
}

/// The error of attaching to `function`.
fn refusal(binary: &Path, function: &str) -> String {
    let mut ebpf = load(watching(vec![counting()]));
    let program: &mut UProbe = get(&mut ebpf, "probe").try_into().unwrap();
    program.load().unwrap();
    let error = program.attach(function, binary, None, None).unwrap_err();
    error.to_string()
}

/// Compiles [`C_SOURCE`].
fn c_program(directory: &Path, compiler: &Path, name: &str, options: &[&str]) -> PathBuf {
    let source = directory.join("handle.c");
    fs::write(&source, C_SOURCE).unwrap();
    let binary = directory.join(name);
    let mut compile = Command::new(compiler);
    success(
        compile
            .args(["-O1", "-o"])
            .arg(&binary)
            .arg(source)
            .args(options),
    );
    binary
}

#[test]
fn functions_of_go_programs_are_found_by_their_names() {
    require_host!("a compiler");
    require_bpf!();
    let Some(go) = find_program("go") else {
        skip!("Go is not installed");
    };
    let directory = TempDir::new().unwrap();
    let source = directory.join("main.go");
    fs::write(&source, GO_SOURCE).unwrap();
    let build = |name: &str, options: &[&str]| {
        let binary = directory.join(name);
        let mut build = Command::new(&go);
        build
            .args(["build", "-o"])
            .arg(&binary)
            .args(options)
            .arg(&source);
        build.env("GO111MODULE", "off").env("GOFLAGS", "");
        build
            .env("GOCACHE", directory.join("cache"))
            .env("HOME", directory.path());
        success(&mut build);
        binary
    };
    for (name, options) in [
        ("plain", &[][..]),
        ("pie", &["-buildmode=pie"]),
        ("without-dwarf", &["-ldflags=-w"]),
    ] {
        assert_eq!(
            calls_seen(&build(name, options), "main.Handle"),
            CALLS,
            "{name}"
        );
    }
    let error = refusal(&directory.join("plain"), "main.Hande");
    assert!(error.contains("\"main.Handle\""), "{error}");
    let error = refusal(&build("stripped", &["-ldflags=-s -w"]), "main.Handle");
    for words in ["\"main.Handle\"", "stripped", "offset"] {
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn functions_of_programs_with_musl_are_found() {
    require_host!("a compiler");
    require_bpf!();
    let Some(musl) = find_program("musl-gcc") else {
        skip!("musl is not installed");
    };
    let directory = TempDir::new().unwrap();
    for (name, options) in [
        ("dynamic", &[][..]),
        ("static", &["-static", "-no-pie"]),
        ("static-pie", &["-static-pie", "-fPIE"]),
    ] {
        let binary = c_program(directory.path(), &musl, name, options);
        assert_eq!(calls_seen(&binary, "handle"), CALLS, "{name}");
    }
}

#[test]
fn functions_of_static_programs_at_fixed_addresses_are_found() {
    require_host!("a compiler");
    require_bpf!();
    let Some(cc) = find_program("cc") else {
        skip!("there is no C compiler");
    };
    let directory = TempDir::new().unwrap();
    for (name, options) in [
        ("fixed", &["-no-pie"][..]),
        ("static", &["-static", "-no-pie"]),
        ("high", &["-no-pie", "-Wl,-Ttext-segment=0x10000000"]),
    ] {
        let binary = c_program(directory.path(), &cc, name, options);
        assert_eq!(calls_seen(&binary, "handle"), CALLS, "{name}");
    }
}

/// Distributions strip programs and keep their symbols in files that are found by a name in the
/// program (`.gnu_debuglink`), beside it or in `.debug`.
#[test]
fn symbols_in_a_file_of_their_own_are_followed() {
    require_host!("a compiler");
    require_bpf!();
    let (Some(cc), Some(objcopy)) = (find_program("cc"), find_program("objcopy")) else {
        skip!("there is no C compiler");
    };
    let directory = TempDir::new().unwrap();
    let binary = c_program(directory.path(), &cc, "linked", &["-g"]);
    fs::create_dir(directory.join(".debug")).unwrap();
    let symbols = directory.join(".debug/linked.debug");
    let run = |arguments: &[&str], path: &Path| {
        success(Command::new(&objcopy).args(arguments).arg(path));
    };
    success(
        Command::new(&objcopy)
            .arg("--only-keep-debug")
            .arg(&binary)
            .arg(&symbols),
    );
    run(&["--strip-all"], &binary);
    let link = format!("--add-gnu-debuglink={}", symbols.display());
    run(&[&link], &binary);
    assert_eq!(calls_seen(&binary, "handle"), CALLS);

    // Without it there are none.
    fs::create_dir(directory.join("alone")).unwrap();
    let alone = directory.join("alone/linked");
    fs::copy(&binary, &alone).unwrap();
    let error = refusal(&alone, "handle");
    assert!(error.contains("stripped"), "{error}");
}

/// The other way to find them: by the program's build id, below `/usr/lib/debug/.build-id`.
#[test]
fn symbols_are_followed_by_the_build_id() {
    require_host!("a compiler");
    require_bpf!();
    if !hachi_test::is_root() {
        skip!("only root may put files below /usr/lib/debug");
    }
    let (Some(cc), Some(objcopy)) = (find_program("cc"), find_program("objcopy")) else {
        skip!("there is no C compiler");
    };
    let directory = TempDir::new().unwrap();
    // One that no other program has.
    let id = format!(
        "{:040x}",
        u128::from(std::process::id()) << 64 | 0x6861_6368_6921
    );
    let option = format!("-Wl,--build-id=0x{id}");
    let binary = c_program(directory.path(), &cc, "identified", &["-g", &option]);
    let home = Path::new("/usr/lib/debug/.build-id").join(&id[..2]);
    let existed = home.exists();
    fs::create_dir_all(&home).unwrap();
    let symbols = home.join(format!("{}.debug", &id[2..]));
    success(
        Command::new(&objcopy)
            .arg("--only-keep-debug")
            .arg(&binary)
            .arg(&symbols),
    );
    fs::set_permissions(&symbols, fs::Permissions::from_mode(0o644)).unwrap();
    success(Command::new(&objcopy).arg("--strip-all").arg(&binary));
    let seen = std::panic::catch_unwind(|| calls_seen(&binary, "handle"));
    fs::remove_file(&symbols).unwrap();
    if !existed {
        // Of the test's own making; others may have come meanwhile.
        let _ = fs::remove_dir(&home);
    }
    assert_eq!(seen.unwrap(), CALLS);
}
