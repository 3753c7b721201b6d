//! Inputs of several kinds in one link, and the command's manners.

mod support;

use std::{
    env, fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use hachi_linker::{Error, Options, link};
use support::{PRELUDE, TempDir, bpf, missing, object, sysroot};

/// Compiles one source to bitcode, without linking.
fn bitcode(dir: &Path, name: &str, source: &str) -> PathBuf {
    let main = dir.join(format!("{name}.rs"));
    let output = dir.join(format!("{name}.bc"));
    fs::write(&main, source).unwrap();
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let result = Command::new(rustc)
        .args(["--edition=2024", "--crate-type=lib", "--emit=llvm-bc"])
        .args([
            "-Cpanic=abort",
            "-Copt-level=2",
            "-Cdebuginfo=2",
            "-Ccodegen-units=1",
        ])
        .args(["--target=bpfel-unknown-none", "--sysroot"])
        .arg(sysroot().unwrap())
        .arg("-o")
        .arg(&output)
        .arg(&main)
        .output()
        .unwrap();
    assert!(
        result.status.success(),
        "{}",
        String::from_utf8_lossy(&result.stderr)
    );
    output
}

const MAIN: &str = r#"
unsafe extern "C" { fn weigh(a: u64) -> u64; }
#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
pub extern "C" fn program(ctx: *mut XdpMd) -> u32 {
    let (start, end) = unsafe { ((*ctx).data as usize, (*ctx).data_end as usize) };
    if start + 64 > end { return 1 }
    let p = start as *mut u64;
    unsafe { *p = weigh(*p) };
    2
}
"#;

const LIBRARY: &str = r#"
#![no_std]
#[unsafe(no_mangle)]
pub extern "C" fn weigh(a: u64) -> u64 { a.wrapping_mul(3) ^ 1 }
"#;

const UNNEEDED: &str = r#"
#![no_std]
unsafe extern "C" { fn nowhere() -> u64; }
#[unsafe(no_mangle)]
pub extern "C" fn unneeded() -> u64 { unsafe { nowhere() } }
"#;

/// A minimal archive.
fn archive(path: &Path, members: &[PathBuf]) {
    let mut data = b"!<arch>\n".to_vec();
    for (index, member) in members.iter().enumerate() {
        let content = fs::read(member).unwrap();
        let header = format!(
            "{:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n",
            format!("m{index}.o/"),
            0,
            0,
            0,
            644,
            content.len()
        );
        assert_eq!(header.len(), 60);
        data.extend(header.as_bytes());
        data.extend(&content);
        if content.len() % 2 == 1 {
            data.push(b'\n');
        }
    }
    fs::write(path, data).unwrap();
}

fn weighs(object: &Path) {
    if let Err(reason) = bpf::usable() {
        eprintln!("not run in the kernel: {reason}");
        return;
    }
    let data = fs::read(object).unwrap();
    let mut loader = object::programs(&data);
    let code = loader.code("program");
    let program = bpf::load(bpf::XDP, &code.instructions).unwrap();
    let (result, out) = bpf::run(&program, &[7; 64]).unwrap();
    assert_eq!(result, 2);
    let word = u64::from_le_bytes(out[..8].try_into().unwrap());
    assert_eq!(word, 0x0707_0707_0707_0707u64.wrapping_mul(3) ^ 1);
}

fn linker(args: &[&str], dir: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hachi-linker"))
        .args(args)
        .current_dir(dir)
        .env_remove("HACHI_DIAGNOSTICS")
        .output()
        .unwrap()
}

#[test]
fn modules_are_joined() {
    if missing(false) {
        return;
    }
    let dir = TempDir::new("join");
    let main = bitcode(dir.path(), "main", &format!("{PRELUDE}{MAIN}"));
    let library = bitcode(dir.path(), "library", LIBRARY);
    let output = dir.path().join("out.o");
    let result = link(&Options::new(vec![main, library], output.clone()));
    let told = result.unwrap();
    assert_eq!(told.object_size, fs::metadata(&output).unwrap().len());
    weighs(&output);
}

#[test]
fn archives_give_what_is_needed() {
    if missing(false) {
        return;
    }
    let dir = TempDir::new("archive");
    bitcode(dir.path(), "main", &format!("{PRELUDE}{MAIN}"));
    let library = bitcode(dir.path(), "library", LIBRARY);
    let unneeded = bitcode(dir.path(), "unneeded", UNNEEDED);
    archive(&dir.path().join("lib.a"), &[unneeded, library]);
    // `unneeded` calls a function that is defined nowhere: had it been linked, that would be an
    // error.
    let result = linker(&["main.bc", "lib.a", "-o", "out.o"], dir.path());
    assert!(
        result.status.success(),
        "{}",
        String::from_utf8_lossy(&result.stderr)
    );
    weighs(&dir.path().join("out.o"));
}

#[test]
fn machine_code_is_linked_in() {
    if missing(false) {
        return;
    }
    let dir = TempDir::new("elf");
    bitcode(dir.path(), "main", &format!("{PRELUDE}{MAIN}"));
    bitcode(dir.path(), "library", LIBRARY);
    // What a C compiler would give: LLVM's object as it comes.
    let made = linker(
        &[
            "library.bc",
            "-o",
            "unused.o",
            "--export",
            "weigh",
            "--save-temps",
            ".",
        ],
        dir.path(),
    );
    assert!(made.status.success());
    let result = linker(&["main.bc", "6-llvm.o", "-o", "out.o"], dir.path());
    assert!(
        result.status.success(),
        "{}",
        String::from_utf8_lossy(&result.stderr)
    );
    weighs(&dir.path().join("out.o"));
}

#[test]
fn a_symbol_defined_twice_is_named() {
    if missing(false) {
        return;
    }
    let dir = TempDir::new("twice");
    let main = bitcode(dir.path(), "main", &format!("{PRELUDE}{MAIN}"));
    let one = bitcode(dir.path(), "one", LIBRARY);
    let two = bitcode(dir.path(), "two", LIBRARY);
    let result = link(&Options::new(
        vec![main, one, two],
        dir.path().join("out.o"),
    ));
    let text = result.unwrap_err().to_string();
    assert!(text.contains("two.bc") && text.contains("weigh"), "{text}");
    assert!(!dir.path().join("out.o").exists());
}

#[test]
fn damaged_bitcode_is_refused_by_name() {
    if missing(false) {
        return;
    }
    let dir = TempDir::new("damaged");
    let main = bitcode(dir.path(), "main", &format!("{PRELUDE}{MAIN}"));
    let mut data = fs::read(&main).unwrap();
    data.truncate(data.len() / 2);
    fs::write(&main, data).unwrap();
    let result = link(&Options::new(vec![main], dir.path().join("out.o")));
    let text = result.unwrap_err().to_string();
    assert!(text.contains("main.bc"), "{text}");
}

#[test]
fn intermediate_files_are_kept_on_demand() {
    if missing(false) {
        return;
    }
    let dir = TempDir::new("keep");
    bitcode(
        dir.path(),
        "main",
        &format!("{PRELUDE}{}", MAIN.replace("weigh(*p)", "*p + 1")),
    );
    let result = linker(
        &["main.bc", "-o", "out.o", "--save-temps", "keep"],
        dir.path(),
    );
    assert!(result.status.success());
    for name in [
        "1-input.ll",
        "2-prepared.ll",
        "3-optimised.ll",
        "4-lowered.ll",
        "5-assembly.s",
        "6-llvm.o",
    ] {
        assert!(dir.path().join("keep").join(name).exists(), "{name}");
    }
}

#[test]
fn wrong_usage_ends_with_2() {
    let dir = TempDir::new("usage");
    for (args, word) in [
        (&["a.o"][..], "-o FILE"),
        (&["-o", "x"], "nothing to link"),
        (&["a.o", "-o", "x", "--cpu", "v7"], "v7"),
    ] {
        let result = linker(args, dir.path());
        let text = String::from_utf8_lossy(&result.stderr);
        assert_eq!(result.status.code(), Some(2), "{text}");
        assert!(text.contains(word), "{text}");
    }
}

#[test]
fn a_missing_library_ends_with_3_and_says_where_it_looked() {
    let dir = TempDir::new("missing");
    fs::write(dir.path().join("a.bc"), b"BC\xc0\xde").unwrap();
    let args = ["a.bc", "-o", "x", "--rustc", "/nonexistent/bin/rustc"];
    let result = linker(&args, dir.path());
    let text = String::from_utf8_lossy(&result.stderr);
    assert_eq!(result.status.code(), Some(3), "{text}");
    assert!(text.contains("/nonexistent/lib"), "{text}");
    assert!(text.contains("HACHI_LLVM"), "{text}");

    fs::write(dir.path().join("libLLVM.so"), b"\x7fELF but no library").unwrap();
    let result = linker(&["a.bc", "-o", "x", "--llvm", "./libLLVM.so"], dir.path());
    let text = String::from_utf8_lossy(&result.stderr);
    assert_eq!(result.status.code(), Some(3), "{text}");
    assert!(text.contains("libLLVM.so"), "{text}");
}

#[test]
fn unreadable_inputs_end_with_1() {
    let dir = TempDir::new("unreadable");
    let result = linker(&["nothing.bc", "-o", "x"], dir.path());
    let text = String::from_utf8_lossy(&result.stderr);
    assert_eq!(result.status.code(), Some(1), "{text}");
    assert!(text.contains("nothing.bc"), "{text}");
    assert_eq!(result.status.signal(), None);
}

#[test]
fn help_and_version() {
    let dir = TempDir::new("help");
    let help = linker(&["--help"], dir.path());
    assert!(help.status.success());
    assert!(String::from_utf8_lossy(&help.stdout).contains("Example:"));
    let version = linker(&["--version"], dir.path());
    assert!(String::from_utf8_lossy(&version.stdout).contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn diagnostics_go_to_the_file_as_well() {
    let dir = TempDir::new("diagnostics");
    let file = dir.path().join("told");
    let result = Command::new(env!("CARGO_BIN_EXE_hachi-linker"))
        .args(["nothing.bc", "-o", "x"])
        .current_dir(dir.path())
        .env("HACHI_DIAGNOSTICS", &file)
        .output()
        .unwrap();
    let text = support::read_diagnostics(&file);
    assert_eq!(text, String::from_utf8_lossy(&result.stderr));
    assert!(
        text.starts_with("error: cannot read `nothing.bc`"),
        "{text}"
    );
}

#[test]
fn errors_carry_their_diagnostics() {
    if missing(false) {
        return;
    }
    let dir = TempDir::new("carry");
    let main = bitcode(dir.path(), "main", &format!("{PRELUDE}{MAIN}"));
    let error = link(&Options::new(vec![main], dir.path().join("out.o"))).unwrap_err();
    let said = error.to_diagnostics();
    let [d] = said.as_slice() else {
        panic!("{error}");
    };
    assert!(d.headline.contains("`weigh`"), "{d}");
    assert_eq!(d.function.as_deref(), Some("program"));
    let location = d.primary.as_ref().unwrap();
    assert!(location.file.ends_with("main.rs"), "{location}");
    assert!(matches!(error, Error::Rejected(_)));
}
