//! What the tests of this crate share: a runner, scratch directories, and toolchains to test with.

#![allow(dead_code, reason = "each test program uses a part of this")]

use std::{
    env, fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Output, Stdio},
    time::Instant,
};

use hachi_build::{Cache, Search, Toolchain};

/// Outcome of a test: `Err` holds the reason for which it cannot run here.
pub type Outcome = Result<(), String>;

/// A test and its name.
pub type Test = (&'static str, fn() -> Outcome);

/// Runs the tests whose names contain one of the arguments, one after the other.
pub fn run(tests: &[Test]) -> ExitCode {
    // The tests set what they want. Above all, a user who lets builds install things did not mean
    // these.
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("HACHI_") && !name.starts_with("HACHI_TEST_") {
            // SAFETY: nothing has started a thread yet.
            unsafe { env::remove_var(name.as_ref()) };
        }
    }
    let filters: Vec<String> = env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    if env::args().any(|argument| argument == "--list") {
        tests.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let (mut passed, mut skipped, mut failed) = (0, 0, Vec::new());
    for (name, test) in tests {
        if !filters.is_empty() && !filters.iter().any(|filter| name.contains(filter.as_str())) {
            continue;
        }
        let start = Instant::now();
        match catch_unwind(AssertUnwindSafe(test)) {
            Ok(Ok(())) => {
                passed += 1;
                let seconds = start.elapsed().as_secs_f32();
                println!("test {name} ... ok ({seconds:.1} s)");
            }
            Ok(Err(reason)) => {
                skipped += 1;
                println!("test {name} ... skipped: {reason}");
            }
            Err(_) => {
                println!("test {name} ... FAILED");
                failed.push(*name);
            }
        }
    }
    if !failed.is_empty() {
        println!("failed: {}", failed.join(", "));
    }
    // As the standard harness closes, for those who add up.
    println!(
        "test result: {}. {passed} passed; {} failed; {skipped} ignored",
        if failed.is_empty() { "ok" } else { "FAILED" },
        failed.len()
    );
    match failed.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// A directory that keeps what was downloaded and built for later runs.
pub fn kept(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("hachi-build")
        .join(name);
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// An empty directory.
pub fn scratch(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("hachi-build-scratch")
        .join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// Where an entry is in the cache `cache`.
pub fn in_cache(cache: &Path, name: &str) -> PathBuf {
    Cache::locate(Some(cache)).unwrap().path(name)
}

/// Writes a file and the directories above it.
pub fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Writes a program.
pub fn write_script(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    write(path, text);
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// This test program as a child that does something else than testing; see `child` in each program.
pub fn child(what: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.env("HACHI_TEST_CHILD", what).stdin(Stdio::null());
    for variable in [
        "HACHI_TOOLCHAIN",
        "HACHI_RUSTC",
        "HACHI_RUST_SRC",
        "HACHI_YES",
        "HACHI_LLVM",
    ] {
        command.env_remove(variable);
    }
    command
}

/// What a child does: find a toolchain in the environment it was given.
pub fn find_and_tell() -> ExitCode {
    let search = Search::default()
        .verbose(true)
        .interactive(env::var_os("HACHI_TEST_INTERACTIVE").is_some());
    match Toolchain::find(&search) {
        Ok(found) => {
            println!("way={:?}", found.way);
            println!("rustc={}", found.rustc.display());
            if let Some(sysroot) = found.sysroot {
                println!("sysroot={}", sysroot.display());
            }
            if let Some(warning) = found.warning {
                println!("warning={warning}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs to the end and returns stdout and stderr.
pub fn texts(command: &mut Command) -> (String, String) {
    let output = command.output().unwrap();
    (text(&output.stdout), text(&output.stderr))
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs a tool of the system; its failure is a reason to skip.
fn tool(command: &mut Command) -> Result<Output, String> {
    let shown = format!("{command:?}");
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{shown}: {error}"))?;
    if output.status.success() {
        Ok(output)
    } else {
        Err(format!("{shown}: {}", text(&output.stderr).trim()))
    }
}

fn answer(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    // The tests run below a cargo of the project's own toolchain, which is the one meant.
    text(&command.args(arguments).output().unwrap().stdout)
        .trim()
        .to_string()
}

/// The sysroot of the compiler that the tests were built with.
pub fn real_sysroot() -> PathBuf {
    answer("rustc", &["--print", "sysroot"]).into()
}

/// The compiler that the tests were built with, without a proxy before it.
pub fn real_rustc() -> PathBuf {
    real_sysroot().join("bin/rustc")
}

fn rustc_field(name: &str) -> String {
    let text = answer("rustc", &["-vV"]);
    let field = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    field.unwrap().to_string()
}

pub fn host() -> String {
    rustc_field("host")
}

/// A toolchain in `dir/toolchains/fake`: the real one without its library source.
/// Returns its compiler.
pub fn toolchain_without_source(dir: &Path) -> PathBuf {
    use std::os::unix::fs::symlink;
    let real = real_sysroot();
    let fake = dir.join("toolchains/fake");
    fs::create_dir_all(fake.join("lib/rustlib")).unwrap();
    for entry in fs::read_dir(real.join("lib")).unwrap().flatten() {
        if entry.path().is_file() {
            symlink(entry.path(), fake.join("lib").join(entry.file_name())).unwrap();
        }
    }
    symlink(
        real.join("lib/rustlib").join(host()),
        fake.join("lib/rustlib").join(host()),
    )
    .unwrap();
    let rustc = fake.join("bin/rustc");
    write_script(
        &rustc,
        &format!(
            "#!/bin/sh\nif [ \"$1 $2\" = '--print sysroot' ]; then echo '{}'; else exec '{}' \
             \"$@\"; fi\n",
            fake.display(),
            real.join("bin/rustc").display()
        ),
    );
    symlink(real.join("bin/cargo"), fake.join("bin/cargo")).unwrap();
    rustc
}

/// The variables with which a child sees a machine without rustup.
pub const NO_RUSTUP: [(&str, &str); 3] = [
    ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
    ("CARGO_HOME", "/nonexistent"),
    ("RUSTUP_HOME", "/nonexistent"),
];

/// Library source of the compiler's version: `HACHI_TEST_RUST_SRC`, the toolchain's own, or the one
/// that the distribution has, downloaded (by the finder itself) once for all tests.
pub fn library_source() -> Result<PathBuf, String> {
    if let Some(named) = env::var_os("HACHI_TEST_RUST_SRC") {
        return Ok(named.into());
    }
    let own = real_sysroot().join("lib/rustlib/src/rust/library");
    if own.join("core/src/lib.rs").is_file() {
        return Ok(own);
    }
    let cache = kept("downloads");
    let (out, err) = texts(
        child("find")
            .envs(NO_RUSTUP)
            .env("HACHI_CACHE", &cache)
            .env("HACHI_RUSTC", real_rustc())
            .env("HACHI_TOOLCHAIN", "source")
            .env("HACHI_YES", "1"),
    );
    let source = cache
        .join("rust-src")
        .join(rustc_field("release"))
        .join("library");
    if out.contains("way=Source") && source.is_dir() {
        return Ok(source);
    }
    let reason = err
        .lines()
        .find(|line| line.starts_with("error: HACHI_TOOLCHAIN=source is not possible here"));
    Err(reason.unwrap_or_else(|| panic!("{err}")).into())
}

/// A cache that holds a `core` built from source, for tests that are not about building it.
pub fn cache_with_core() -> Result<PathBuf, String> {
    let source = library_source()?;
    let cache = kept("core");
    let (out, err) = texts(
        child("find")
            .env("HACHI_CACHE", &cache)
            .env("HACHI_RUSTC", real_rustc())
            .env("HACHI_RUST_SRC", source)
            .env("HACHI_TOOLCHAIN", "source"),
    );
    if out.contains("way=Source") {
        Ok(cache)
    } else {
        Err(err)
    }
}

/// Debian's compiler with its prebuilt `core` for eBPF, downloaded and unpacked, never installed.
/// Returns the compiler and the `LD_LIBRARY_PATH` by which it finds its libraries.
pub fn debian_toolchain() -> Result<(PathBuf, String), String> {
    let dir = kept("debian");
    let root = dir.join("root");
    if !dir.join("complete").is_file() {
        let _ = fs::remove_dir_all(&root);
        unpack_debian_toolchain(&dir, &root)?;
        write(&dir.join("complete"), "");
    }
    let libs: Vec<String> = fs::read_dir(root.join("usr/lib"))
        .unwrap()
        .flatten()
        .flat_map(|entry| [entry.path(), entry.path().join("lib")])
        .filter(|lib| lib.is_dir())
        .map(|lib| lib.display().to_string())
        .collect();
    Ok((root.join("usr/bin/rustc"), libs.join(":")))
}

fn unpack_debian_toolchain(dir: &Path, root: &Path) -> Outcome {
    tool(Command::new("dpkg-deb").arg("--version"))?;
    let candidate = |package: &str| -> Option<String> {
        let output = tool(
            Command::new("apt-cache")
                .env("LC_ALL", "C")
                .args(["policy", package]),
        )
        .ok()?;
        let text = text(&output.stdout);
        let version = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("Candidate: "))?;
        (version != "(none)").then(|| version.to_string())
    };
    // (compiler, its libraries, the standard library for the host, `core` for eBPF)
    let families = [
        (
            "rustc",
            "libstd-rust-",
            "libstd-rust-dev",
            "libstd-rust-dev-bpf",
        ),
        (
            "rustc-web",
            "libstd-rust-web-",
            "libstd-rust-web-dev",
            "libstd-rust-web-dev-bpf",
        ),
    ];
    let (version, family) = families
        .into_iter()
        .find_map(|family| {
            let version = candidate(family.3)?;
            (candidate(family.0)? == version).then_some((version, family))
        })
        .ok_or("the distribution offers no compiler with a matching `core` for eBPF")?;
    let release = version.split(['+', '-', '~']).next().unwrap_or_default();
    let minor = release.split('.').take(2).collect::<Vec<_>>().join(".");
    let libraries = format!("{}{minor}", family.1);
    let depends = tool(
        Command::new("apt-cache")
            .env("LC_ALL", "C")
            .args(["depends", &libraries]),
    )?;
    let llvm = text(&depends.stdout)
        .lines()
        .find_map(|line| {
            line.trim()
                .strip_prefix("Depends: ")
                .filter(|name| name.starts_with("libllvm"))
                .map(str::to_string)
        })
        .ok_or("the distribution's compiler names no LLVM package")?;
    let debs = dir.join("debs");
    let _ = fs::remove_dir_all(&debs);
    fs::create_dir_all(&debs).unwrap();
    tool(
        Command::new("apt-get")
            .args(["-q", "download", "-o", "APT::Sandbox::User=root"])
            .args(
                [family.0, &libraries, family.2, family.3]
                    .map(|package| format!("{package}={version}")),
            )
            .arg(llvm)
            .current_dir(&debs),
    )?;
    for entry in fs::read_dir(&debs).unwrap().flatten() {
        tool(
            Command::new("dpkg-deb")
                .arg("-x")
                .arg(entry.path())
                .arg(root),
        )?;
    }
    fs::remove_dir_all(&debs).unwrap();
    Ok(())
}

/// An XDP program that needs no library.
pub const PROGRAM: &str = r#"#![no_std]
#![no_main]

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn pass(ctx: *mut u32) -> u32 {
    BODY
}
"#;

/// The program with this body, an expression that may use `ctx`.
pub fn program(body: &str) -> String {
    PROGRAM.replace("BODY", body)
}

/// Asserts that a file is a relocatable eBPF object.
pub fn assert_is_bpf_object(path: &Path) {
    let bytes = fs::read(path).unwrap();
    assert_eq!(bytes[..4], *b"\x7fELF", "{}", path.display());
    let field = |at: usize| {
        let bytes = [bytes[at], bytes[at + 1]];
        if cfg!(target_endian = "big") {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        }
    };
    // ET_REL, EM_BPF.
    assert_eq!((field(16), field(18)), (1, 247), "{}", path.display());
}
