//! The corpus of ordinary Rust: programs that every kernel should accept.
//!
//! `tests/accept/idioms` has hand-written programs, a file for each group; [`generate`] makes more.
//! [`build`] compiles all for the kernel, in release and debug, and for the host, which says what
//! each computes. `tests/tests/accept.rs` loads and runs them, here and in guests; `cargo xtask
//! bench accept` does so on all kernels and counts.

pub mod generate;

#[path = "../../accept/inputs.rs"]
pub mod inputs;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::{cargo, examples_target_dir, hachi, root, success};

/// How many programs are generated,
pub const GENERATED: usize = 1000;
/// and how many of them share a file.
pub const PER_FILE: usize = 25;

/// The profiles that programs are built with.
pub const PROFILES: [&str; 2] = ["release", "debug"];

/// The part of the corpus that is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Is it all groups of idioms, and their twins in C, or those that every submission runs?
    pub all_idioms: bool,
    /// How many of the generated programs, from the first on.
    pub generated: usize,
}

impl Share {
    /// Everything.
    pub const ALL: Share = Share {
        all_idioms: true,
        generated: GENERATED,
    };

    /// What every submission runs: three groups of idioms.
    pub const SOME: Share = Share {
        all_idioms: false,
        generated: 0,
    };
}

/// The groups of idioms that every submission runs.
const SOME_GROUPS: [&str; 3] = ["arithmetic", "headers", "maps"];

/// A file of programs.
struct File {
    name: String,
    source: PathBuf,
}

/// Where a suite's parts are that tests read.
#[derive(Clone, Debug)]
pub struct Suite(PathBuf);

impl Suite {
    /// The suite that was built in `directory`.
    pub fn in_directory(directory: &Path) -> Self {
        Suite(directory.join("suite"))
    }

    /// The objects and expectations, which are all that guests need.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The object of a file.
    pub fn object(&self, profile: &str, file: &str) -> PathBuf {
        self.0.join(profile).join(format!("{file}.o"))
    }

    /// The object of the idioms that are written in C as well: `GROUP__NAME` each. There is one
    /// only where the whole corpus was built and clang is there.
    pub fn twins(&self) -> PathBuf {
        self.0.join("twins.o")
    }

    /// The programs of a profile that the linker refused: file, name and why.
    pub fn unbuilt(&self, profile: &str) -> Vec<[String; 3]> {
        let path = self.0.join(profile).join("unbuilt.tsv");
        let text = fs::read_to_string(path).unwrap_or_default();
        let columns = |line: &str| -> Option<[String; 3]> {
            let columns: Vec<String> = line.splitn(3, '\t').map(str::to_owned).collect();
            columns.try_into().ok()
        };
        text.lines().filter_map(columns).collect()
    }

    /// What each program computes on the host.
    ///
    /// # Panics
    /// When the suite was not built.
    pub fn expectations(&self) -> Vec<Expectation> {
        let path = self.0.join("expected.tsv");
        let text =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        text.lines()
            .map(|line| Expectation::parse(line).expect("a line of file, name and results"))
            .collect()
    }
}

/// What a program computes on the host.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// The file it is in: a group of idioms, or `generated_` and a number.
    pub file: String,
    /// Its name.
    pub name: String,
    /// For each packet the result; `None` where it aborts.
    pub results: Vec<Option<u64>>,
}

impl Expectation {
    fn parse(line: &str) -> Option<Self> {
        let mut columns = line.split('\t');
        let (file, name, results) = (columns.next()?, columns.next()?, columns.next()?);
        let result = |text: &str| match text {
            "-" => Some(None),
            number => u64::from_str_radix(number, 16).ok().map(Some),
        };
        Some(Expectation {
            file: file.to_owned(),
            name: name.to_owned(),
            results: results.split(' ').map(result).collect::<Option<_>>()?,
        })
    }
}

/// Is it a file of generated programs? They run in guests only.
pub fn is_generated(file: &str) -> bool {
    file.starts_with("generated_")
}

/// The directory of the corpus' sources.
pub fn sources() -> PathBuf {
    root().join("tests/accept")
}

