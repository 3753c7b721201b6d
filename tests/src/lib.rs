//! Integration tests of Hachi, by capability.
//!
//! Each file in `tests/` is one capability, from Rust source to what the kernel does. The programs
//! they load are single files in `fixtures/`, built on first use by the `hachi` command of this
//! same checkout ([`fixture`]). Tests that need the kernel skip themselves, visibly, where bpf(2)
//! is not available.
//!
//! `HACHI_BIN` names a ready-built command; without it, it is built. `HACHI_EXAMPLES_TARGET` is
//! where example workspaces and generated projects are built, `target/examples` by default.
//!
//! `HACHI_GUEST_ARCH` names the kind of machine that fixtures and examples for guests are built
//! for, this machine's by default.
//!
//! In a guest, which has no compiler, fixtures are those that the host built before (the program
//! `fixtures` of this package does) and carried along.

#![expect(
    clippy::missing_panics_doc,
    reason = "what a test needs and does not find fails it"
)]

pub mod accept;
pub mod gallery;
pub mod libbpf;

use hachi_build::{Arch, Cross, Search};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, Once, OnceLock};
use std::time::SystemTime;

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests are a directory of the repository")
}

/// Where cargo puts what it builds for the repository's own workspace.
pub fn target_dir() -> PathBuf {
    // This program is target/PROFILE/deps/NAME, or target/PROFILE/NAME.
    let this = std::env::current_exe().expect("our own path");
    let profile = this
        .ancestors()
        .skip(1)
        .find(|path| !path.ends_with("deps"))
        .expect("our own directory");
    profile
        .parent()
        .expect("the directory of a profile is in the target directory")
        .to_owned()
}

/// Where example workspaces and generated projects are built, shared by all of them.
pub fn examples_target_dir() -> PathBuf {
    match std::env::var_os("HACHI_EXAMPLES_TARGET") {
        Some(directory) => directory.into(),
        None => target_dir().join("examples"),
    }
}

/// The `hachi` command, built if `HACHI_BIN` names none.
///
/// # Panics
/// When it does not build.
pub fn hachi_bin() -> &'static Path {
    static BIN: OnceLock<PathBuf> = OnceLock::new();
    BIN.get_or_init(|| {
        if let Some(path) = std::env::var_os("HACHI_BIN") {
            return path.into();
        }
        let mut build = cargo(root());
        build.args(["build", "--quiet", "--package", "hachi-cli", "--target-dir"]);
        success(build.arg(target_dir()));
        target_dir().join("debug/hachi")
    })
}

/// A run of the `hachi` command, allowed to fetch a toolchain if none is there.
pub fn hachi<I: IntoIterator<Item: AsRef<std::ffi::OsStr>>>(arguments: I) -> Command {
    let mut command = Command::new(hachi_bin());
    command
        .args(arguments)
        .env("HACHI_YES", "1")
        .env("NO_COLOR", "1")
        .stdin(Stdio::null());
    command
}

/// Cargo in `directory`, without what the cargo that runs this test says of itself.
pub fn cargo(directory: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    command
        .current_dir(directory)
        .env("HACHI_YES", "1")
        .stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&*name);
        }
    }
    command
}

