//! The grammar of magic symbols is written down once, in `docs/core-symbols.md`. These tests hold
//! the page, the reader (this module) and all writers to each other.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{ENUM_KINDS, EXTERN_KINDS, FIELD_KINDS, PREFIX, Question, TYPE_KINDS, VERSION};

/// Where symbols are written: macros of the kernel side, and the linker's own calls.
const WRITERS: [&str; 3] = [
    "ebpf/hachi-ebpf/src",
    "ebpf/hachi-ebpf-macros/src",
    "crates/hachi-linker/src/ir",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn page() -> String {
    fs::read_to_string(root().join("docs/core-symbols.md")).expect("the page is there")
}

/// What the reader knows: each kind of question, with its number in `.BTF.ext` if it has one.
fn known() -> BTreeSet<(&'static str, Option<u32>)> {
    let fields = FIELD_KINDS
        .iter()
        .map(|&(name, kind)| (name, Some(kind as u32)));
    let types = TYPE_KINDS
        .iter()
        .map(|&(name, kind)| (name, Some(kind as u32)));
    let enums = ENUM_KINDS
        .iter()
        .map(|&(name, kind)| (name, Some(kind as u32)));
    let externs = EXTERN_KINDS.iter().map(|&(name, ..)| (name, None));
    fields.chain(types).chain(enums).chain(externs).collect()
}

fn sources(directory: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(directory).expect("a directory of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source");
            found.push((path, text));
        }
    }
}

/// The kinds in a source: what string literals begin with, after the version if that is there.
fn kinds_in(text: &str) -> Vec<&str> {
    let starts = text.match_indices('"').map(|(at, _)| &text[at + 1..]);
    starts
        .filter_map(|literal| {
            let literal = match literal.strip_prefix(PREFIX) {
                Some(rest) => rest.split_once(':')?.1,
                None => literal,
            };
            let end = literal.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
            let (kind, rest) = literal.split_at(end);
            // As a whole, where the name follows by itself: `"kfunc"`.
            let families = ["field_", "type_", "enumval_", "kfunc", "ksym", "kconfig"];
            let is_kind = families.iter().any(|family| kind.starts_with(family));
            (is_kind && (rest.starts_with(':') || rest.starts_with('"'))).then_some(kind)
        })
        .collect()
}

#[test]
fn the_page_has_the_questions_that_are_read() {
    let page = page();
    let mut told = BTreeSet::new();
    for row in page.lines().filter_map(|line| line.strip_prefix("| `")) {
        let Some((kind, rest)) = row.split_once('`') else {
            continue;
        };
        // The last cell of a question with a record is its name in libbpf.
        let cell = rest.trim_end_matches([' ', '|']).rsplit("| ").next();
        let relocation = cell
            .unwrap_or_default()
            .trim_matches(['`', ' '])
            .to_lowercase();
        let number = (0..=12).find(|&number| {
            let kind = hachi_btf::ext::CoreReloKind::from_number(number);
            kind.is_some_and(|kind| constant(kind) == relocation)
        });
        told.insert((kind.to_owned(), number));
    }
    let known: BTreeSet<_> = known()
        .into_iter()
        .map(|(kind, number)| (kind.to_owned(), number))
        .collect();
    told.retain(|(kind, _)| kind != "enum64" && !kind.starts_with("type_id_*"));
    assert_eq!(told, known);
}

/// What libbpf calls a kind of record, without `BPF_CORE_`: from the name of ours.
fn constant(kind: hachi_btf::ext::CoreReloKind) -> String {
    let mut name = String::new();
    for c in format!("{kind:?}").chars() {
        if c.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.extend(c.to_lowercase());
    }
    name.replace("enum_val", "enumval")
}

#[test]
fn writers_make_only_questions_that_the_reader_knows() {
    let mut found = Vec::new();
    for directory in WRITERS {
        sources(&root().join(directory), &mut found);
    }
    let known: BTreeSet<&str> = known().into_iter().map(|(kind, _)| kind).collect();
    let mut written = BTreeSet::new();
    for (path, text) in &found {
        for kind in kinds_in(text) {
            let path = path.display();
            assert!(
                known.contains(kind),
                "{path} asks {kind:?}, which is not read"
            );
            written.insert(kind);
        }
        // One version everywhere.
        for (at, _) in text.match_indices(&format!("\"{PREFIX}")) {
            let version = &text[at + 1 + PREFIX.len()..];
            let version = version.split(':').next().unwrap_or_default();
            let is_whole = version.bytes().all(|byte| byte.is_ascii_digit());
            assert!(
                !is_whole || version == VERSION,
                "{}: {version}",
                path.display()
            );
        }
    }
    // The declared type of a field says its sign, so no macro asks for it.
    written.insert("field_signed");
    assert_eq!(
        written, known,
        "each other question has a macro that asks it"
    );
}

#[test]
fn examples_of_the_page_are_read() {
    let page = page();
    let mut symbols = Vec::new();
    for line in page.lines() {
        // Whole symbols in code, and paths in the list of examples.
        if let Some((_, rest)) = line.split_once("= \"hachi:") {
            let end = rest.find('"').expect("a literal ends");
            symbols.push(format!("hachi:{}", &rest[..end]));
        }
        let quoted = line.split('`').skip(1).step_by(2);
        for path in quoted.filter(|text| line.starts_with("- ") && text.contains('=')) {
            symbols.push(format!("hachi:1:field_exists:struct:example:{path}"));
        }
    }
    assert!(symbols.len() > 5, "{symbols:?}");
    for symbol in symbols {
        let read = Question::parse(&symbol);
        assert!(matches!(read, Some(Ok(_))), "{symbol}: {read:?}");
    }
}
