//! The gallery of mistakes: programs that the linker or the kernel refuses, each with its mended
//! form.
//!
//! They stand in fenced blocks of the pages that `hachi explain` prints, and for mistakes that one
//! page has no room for, in `tests/gallery/CODE.md`. The first word of a block is its language, the
//! second says whether it is `rejected` or `mended`; a mended one follows each rejected one. Other
//! words are options of `hachi build`, or:
//!
//! - `linked`: C that goes through `hachi ld` as bitcode, not to the kernel as clang compiles it;
//! - `unlicensed`: nothing is added that states a licence;
//! - `elsewhere`: not every kernel has what the program needs to be judged.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::SystemTime;

use hachi_diag::Code;

use crate::{fixtures_dir, hachi, hachi_bin, newest_source, root};

/// Files of `tests/gallery`, by the names of their codes.
macro_rules! more {
    ($($code:literal)*) => {
        &[$(($code, include_str!(concat!("../gallery/", $code, ".md")))),*]
    };
}

/// More mistakes of some codes.
const MORE: &[(&str, &str)] = more! {
    "atomic-operation"
    "bad-argument-to-function"
    "call-depth"
    "context-field"
    "context-modified"
    "extern-conflict"
    "format-string"
    "gpl-only"
    "helper-argument-null"
    "indirect-call"
    "jump-too-far"
    "map-for-program"
    "map-value-bounds"
    "missing-kfunc"
    "negative-index"
    "null-check-missing"
    "number-as-pointer"
    "packet-bounds"
    "read-only-memory"
    "reference-leak"
    "return-value"
    "stack-bounds"
    "stack-too-large"
    "static-instead-of-map"
    "tail-call"
    "too-many-arguments"
    "too-many-instructions"
    "too-many-maps"
    "undefined-symbol"
    "uninitialised-register"
    "unresolved-relocation"
};

/// A program of the gallery.
#[derive(Debug, Clone)]
pub struct Example {
    /// What is wrong with it, or was.
    pub code: Code,
    /// Unique, and fit for a file.
    pub name: String,
    /// Whether it is wrong.
    pub rejected: bool,
    /// Whether there are kernels that cannot tell.
    pub elsewhere: bool,
    is_rust: bool,
    options: Vec<String>,
    source: String,
}

/// What became of an example.
#[derive(Debug, Clone)]
pub struct Built {
    /// The object, if there is one.
    pub object: Option<PathBuf>,
    /// What compiler and linker said.
    pub said: String,
}

/// All of them, as pairs of a rejected and a mended one.
///
/// # Panics
/// When a page has blocks that make no pair.
pub fn pairs() -> Vec<[Example; 2]> {
    let pages = Code::all().map(|code| (code, "", code.page()));
    let more = MORE.iter().map(|(name, page)| {
        let code = Code::named(name).unwrap_or_else(|| panic!("{name} is no code"));
        (code, "more_", *page)
    });
    let mut all = Vec::new();
    for (code, prefix, page) in pages.chain(more) {
        let blocks = blocks(page);
        assert!(
            blocks.len().is_multiple_of(2),
            "{code}: an example without the other"
        );
        for (number, pair) in blocks.chunks_exact(2).enumerate() {
            let example = |at: usize| {
                let (fence, source) = pair[at];
                let kind = ["rejected", "mended"][at];
                let stem = code.name().replace('-', "_");
                example(
                    code,
                    format!("{prefix}{stem}_{number}_{kind}"),
                    kind,
                    fence,
                    source,
                )
            };
            all.push([example(0), example(1)]);
        }
    }
    all
}

/// The words behind the fence, and the text, of each block.
fn blocks(page: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = page;
    while let Some((_, block)) = rest.split_once("\n```") {
        let Some((block, after)) = block.split_once("\n```\n") else {
            break;
        };
        found.extend(block.split_once('\n'));
        rest = after;
    }
    found
}

fn example(code: Code, name: String, kind: &str, fence: &str, source: &str) -> Example {
    let mut words = fence.split(' ');
    let language = words.next().unwrap_or_default();
    assert!(matches!(language, "rust" | "c"), "{name}: {fence}");
    assert_eq!(words.next(), Some(kind), "{name}: {fence}");
    let options: Vec<String> = words.map(str::to_owned).collect();
    Example {
        code,
        name,
        rejected: kind == "rejected",
        elsewhere: options.iter().any(|word| word == "elsewhere"),
        is_rust: language == "rust",
        options,
        source: source.to_owned(),
    }
}

impl Example {
    /// The file that its source is written to.
    pub fn source(&self) -> PathBuf {
        let extension = if self.is_rust { "rs" } else { "c" };
        let directory = fixtures_dir().join("gallery");
        directory.join(&self.name).with_extension(extension)
    }

