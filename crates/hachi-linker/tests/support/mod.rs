//! What the linker's tests share: compiling Rust for eBPF, and handing objects to the kernel
//! without any library.

#![allow(dead_code)]

pub mod bpf;
pub mod object;

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use hachi_diag::json::{self, Json};
use hachi_linker::Diagnostic;

/// Why a test cannot run here, if it cannot; says so on standard error.
pub fn missing(needs_kernel: bool) -> bool {
    if sysroot().is_none() {
        eprintln!(
            "skipped: neither does HACHI_TEST_SYSROOT name a sysroot with a `core` for \
             bpfel-unknown-none, nor HACHI_BIN the command that has built one (`cargo xtask test` \
             does)"
        );
        return true;
    }
    if needs_kernel && let Err(reason) = bpf::usable() {
        eprintln!("skipped: this machine lets nobody load eBPF programs: {reason}");
        return true;
    }
    false
}

/// A sysroot in which the compiler finds `core` for eBPF: the one named, or the one that the
/// `hachi` command, where that is named, has built for its own.
pub fn sysroot() -> Option<PathBuf> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    let find = || {
        let named = env::var_os("HACHI_TEST_SYSROOT").map(PathBuf::from);
        let dir = named.or_else(built_by_hachi)?;
        let core = dir.join("lib/rustlib/bpfel-unknown-none");
        core.is_dir().then_some(dir)
    };
    FOUND.get_or_init(find).clone()
}

fn built_by_hachi() -> Option<PathBuf> {
    let mut doctor = Command::new(env::var_os("HACHI_BIN")?);
    let report = doctor.args(["doctor", "--json"]).output().ok()?.stdout;
    let report: serde_json::Value = serde_json::from_slice(&report).ok()?;
    let check = report["checks"].as_array()?.iter().find(|check| {
        let subject = check["subject"].as_str().unwrap_or_default();
        check["state"] == "ok" && subject.starts_with("`core` built for")
    })?;
    Some(check["detail"].as_str()?.into())
}

/// A fresh directory, removed with the value.
pub struct TempDir(PathBuf);

impl TempDir {
    pub fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = env::temp_dir().join(format!("hachi-linker-{name}-{}-{id}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        TempDir(dir)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// How to compile.
#[derive(Clone, Debug)]
pub struct Config {
    /// `0` to `3`, `s`, `z`.
    pub opt_level: &'static str,
    pub overflow_checks: bool,
    pub cpu: &'static str,
    /// Compile for the host and retarget.
    pub host: bool,
    pub link_args: Vec<String>,
}

impl Config {
    pub fn opt(opt_level: &'static str) -> Self {
        Config {
            opt_level,
            overflow_checks: false,
            cpu: "v3",
            host: false,
            link_args: Vec::new(),
        }
    }

    /// As `cargo build` without `--release`, debug assertions apart, which no eBPF build has.
    pub fn debug() -> Self {
        Config {
            overflow_checks: true,
            ..Config::opt("0")
        }
    }

    pub fn link_arg(mut self, arg: impl Into<String>) -> Self {
        self.link_args.push(arg.into());
        self
    }
}

/// What a build gave.
pub struct Built {
    /// The object, when there is one.
    pub object: Option<Vec<u8>>,
    /// The linker's diagnostics.
    pub diagnostics: String,
    /// All the compiler and linker printed.
    pub stderr: String,
}

/// Compilers have that option since 1.93.
fn jump_tables_can_be_refused(rustc: &OsStr) -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        let help = Command::new(rustc).args(["-C", "help"]).output().unwrap();
        String::from_utf8_lossy(&help.stdout).contains("jump-tables=")
    })
}

/// Compiles and links one source text by the compiler with our linker.
pub fn build(source: &str, config: &Config) -> Built {
    let dir = TempDir::new("build");
    let main = dir.path().join("main.rs");
    fs::write(&main, source).unwrap();
    let output = dir.path().join("out");
    let diagnostics = dir.path().join("diagnostics");
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = Command::new(&rustc);
    command
        .args(["--edition=2024", "--crate-type=bin", "--crate-name=main"])
        .args([
            "-Clto=fat",
            "-Cpanic=abort",
            "-Cdebuginfo=2",
            "-Cdebug-assertions=off",
            "-Cno-prepopulate-passes",
            "-Cno-vectorize-loops",
            "-Cno-vectorize-slp",
            "-Cllvm-args=-disable-lftr -unroll-runtime=false",
        ])
        .arg(format!("-Copt-level={}", config.opt_level))
        .arg(format!(
            "-Coverflow-checks={}",
            if config.overflow_checks { "on" } else { "off" }
        ))
        .arg(concat!("-Clinker=", env!("CARGO_BIN_EXE_hachi-linker")))
        .arg(format!("-Clink-arg=--cpu={}", config.cpu))
        .args(
            config
                .link_args
                .iter()
                .map(|arg| format!("-Clink-arg={arg}")),
        )
        .arg("-o")
        .arg(&output)
        .arg(&main)
        .env("HACHI_DIAGNOSTICS", &diagnostics);
    if jump_tables_can_be_refused(&rustc) {
        command.arg("-Cjump-tables=no");
    }
    if config.host {
        command.args(["--emit=link,llvm-bc", "-Clink-arg=--hachi-retarget"]);
        command.args(["-Crelocation-model=static", "-Clinker-flavor=gcc"]);
    } else {
        command.arg("--target=bpfel-unknown-none");
        command
            .arg("--sysroot")
            .arg(sysroot().expect("checked by `missing`"));
    }
    if let Ok(args) = env::var("HACHI_TEST_LLVM_ARGS") {
        command.arg(format!("-Clink-arg=--llvm-args={args}"));
    }
    if let Some(keep) = env::var_os("HACHI_TEST_SAVE_TEMPS") {
        command.arg(format!(
            "-Clink-arg=--save-temps={}",
            Path::new(&keep).display()
        ));
    }
    let result = command.output().unwrap();
    Built {
        object: result.status.success().then(|| fs::read(&output).unwrap()),
        diagnostics: read_diagnostics(&diagnostics),
        stderr: String::from_utf8_lossy(&result.stderr).into_owned(),
    }
}

/// The linker's diagnostics as text, from the file it writes them to.
pub fn read_diagnostics(file: &Path) -> String {
    let lines = fs::read_to_string(file).unwrap_or_default();
    let read = |line: &str| {
        let document = json::parse(line.as_bytes()).expect("a line of JSON");
        let diagnostic = Diagnostic::from_json(Json::of(&document)).expect("a diagnostic");
        format!("{diagnostic}\n\n")
    };
    lines.lines().map(read).collect()
}

/// What every program needs and no test is about.
pub const PRELUDE: &str = r#"
#![no_std]
#![no_main]
#![allow(unused, improper_ctypes)]

#[repr(C)]
pub struct XdpMd { pub data: u32, pub data_end: u32, pub data_meta: u32, pub rest: [u32; 3] }

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! { loop {} }

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
pub static LICENSE: [u8; 4] = *b"GPL\0";
"#;