/// Runs to the end and gives what was written to stdout.
///
/// # Panics
/// With everything it wrote, when it fails.
#[track_caller]
pub fn success(command: &mut Command) -> String {
    let output = output(command);
    assert!(
        output.status.success(),
        "{command:?} failed:\n{}",
        both(&output)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs to the end, which must be the exit code `code`, and gives what was written to stderr.
///
/// # Panics
/// With everything it wrote, when it ends otherwise.
#[track_caller]
pub fn failure(command: &mut Command, code: i32) -> String {
    let output = output(command);
    assert_eq!(
        output.status.code(),
        Some(code),
        "{command:?} ended otherwise:\n{}",
        both(&output)
    );
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn output(command: &mut Command) -> Output {
    match command.output() {
        Ok(output) => output,
        Err(error) => panic!("{command:?}: {error}"),
    }
}

fn both(output: &Output) -> String {
    let (stdout, stderr) = (&output.stdout, &output.stderr);
    String::from_utf8_lossy(stdout).into_owned() + &String::from_utf8_lossy(stderr)
}

/// What tests in guests load beside each fixture in release: fixtures with options of
/// `hachi build`.
const VARIANTS: &[(&str, &[&str])] = &[
    ("arena", &["--debug"]),
    ("atomics", &["--debug"]),
    ("atomics", &["--cpu", "v4"]),
    ("collections", &["--debug"]),
    ("current", &["--debug"]),
    ("drops", &["--debug"]),
    ("drops", &["--cpu", "v1"]),
    ("drops", &["--cpu", "v2"]),
    ("drops", &["--cpu", "v3"]),
    ("drops", &["--cpu", "v4"]),
    ("dynptrs", &["--debug"]),
    ("externs", &["--debug"]),
    ("guards", &["--debug"]),
    ("kfuncs", &["--debug"]),
    ("kobjects", &["--debug"]),
    ("logs", &["--debug"]),
    ("loops", &["--debug"]),
    ("proofs", &["--debug"]),
    ("maps", &["--debug"]),
    ("nested", &["--debug"]),
    ("network", &["--debug"]),
    ("network_objects", &["--debug"]),
    ("paths", &["--debug"]),
    ("objects", &["--debug"]),
    ("packets", &["--debug"]),
    ("packets", &["--cpu", "v2"]),
    ("probes", &["--debug"]),
    ("struct_ops", &["--debug"]),
];

/// The one fixture that is not whole by itself: its test links it with C.
const PARTS: &[&str] = &["calls_c"];

/// Builds all that tests in guests load.
///
/// # Panics
/// When one does not build.
pub fn build_fixtures() {
    let directory = root().join("tests/fixtures");
    let entries = fs::read_dir(&directory).expect("the fixtures' sources");
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let is_source = path.extension().is_some_and(|extension| extension == "rs");
        if is_source && !PARTS.contains(&&*name) {
            fixture(&name);
        }
    }
    for (name, options) in VARIANTS {
        fixture_with(name, options);
    }
}

/// The workspaces of `examples/` whose programs tests in guests run, too.
const EXAMPLES_FOR_GUESTS: &[&str] = &["programs", "tools"];

/// The program `name` of the workspace `examples/WORKSPACE`, built now; in a guest, before.
///
/// # Panics
/// When it does not build.
#[track_caller]
pub fn example(workspace: &str, name: &str) -> PathBuf {
    if hachi_test::in_guest() {
        return carried_examples().join(name);
    }
    // Once for all the tests of a program: cargo takes its time to find that there is nothing to
    // do.
    static BUILT: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let mut built = BUILT
        .lock()
        .expect("an example did not build: see the first test");
    let cross = guest_arch().map(|arch| {
        let found = Cross::find(arch, &Search::default());
        found.expect("what builds programs for guests")
    });
    if !built.iter().any(|built| built == workspace) {
        let mut build = cargo(&root().join("examples").join(workspace));
        build.args(["build", "--quiet"]);
        if let Some(cross) = &cross {
            cross.set_up(&mut build);
        }
        success(build.env("CARGO_TARGET_DIR", examples_target_dir()));
        built.push(workspace.to_owned());
    }
    let triple = cross.map_or("", |cross| cross.arch().triple());
    let built = examples_target_dir().join(triple);
    built.join("debug").join(name)
}

/// The kind of machine of the guests that are prepared, if it is not this one's.
fn guest_arch() -> Option<Arch> {
    let name = std::env::var("HACHI_GUEST_ARCH").ok()?;
    let arch: Arch = name.parse().expect("HACHI_GUEST_ARCH names a machine");
    (Arch::here() != Some(arch)).then_some(arch)
}

/// `hachi build`, for the kind of machine that tests run on.
pub fn hachi_build() -> Command {
    let mut build = hachi(["build"]);
    if let Some(arch) = guest_arch() {
        build.args(["--arch", arch.name()]);
    }
    build
}

/// The objects of a kernel side in `examples/`, built into `out`.
///
/// # Panics
/// When it does not build.
#[track_caller]
pub fn example_objects(package: &Path, out: &Path) -> Vec<PathBuf> {
    let mut build = hachi(["build"]);
    build.arg(package).arg("--out").arg(out);
    // Where the examples' build scripts build them, too.
    let printed = success(build.env("CARGO_TARGET_DIR", examples_target_dir()));
    printed.lines().map(PathBuf::from).collect()
}

/// Where the examples' programs for guests are: among the fixtures, which are carried along.
fn carried_examples() -> PathBuf {
    fixtures_dir().join("examples")
}

/// The names of the programs of a workspace of `examples/`.
///
/// # Panics
/// When it is not there.
pub fn programs_of(workspace: &str) -> Vec<String> {
    let manifest = root().join(format!("examples/{workspace}/{workspace}/Cargo.toml"));
    let manifest = fs::read_to_string(manifest).expect("the workspace's user side");
    let programs = manifest.split("[[bin]]\nname = \"").skip(1);
    let name = |text: &str| text.split_once('"').map(|(name, _)| name.to_owned());
    programs.filter_map(name).collect()
}

/// Builds the examples that tests in guests run.
///
/// # Panics
/// When one does not build.
pub fn build_examples_for_guests() {
    let directory = carried_examples();
    fs::create_dir_all(&directory).expect("a directory for programs");
    for workspace in EXAMPLES_FOR_GUESTS {
        for name in programs_of(workspace) {
            let program = example(workspace, &name);
            fs::copy(program, directory.join(name)).expect("a copy of the program");
        }
    }
}

/// The kinds of `hachi new` whose programs other kernels run, since a machine's own may refuse
/// them.
pub const TEMPLATES_FOR_GUESTS: &[&str] = &[
    "extension",
    "fentry",
    "fexit",
    "fsession",
    "kprobe",
    "kprobe_multi",
    "kretprobe",
    "lsm",
    "netkit",
    "scheduler",
];

/// The user side of the project that `hachi new` makes of this kind, built now; in a guest, before.
///
/// # Panics
/// When it is not made or does not build.
#[track_caller]
pub fn template(kind: &str) -> PathBuf {
    let name = template_name(kind);
    if hachi_test::in_guest() {
        return carried_examples().join(name);
    }
    // Several tests may want the same one at the same time, and cargo builds one project after the
    // other.
    static BUILT: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let mut built = BUILT
        .lock()
        .expect("a project did not build: see the first test");
    if !built.contains(&name) {
        let project = new_project(kind);
        success(template_cargo(&project).args(["build", "--quiet"]));
        built.push(name.clone());
    }
    examples_target_dir().join("debug").join(name)
}

/// The name of the project of a kind.
pub fn template_name(kind: &str) -> String {
    // Longer than 15 bytes where the kind's name is: names in the kernel are not.
    format!("new-{}", kind.replace('_', "-"))
}

/// Makes the project of a kind, instead of one that is there, and gives its directory.
///
/// # Panics
/// When it is not made.
#[track_caller]
pub fn new_project(kind: &str) -> PathBuf {
    let projects = target_dir().join("projects");
    fs::create_dir_all(&projects).expect("a directory for projects");
    let project = projects.join(template_name(kind));
    let _ = fs::remove_dir_all(&project);
    let mut new = hachi(["new", &template_name(kind), "--template", kind]);
    success(new.arg("--dir").arg(&project));
    // The versions of the first one are those of all.
    let lock = projects.join("Cargo.lock");
    if lock.is_file() {
        fs::copy(&lock, project.join("Cargo.lock")).expect("a copy of the versions");
    }
    success(template_cargo(&project).args(["metadata", "--format-version=1"]));
    fs::copy(project.join("Cargo.lock"), lock).expect("a copy of the versions");
    project
}

/// Cargo in a project of `hachi new`, as all of them are built: without debugging information,
/// which guests need not carry.
pub fn template_cargo(project: &Path) -> Command {
    let mut command = cargo(project);
    command
        .env("CARGO_TARGET_DIR", examples_target_dir())
        .env("CARGO_PROFILE_DEV_DEBUG", "0");
    command
}

/// Builds the projects of `hachi new` whose programs guests run.
///
/// # Panics
/// When one does not build.
pub fn build_templates_for_guests() {
    let directory = carried_examples();
    fs::create_dir_all(&directory).expect("a directory for programs");
    for kind in TEMPLATES_FOR_GUESTS {
        let to = directory.join(template_name(kind));
        fs::copy(template(kind), to).expect("a copy of the program");
    }
}

/// The object `name` of the programs written for Aya, in `tests/aya/ebpf`.
///
/// # Panics
/// When it does not build.
pub fn aya_object(name: &str) -> PathBuf {
    static BUILT: Once = Once::new();
    let directory = fixtures_dir().join("aya");
    if !hachi_test::in_guest() {
        BUILT.call_once(|| build_aya_objects(&directory));
    }
    directory.join(format!("{name}.o"))
}

/// As tests do that load one; for guests, which cannot.
///
/// # Panics
/// When they do not build.
pub fn build_aya_objects(directory: &Path) {
    fs::create_dir_all(directory).expect("a directory to build in");
    let lock = File::create(directory.join("lock")).expect("a lock file");
    lock.lock().expect("the lock");
    let mut build = hachi_build();
    build.arg(root().join("tests/aya/ebpf"));
    build.env("CARGO_TARGET_DIR", examples_target_dir());
    success(build.arg("--out").arg(directory));
}

/// Where fixtures are built, each with its options in a directory of its own.
pub fn fixtures_dir() -> PathBuf {
    // Programs for another machine are built below a directory of its own, from where they look.
    let triple = guest_arch().map_or("", |arch| arch.triple());
    target_dir().join(triple).join("fixtures")
}

/// The source file of a fixture.
pub fn fixture_source(name: &str) -> PathBuf {
    let path = root().join("tests/fixtures").join(name);
    path.with_extension("rs")
}

/// The object built from `fixtures/NAME.rs` in release, now or by an earlier run.
///
/// # Panics
/// When it does not build.
#[track_caller]
pub fn fixture(name: &str) -> PathBuf {
    fixture_with(name, &[])
}

/// As [`fixture`], with options of `hachi build`, such as `--debug`. Each set of options has its
/// own object.
///
/// # Panics
/// When it does not build.
#[track_caller]
pub fn fixture_with(name: &str, options: &[&str]) -> PathBuf {
    let source = fixture_source(name);
    let directory = fixtures_dir().join(format!("{name}{}", options.concat()));
    let object = directory.join(format!("{name}.o"));
    if hachi_test::in_guest() {
        let there = object.is_file();
        assert!(there, "{name} with {options:?} has to be in `VARIANTS`");
        return object;
    }
    fs::create_dir_all(&directory).expect("a directory to build in");
    // Several test programs may want it at the same time: the first builds, the others find it
    // built.
    let lock = File::create(directory.join("lock")).expect("a lock file");
    lock.lock().expect("the lock");
    let modified = |path: &Path| fs::metadata(path).and_then(|data| data.modified());
    let newest = [hachi_bin(), &source]
        .map(|path| modified(path).expect("a file that exists"))
        .into_iter()
        .chain([newest_source("ebpf"), newest_source("crates/hachi-common")])
        .max();
    if modified(&object).ok() < newest {
        let mut build = hachi_build();
        build
            .arg(&source)
            .args(options)
            .arg("--out")
            .arg(&directory);
        let printed = success(&mut build);
        assert_eq!(Path::new(printed.trim_end()), object);
    }
    object
}

/// When the newest file below `directory` of the repository was changed.
fn newest_source(directory: &str) -> SystemTime {
    fn visit(path: &Path, newest: &mut SystemTime) {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(data) if data.is_dir() => visit(&entry.path(), newest),
                Ok(data) => *newest = data.modified().unwrap_or(*newest).max(*newest),
                Err(_) => {}
            }
        }
    }
    let mut newest = SystemTime::UNIX_EPOCH;
    visit(&root().join(directory), &mut newest);
    newest
}

/// An object with all its programs loaded. One that is refused fails the test, by its name.
pub fn load_all(object: &Path) -> hachi::Ebpf {
    let mut ebpf = hachi::Ebpf::load_file(object).unwrap();
    for (name, program) in ebpf.programs_mut() {
        program
            .load()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    ebpf
}