    /// The same program with other text, which is all of the file.
    pub fn with_source(&self, name: String, source: &str) -> Example {
        let mut other = self.clone();
        other.name = name;
        other.source = source
            .trim_start_matches("#![no_std]\n#![no_main]\n")
            .to_owned();
        // It states a licence already.
        other.options.push("unlicensed".to_owned());
        other
    }

    /// The example, built now or by an earlier run.
    ///
    /// # Panics
    /// When the tools to build with are missing.
    pub fn built(&self) -> Built {
        let directory = fixtures_dir().join("gallery");
        let object = directory.join(&self.name).with_extension("o");
        let said = directory.join(&self.name).with_extension("said");
        static ONE_AFTER_ANOTHER: Mutex<()> = Mutex::new(());
        let _one = ONE_AFTER_ANOTHER.lock();
        fs::create_dir_all(&directory).expect("a directory to build in");
        let lock = File::create(directory.join("lock")).expect("a lock file");
        lock.lock().expect("the lock");
        self.build_into(&directory, &object, &said);
        Built {
            object: object.is_file().then_some(object),
            said: fs::read_to_string(&said).expect("what the build said"),
        }
    }

    fn build_into(&self, directory: &Path, object: &Path, said: &Path) {
        let source = self.source();
        let text = self.text();
        let modified = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
        let newest: Option<SystemTime> = modified(hachi_bin())
            .into_iter()
            .chain([newest_source("ebpf"), newest_source("crates/hachi-common")])
            .max();
        if modified(said) > newest && fs::read_to_string(&source).is_ok_and(|old| old == text) {
            return;
        }
        fs::write(&source, text).expect("the source");
        // What failed to build must not leave the object of an earlier time.
        let _ = fs::remove_file(object);
        let errors = match self.is_rust {
            true => self.build_rust(&source, directory),
            false => self.build_c(&source, object),
        };
        fs::write(said, errors).expect("what the build said");
    }

    fn text(&self) -> String {
        let licensed = self.source.contains("license") || self.has("unlicensed");
        match (self.is_rust, licensed) {
            (true, true) => format!("#![no_std]\n#![no_main]\n{}\n", self.source),
            (true, false) => {
                let licence = "hachi_ebpf::license!(\"GPL\");";
                format!("#![no_std]\n#![no_main]\n{}\n{licence}\n", self.source)
            }
            (false, true) => format!("{}\n", self.source),
            (false, false) => {
                let licence =
                    "char licence[] __attribute__((section(\"license\"), used)) = \"GPL\";";
                format!("{}\n{licence}\n", self.source)
            }
        }
    }

    fn has(&self, word: &str) -> bool {
        self.options.iter().any(|option| option == word)
    }

    fn build_rust(&self, source: &Path, directory: &Path) -> Vec<u8> {
        let words = ["unlicensed", "elsewhere"];
        let mut build = hachi(["build"]);
        build
            .arg(source)
            .arg("--out")
            .arg(directory)
            .arg("--target-dir")
            // One for all, so that hachi-ebpf is built once.
            .arg(directory.join("target"))
            .args(
                self.options
                    .iter()
                    .filter(|word| !words.contains(&&***word)),
            );
        build.output().expect("the command runs").stderr
    }

    fn build_c(&self, source: &Path, object: &Path) -> Vec<u8> {
        let bitcode = object.with_extension("bc");
        let linked = self.has("linked");
        let mut clang = Command::new("clang");
        clang.args(["--target=bpf", "-mcpu=v3", "-g", "-O2", "-c"]);
        clang.arg(source).arg("-o");
        match linked {
            true => clang.arg(&bitcode).arg("-emit-llvm"),
            false => clang.arg(object),
        };
        crate::success(&mut clang);
        if !linked {
            return Vec::new();
        }
        let mut link = hachi(["ld"]);
        link.arg(&bitcode).arg("-o").arg(object);
        let errors = link.output().expect("the command runs").stderr;
        let _ = fs::remove_file(bitcode);
        errors
    }
}

/// The files of `tests/gallery`, by the names of their codes; for the test that all are used.
///
/// # Panics
/// When the directory cannot be read.
pub fn files() -> (Vec<String>, Vec<String>) {
    let entries = fs::read_dir(root().join("tests/gallery"));
    let mut there: Vec<String> = entries
        .into_iter()
        .flatten()
        .map(|entry| {
            let name = entry.expect("an entry of the directory").file_name();
            name.to_string_lossy().trim_end_matches(".md").to_owned()
        })
        .collect();
    there.sort();
    (
        there,
        MORE.iter().map(|(name, _)| (*name).to_owned()).collect(),
    )
}
