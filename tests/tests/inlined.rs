//! A rejection inside an inlined function shows the caller's line too: the functions that code was
//! inlined through travel in section `.hachi.inline`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hachi::Ebpf;
use hachi::programs::ProgramError;
use hachi_diag::Diagnostic;
use hachi_test::{TempDir, require_bpf, require_host, skip};
use hachi_tests::{hachi, root, success};

/// The library's fault: it reads where nothing was checked.
const LIBRARY: &str = "#![no_std]
use hachi_ebpf::programs::XdpContext;

/// The byte at `at`, read without a check.
pub fn byte_at(ctx: &XdpContext, at: usize) -> u8 {
    let start = ctx.data() as *const u8;
    unsafe { *start.add(at) } // fault
}
";

/// One program whose fault is in a function of its own, and one that uses the library.
const PROGRAM: &str = "#![no_std]
#![no_main]
use hachi_ebpf::{macros::xdp, programs::XdpContext};

hachi_ebpf::license!(\"GPL\");

#[inline(always)]
fn high(ctx: &XdpContext) -> u8 {
    let start = ctx.data() as *const u8;
    unsafe { start.add(12).read_volatile() } // own fault
}

fn kind(ctx: &XdpContext) -> u8 {
    high(ctx) // inner call
}

#[xdp]
fn own(ctx: XdpContext) -> u32 {
    if kind(&ctx) == 8 { 2 } else { 1 } // outer call
}

#[xdp]
fn of_library(ctx: XdpContext) -> u32 {
    u32::from(parsing::byte_at(&ctx, 13)) // call of the library
}
";

/// Builds both programs in a directory of their own.
fn build(directory: &Path) -> PathBuf {
    let ebpf = root().join("ebpf/hachi-ebpf");
    let dependency = format!("hachi-ebpf = {{ path = {:?} }}\n", ebpf.display());
    let write = |name: &str, text: &str| {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let package = |name: &str| {
        format!(
            "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
             [dependencies]\n{dependency}"
        )
    };
    write("parsing/Cargo.toml", &package("parsing"));
    write("parsing/src/lib.rs", LIBRARY);
    let program = package("program") + "parsing = { path = \"../parsing\" }\n\n[workspace]\n";
    write("program/Cargo.toml", &program);
    write("program/src/main.rs", PROGRAM);
    let mut build = hachi(["build"]);
    build.arg(directory.join("program"));
    build.arg("--out").arg(directory.join("objects"));
    success(&mut build);
    directory.join("objects/program.o")
}

fn line_of(source: &str, mark: &str) -> u32 {
    let found = source.lines().position(|line| line.ends_with(mark));
    found.expect("a marked line") as u32 + 1
}

fn rejection(object: &Path, program: &str) -> Diagnostic {
    let mut ebpf = Ebpf::load_file(object).unwrap();
    match ebpf.program_mut(program).unwrap().load().unwrap_err() {
        ProgramError::LoadError(rejection) => rejection.explain(),
        other => panic!("{other}"),
    }
}

/// The lines of the calls by which the code was inlined, with the functions that make them.
fn calls(diagnostic: &Diagnostic) -> Vec<(u32, &str)> {
    let calls = diagnostic.inlined.iter();
    calls
        .map(|span| (span.line, span.function.as_deref().expect("a function")))
        .collect()
}

fn check(object: &Path) {
    let d = rejection(object, "own");
    assert_eq!(d.code.unwrap().name(), "packet-bounds");
    let primary = d.primary.as_ref().unwrap();
    assert_eq!(primary.line, line_of(PROGRAM, "// own fault"), "{d}");
    assert_eq!(d.function.as_deref(), Some("program::high"));
    let inner = line_of(PROGRAM, "// inner call");
    let outer = line_of(PROGRAM, "// outer call");
    assert_eq!(
        calls(&d)[..2],
        [(inner, "program::kind"), (outer, "program::own")],
        "{d}"
    );
    // With the texts of the callers' lines.
    let shown = d.to_string();
    for text in ["high(ctx) // inner call", "if kind(&ctx) == 8"] {
        assert!(shown.contains(text), "{shown}");
    }

    let d = rejection(object, "of_library");
    let primary = d.primary.as_ref().unwrap();
    assert!(primary.file.ends_with("parsing/src/lib.rs"), "{d}");
    assert_eq!(primary.line, line_of(LIBRARY, "// fault"), "{d}");
    let call = line_of(PROGRAM, "// call of the library");
    assert_eq!(calls(&d)[0], (call, "program::of_library"), "{d}");
    assert!(
        d.to_string()
            .contains("u32::from(parsing::byte_at(&ctx, 13))"),
        "{d}"
    );
}

#[test]
fn a_rejection_in_an_inlined_function_shows_the_callers() {
    require_host!("a compiler");
    require_bpf!();
    let directory = TempDir::new().unwrap();
    let object = build(directory.path());
    check(&object);

    // Linked again, by our linker.
    let again = directory.join("again.o");
    success(hachi(["ld"]).arg(&object).arg("-o").arg(&again));
    check(&again);
}

/// Other linkers move functions, and put sections of one name behind each other.
#[test]
fn other_linkers_leave_it_right() {
    require_host!("a compiler");
    require_bpf!();
    let usable = |mut command: Command| command.output().is_ok_and(|o| o.status.success());
    let mut version = Command::new("bpftool");
    version.arg("version");
    if !usable(version) {
        skip!("bpftool is not installed");
    }
    let directory = TempDir::new().unwrap();
    let object = build(directory.path());
    let other = hachi_tests::fixture("packets");
    let both = directory.join("both.o");
    let mut link = Command::new("bpftool");
    link.args(["gen", "object"]).arg(&both);
    success(link.arg(&other).arg(&object));
    check(&both);

    // And bpftool, which is libbpf, opens the object as any other.
    let good = directory.join("skeleton.h");
    let mut skeleton = Command::new("bpftool");
    let written = success(skeleton.args(["gen", "skeleton"]).arg(&object));
    fs::write(good, &written).unwrap();
    assert!(written.contains("of_library"), "{written}");
}