/// The groups of idioms, by name.
///
/// # Panics
/// When the sources are not there.
pub fn groups() -> Vec<String> {
    let entries = fs::read_dir(sources().join("idioms")).expect("the idioms");
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| Some(entry.path().file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    names
}

/// Builds the corpus below `directory`.
///
/// # Panics
/// When something does not build.
pub fn build(directory: &Path, share: Share) -> Suite {
    let suite = Suite::in_directory(directory);
    let files = files(directory, share);
    let expected = run_on_host(directory, &files);
    write(&suite.path().join("expected.tsv"), &expected);
    if share.all_idioms {
        build_twins(&suite);
    }
    for profile in PROFILES {
        let faults = build_objects(directory, &files, profile, &suite);
        write(&suite.path().join(profile).join("unbuilt.tsv"), &faults);
    }
    suite
}

/// The part of the corpus that each run of the tests takes, built on first use; guests carry it.
pub fn carried() -> Suite {
    static BUILT: OnceLock<Suite> = OnceLock::new();
    let directory = crate::fixtures_dir().join("accept");
    if hachi_test::in_guest() {
        return Suite::in_directory(&directory);
    }
    let build_here = || {
        fs::create_dir_all(&directory).expect("a directory to build in");
        let lock = fs::File::create(directory.join("lock")).expect("a lock file");
        lock.lock().expect("the lock");
        // What is built is elsewhere, so that guests need not carry it.
        let suite = build(&crate::target_dir().join("accept-some"), Share::SOME);
        copy(suite.path(), &directory.join("suite"));
        Suite::in_directory(&directory)
    };
    BUILT.get_or_init(build_here).clone()
}

/// Copies a directory's files and directories.
fn copy(from: &Path, to: &Path) {
    let entries = fs::read_dir(from).expect("what was built");
    fs::create_dir_all(to).expect("a directory for it");
    for path in entries.flatten().map(|entry| entry.path()) {
        let target = to.join(path.file_name().expect("entries have names"));
        match path.is_dir() {
            true => copy(&path, &target),
            false => fs::copy(&path, &target).map(drop).expect("a copy"),
        }
    }
}

/// The files that are wanted, generated ones written first.
fn files(directory: &Path, share: Share) -> Vec<File> {
    let mut groups = groups();
    if !share.all_idioms {
        groups.retain(|group| SOME_GROUPS.contains(&group.as_str()));
    }
    let idioms = groups.into_iter().map(|name| File {
        source: sources().join("idioms").join(format!("{name}.rs")),
        name,
    });
    let mut files: Vec<File> = idioms.collect();
    for first in (0..share.generated).step_by(PER_FILE) {
        let name = format!("generated_{:02}", first / PER_FILE);
        let source = directory.join("generated").join(format!("{name}.rs"));
        let count = PER_FILE.min(share.generated - first);
        write(&source, &generate::file(first, count));
        files.push(File { name, source });
    }
    files
}

/// Builds the programs for the kernel, each file an object. Gives a line for each program that the
/// linker refuses: its file, its name and why.
fn build_objects(directory: &Path, files: &[File], profile: &str, suite: &Suite) -> String {
    let package = directory.join(format!("kernel-{profile}"));
    let mut manifest = manifest("accept-kernel", "");
    for File { name, .. } in files {
        let path = package.join(format!("src/bin/{name}.rs"));
        writeln!(
            manifest,
            "\n[[bin]]\nname = {name:?}\npath = {path:?}\ntest = false"
        )
        .expect("a string takes text");
    }
    prepare(&package, &manifest);
    let mut unbuilt: Vec<Unbuilt> = Vec::new();
    loop {
        for file in files {
            write_program(&package, file, &unbuilt);
        }
        let mut build = hachi(["build", &format!("--{profile}"), "--panics", "allow"]);
        build
            .arg(&package)
            .arg("--out")
            .arg(suite.path().join(profile));
        build.env("CARGO_TARGET_DIR", directory.join("target"));
        let output = build.output().expect("the hachi command runs");
        if output.status.success() {
            break;
        }
        // The others are built without those that were refused.
        let messages = String::from_utf8_lossy(&output.stderr);
        let found = Unbuilt::find(&messages, files);
        assert!(
            !found.is_empty() && !found.iter().any(|new| unbuilt.contains(new)),
            "{build:?} failed:\n{messages}"
        );
        unbuilt.extend(found);
    }
    let lines = unbuilt
        .iter()
        .map(|Unbuilt { file, name, why }| format!("{file}\t{name}\t{why}\n"));
    lines.collect()
}

/// A program that the linker refuses.
#[derive(PartialEq, Eq)]
struct Unbuilt {
    file: String,
    name: String,
    why: String,
}

impl Unbuilt {
    /// The programs that a failed build complains about.
    fn find(messages: &str, files: &[File]) -> Vec<Unbuilt> {
        let mut found = Vec::new();
        for message in messages.split("\nerror") {
            let why = message.lines().next().unwrap_or_default();
            // The last function that a place was inlined into is the program.
            let mut quoted = message.lines().filter_map(|line| {
                let (_, name) = line.strip_suffix('`')?.rsplit_once(" in `")?;
                Some(name)
            });
            let Some(name) = quoted.next_back() else {
                continue;
            };
            let is_home = |file: &&File| {
                fs::read_to_string(&file.source)
                    .is_ok_and(|text| text.contains(&format!(" fn {name}(")))
            };
            let of_bin = |file: &&File| messages.contains(&format!("(bin \"{}\")", file.name));
            if let Some(file) = files.iter().find(|file| is_home(file) && of_bin(file)) {
                found.push(Unbuilt {
                    file: file.name.clone(),
                    name: name.to_owned(),
                    why: why.trim_start_matches(':').trim().to_owned(),
                });
            }
        }
        found.dedup();
        found
    }
}

/// Writes the crate around a file, without the programs that are not built.
fn write_program(package: &Path, file: &File, unbuilt: &[Unbuilt]) {
    let mut source = file.source.clone();
    let refused: Vec<&Unbuilt> = unbuilt.iter().filter(|it| it.file == file.name).collect();
    if !refused.is_empty() {
        let mut text = fs::read_to_string(&source).expect("the file's text");
        for Unbuilt { name, .. } in refused {
            for kind in ["words", "bytes", "text", "packet"] {
                let (old, new) = (format!("{kind} fn {name}("), format!("unbuilt fn {name}("));
                text = text.replace(&old, &new);
            }
        }
        source = package.join(format!("without/{}.rs", file.name));
        write(&source, &text);
    }
    let prelude = sources().join("prelude.rs");
    write(
        &package.join(format!("src/bin/{}.rs", file.name)),
        &format!(
            "#![no_std]\n#![no_main]\n#[macro_use]\n#[path = {prelude:?}]\nmod prelude;\n\
             #[path = {source:?}]\nmod programs;\nhachi_ebpf::license!(\"GPL\");\n"
        ),
    );
}

/// Builds the twins of idioms that are written in C, where there is a clang.
fn build_twins(suite: &Suite) {
    let Some(clang) = hachi_test::find_clang() else {
        return;
    };
    let mut build = Command::new(clang);
    build
        .args([
            "-target", "bpf", "-mcpu=v3", "-O2", "-g", "-Wall", "-Werror",
        ])
        // Where distributions of several architectures keep asm/types.h.
        .arg(format!(
            "-I/usr/include/{}-linux-gnu",
            std::env::consts::ARCH
        ))
        .arg("-c")
        .arg(sources().join("twins.c"))
        .arg("-o")
        .arg(suite.twins());
    success(&mut build);
}

/// Runs the programs here: what [`Suite::expectations`] reads.
fn run_on_host(directory: &Path, files: &[File]) -> String {
    let package = directory.join("host");
    prepare(
        &package,
        &manifest("accept-host", ", features = [\"test\"]"),
    );
    let mut main = String::new();
    for module in ["prelude", "inputs", "host"] {
        let path = sources().join(format!("{module}.rs"));
        writeln!(main, "#[macro_use]\n#[path = {path:?}]\nmod {module};").expect("text");
    }
    for File { name, source } in files {
        writeln!(main, "#[path = {source:?}]\nmod {name};").expect("text");
    }
    main += "fn main() {\n    std::panic::set_hook(Box::new(|_| ()));\n";
    main += "    let inputs = inputs::inputs();\n";
    for File { name, .. } in files {
        writeln!(main, "    host::print({name:?}, {name}::ALL, &inputs);").expect("text");
    }
    write(&package.join("src/main.rs"), &(main + "}\n"));
    let mut run = cargo(&package);
    run.args(["run", "--quiet"])
        .env("CARGO_TARGET_DIR", examples_target_dir());
    success(&mut run)
}

fn manifest(name: &str, features: &str) -> String {
    let library = root().join("ebpf/hachi-ebpf");
    format!(
        "[package]\nname = {name:?}\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n\n\
         [workspace]\n\n[dependencies]\nhachi-ebpf = {{ path = {library:?}{features} }}\n\n\
         [lints.rust]\nunused = \"allow\"\nunexpected_cfgs = \"allow\"\n\n\
         [profile.dev]\ndebug = false\n"
    )
}

/// Writes a package's manifest, with the versions that the repository was tested with.
fn prepare(package: &Path, manifest: &str) {
    write(&package.join("Cargo.toml"), manifest);
    let lock = package.join("Cargo.lock");
    if !lock.exists() {
        fs::copy(root().join("Cargo.lock"), &lock).expect("a lock file");
    }
}

/// Writes what is not there already, so that cargo does not build it again.
fn write(path: &Path, text: &str) {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return;
    }
    let parent = path.parent().expect("a file is in a directory");
    fs::create_dir_all(parent)
        .and_then(|()| fs::write(path, text))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
