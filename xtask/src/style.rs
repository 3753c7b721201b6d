//! The rules of style that no tool checks: long lines, stilted phrases, names of machines and
//! registries, code that is not written yet.

use crate::shell::{Result, root};
use std::fmt;
use std::path::{Path, PathBuf};

/// The longest line of Rust code, in characters; `rustfmt.toml` says the same, but rustfmt skips
/// comments, strings, macros and what it cannot break.
const WIDTH: usize = 100;

/// The longest file of Rust code, in lines, unless it is generated.
const LENGTH: usize = 800;

/// Phrases that an engineer would not write, and what to write instead. They are looked for in
/// comments, strings, identifiers and prose, across the ends of lines.
const PHRASES: &[(&str, &str)] = &[
    ("whoever", "anyone who"),
    ("so many", "as many"),
    ("but for", "except"),
    ("to be had", "available"),
    ("as ever", "as usual"),
    ("for ever", "forever"),
    ("anew", "again"),
    ("hence", "so"),
    ("shall", "must, or will"),
    ("in vain", "without success"),
    ("it is said", "say who reports it"),
    ("is no error", "is not an error"),
    ("what is no", "something that is not"),
    ("that is no", "that is not"),
    ("come to its end", "end"),
    ("came to its end", "ended"),
    ("poor man's", "simple"),
    ("what came of", "the result of"),
    ("whence", "from where"),
    ("thereof", "of it"),
    ("albeit", "although"),
    ("upon", "on"),
    ("lest", "so that … not"),
    ("naught", "nothing"),
    ("save for", "except"),
];

/// Phrases that begin like one of [`PHRASES`] and are fine.
const FINE: &[&str] = &["that is no longer", "that is no more", "what is no longer"];

/// How the name of a test may not begin: it names the thing and what it does.
const TEST_BEGINNINGS: &[&str] = &[
    "what_",
    "who_",
    "so_is_",
    "so_are_",
    "others_",
    "elsewhere_",
    "its_",
    "one_that_",
];

/// What the name of a test may not have, and what to write instead.
const TEST_PHRASES: &[(&str, &str)] = &[
    ("_is_told", "is reported"),
    ("_are_told", "are reported"),
    ("_is_said", "is reported"),
    ("_are_said", "are reported"),
    ("_told_apart", "are distinguished"),
    ("_told_from_", "is distinguished from"),
    ("_is_no_", "is not a"),
    ("_are_no_", "are not"),
    ("_all_but_", "all except"),
    ("_looked_at", "read, or checked"),
    ("_in_words", "what it says"),
];

/// Where this machine and others keep things, in pieces so that this file does not have them.
const PLACES: &[(&str, &str)] = &[
    (concat!("/wo", "rk/"), "a path of one machine"),
    (concat!("/tmp/", "lead"), "a path of one machine"),
    (concat!("crates", ".io/"), "the address of a registry"),
    (concat!("index.", "crates.io"), "the address of a registry"),
    (concat!("static.", "crates.io"), "the address of a registry"),
    (concat!("deb.", "debian.org"), "the address of a registry"),
    (
        concat!("security.", "debian.org"),
        "the address of a registry",
    ),
    (concat!("pypi", ".org"), "the address of a registry"),
    (concat!("registry.", "npmjs"), "the address of a registry"),
];

/// Code that only says that it is missing.
const MISSING: &[&str] = &[concat!("todo", "!("), concat!("unimplemented", "!(")];

/// Where that is the subject: how the linker reports it in programs, and a function that is never
/// called but tells the compiler a type.
const ABOUT_MISSING: &[&str] = &[
    "crates/hachi-linker/src/ir/aborts.rs",
    "crates/hachi-linker/tests/checks.rs",
    "crates/hachi-linker/tests/micro/flow.rs",
    "ebpf/hachi-ebpf-macros/src/kernel/ops.rs",
];

/// Crates whose API is Aya's.
const AYAS: &str = "hachi-aya";

/// Public enums that will never have another variant, and why. All others are `non_exhaustive`.
const CLOSED: &[(&str, &[&str])] = &[
    (
        "the instruction set: who interprets it has to see that an instruction is new",
        &[
            "hachi_asm::decode::AluOp",
            "hachi_asm::decode::AtomicOp",
            "hachi_asm::decode::CallTarget",
            "hachi_asm::decode::Imm64",
            "hachi_asm::decode::JumpOp",
            "hachi_asm::decode::Op",
            "hachi_asm::decode::Operand",
            "hachi_asm::decode::Size",
            "hachi_asm::AluOp",
            "hachi_asm::AtomicOp",
            "hachi_asm::CallTarget",
            "hachi_asm::Imm64",
            "hachi_asm::JumpOp",
            "hachi_asm::Op",
            "hachi_asm::Operand",
            "hachi_asm::Size",
        ],
    ),
    (
        "kinds of machines: what starts guests of each has to see that one is new",
        &["hachi_build::Arch"],
    ),
    (
        "two or three that are opposites",
        &[
            "hachi_agent::agent::Direction",
            "hachi_asm::Endian",
            "hachi_common::log::Align",
            "hachi_diag::Operand",
            "hachi_ebpf::kernel::Tristate",
            "hachi_linker::Target",
            "hachi_machine::context::Access",
            "hachi_machine::memory::Protection",
            "hachi_machine::Protection",
        ],
    ),
    (
        "who links, fills or compares has to act on each",
        &[
            "hachi_btf::core::Outcome",
            "hachi_btf::print::Change",
            "hachi_common::layout::Parts",
            "hachi_obj::StructOpsValue",
        ],
    ),
    (
        "markers of types, without a value",
        &[
            "hachi_ebpf::kernel::Asked",
            "hachi_ebpf::kernel::Direct",
            "hachi_ebpf::kernel::Probed",
        ],
    ),
];

/// A place that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    line: usize,
    problem: String,
}

/// A text file of the repository.
struct File {
    /// Its path from the root of the repository.
    path: String,
    text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.problem)
    }
}

/// Checks that no line of Rust is too long.
pub fn long_lines() -> Result {
    report(|file| match file.path.ends_with(".rs") {
        true => too_long(&file.text),
        false => Vec::new(),
    })
}

/// Checks the length of files, phrases, places, missing code, names of tests and parameters without
/// a name.
pub fn check() -> Result {
    check_api()?;
    check_examples()?;
    report(|file| match file.path.as_str() {
        // It has all the phrases.
        path @ "xtask/src/style.rs" => Vec::from_iter(too_many_lines(path, &file.text)),
        path => {
            let mut found = stilted(&file.text);
            found.extend(matches(&file.text, PLACES));
            if path.ends_with(".rs") && !ABOUT_MISSING.contains(&path) {
                let missing = MISSING.iter().map(|macro_| (*macro_, "missing code"));
                found.extend(matches(&file.text, &missing.collect::<Vec<_>>()));
            }
            if path.ends_with(".rs") {
                found.extend(test_names(&file.text));
                found.extend(too_many_lines(path, &file.text));
            }
            found
        }
    })
}

/// Checks that a call says what its `true` means and that enums can have more variants later: in
/// the lists of the public API, which the step `package` compares with the code.
fn check_api() -> Result {
    let mut problems = Vec::new();
    let closed = CLOSED.iter().flat_map(|(_, names)| *names);
    let mut unseen: Vec<&str> = closed.copied().collect();
    for entry in std::fs::read_dir(root().join("docs/api"))? {
        let path = entry?.path();
        let crate_name = path.file_stem().unwrap_or_default().to_string_lossy();
        if crate_name.starts_with(AYAS) {
            continue;
        }
        for line in std::fs::read_to_string(&path)?.lines() {
            if let Some(name) = with_bool(line) {
                problems.push(format!(
                    "{name}: a `bool` among the parameters; take an enum, or make two functions"
                ));
            }
            let Some(name) = exhaustive_enum(line) else {
                continue;
            };
            let before = unseen.len();
            unseen.retain(|known| *known != name);
            if unseen.len() == before {
                problems.push(format!("{name}: an enum that is not `non_exhaustive`"));
            }
        }
    }
    problems.extend(
        unseen
            .iter()
            .map(|name| format!("{name} is not an exhaustive enum: take it off the list")),
    );
    match problems.is_empty() {
        true => Ok(()),
        false => Err(problems.join("\n").into()),
    }
}

/// The enum that a line of the public API declares, if callers may match it without `_`.
fn exhaustive_enum(line: &str) -> Option<&str> {
    line.strip_prefix("pub enum ")?.split('<').next()
}

/// Checks that the documentation of each type of program has an example.
fn check_examples() -> Result {
    let mut problems = Vec::new();
    for entry in std::fs::read_dir(root().join("crates/hachi/src/programs"))? {
        let path = entry?.path();
        if path.is_file() {
            problems.extend(without_example(&std::fs::read_to_string(&path)?));
        }
    }
    match problems.is_empty() {
        true => Ok(()),
        false => Err(format!("without an example: {}", problems.join(", ")).into()),
    }
}

/// The types of programs in a source whose documentation has no example.
fn without_example(source: &str) -> Vec<String> {
    const PROGRAM: &str = " {\n    pub(crate) data: ProgramData,\n}";
    let mut found = Vec::new();
    for (end, _) in source.match_indices(PROGRAM) {
        let Some((before, name)) = source[..end].rsplit_once("pub struct ") else {
            continue;
        };
        let documentation = before.lines().rev();
        let mut documentation = documentation.take_while(|line| line.starts_with(['/', '#']));
        if !documentation.any(|line| line.starts_with("/// ```")) {
            found.push(name.to_owned());
        }
    }
    found
}

/// The function that a line of the public API declares, if what its `bool` means cannot be seen in
/// a call. It can in that of a setter, whose name says it.
fn with_bool(line: &str) -> Option<String> {
    let (_, declared) = line.starts_with("pub").then(|| line.split_once(" fn "))??;
    // The path without its generics, then the parameters: what is in the first parentheses outside
    // of angle brackets.
    let (mut path, mut parameters) = (String::new(), String::new());
    let (mut angles, mut parentheses, mut last) = (0, 0, ' ');
    for c in declared.chars() {
        match c {
            '<' => angles += 1,
            '>' if last != '-' => angles -= 1,
            '(' if angles == 0 => parentheses += 1,
            ')' if angles == 0 => parentheses -= 1,
            _ if angles > 0 => {}
            _ if parentheses > 0 => parameters.push(c),
            _ => path.push(c),
        }
        last = c;
        if parentheses == 0 && c == ')' && angles == 0 {
            break;
        }
    }
    let parameters: Vec<&str> = parameters.split(", ").collect();
    let of_trait = path.ends_with("::from") || path.ends_with("::set");
    // A setter gives nothing, or what it has set.
    let behind = declared.split_once(") -> ").map(|(_, given)| given);
    let sets = behind.is_none_or(|given| !given.contains("Result<"));
    let setter = sets && matches!(parameters[..], ["self" | "&mut self", "bool"]);
    (parameters.contains(&"bool") && !setter && !of_trait).then_some(path)
}

/// Applies `rule` to all files.
fn report(rule: impl Fn(&File) -> Vec<Finding>) -> Result {
    let mut problems = Vec::new();
    for file in files(root())? {
        let found = rule(&file);
        problems.extend(found.iter().map(|found| format!("{}:{found}", file.path)));
    }
    match problems.is_empty() {
        true => Ok(()),
        false => Err(problems.join("\n").into()),
    }
}

/// The paths of the repository's text files, from its root.
pub fn paths() -> Result<Vec<String>> {
    let files = files(root())?.into_iter();
    Ok(files.map(|file| file.path).collect())
}

/// The text files of the repository: code, prose and tables.
fn files(root: &Path) -> Result<Vec<File>> {
    const KINDS: [&str; 7] = ["rs", "md", "toml", "tsv", "c", "h", "ll"];
    let mut found = Vec::new();
    let mut directories = vec![PathBuf::new()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(root.join(&directory))? {
            let entry = entry?;
            let path = directory.join(entry.file_name());
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type()?.is_dir() {
                // Cargo marks its target directories with this file.
                let is_built = entry.path().join("CACHEDIR.TAG").exists();
                if !is_built && !name.starts_with('.') && name != "target" {
                    directories.push(path);
                }
            } else if path
                .extension()
                .is_some_and(|kind| KINDS.iter().any(|known| kind == *known))
            {
                found.push(File {
                    path: path.to_string_lossy().into_owned(),
                    text: std::fs::read_to_string(entry.path())?,
                });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn too_long(text: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let width = line.chars().count();
        if width > WIDTH {
            found.push(Finding {
                line: number + 1,
                problem: format!("{width} columns; at most {WIDTH} are allowed"),
            });
        }
    }
    found
}

/// A file that holds more than one thing, to judge by its length.
fn too_many_lines(path: &str, text: &str) -> Option<Finding> {
    let mut parts = path.split('/');
    let is_generated = parts.any(|part| part == "generated" || part == "generated.rs");
    let lines = text.lines().count();
    (lines > LENGTH && !is_generated).then(|| Finding {
        line: lines,
        problem: format!("the file has {lines} lines; at most {LENGTH} are allowed: split it"),
    })
}

/// The words of a text in lower case, each with its line. Identifiers come apart at `_`; what
/// begins a comment line is no word.
fn words(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let is_letter = |c: char| c.is_alphabetic() || c == '\'';
        let mut word = String::new();
        for c in line.chars().chain([' ']) {
            if is_letter(c) {
                word.extend(c.to_lowercase());
                continue;
            }
            if !word.is_empty() {
                found.push((number + 1, std::mem::take(&mut word)));
            }
            // A phrase does not go on behind the end of a sentence, or a code span.
            if !c.is_whitespace() && !"_/*>\\".contains(c) {
                found.push((number + 1, c.to_string()));
            }
        }
    }
    found
}

fn stilted(text: &str) -> Vec<Finding> {
    let lower = text.to_lowercase();
    let occurs = |phrase: &str| {
        let first = phrase.split(' ').next();
        first.is_some_and(|first| lower.contains(first))
    };
    let likely: Vec<&(&str, &str)> = PHRASES
        .iter()
        .filter(|(phrase, _)| occurs(phrase))
        .collect();
    if likely.is_empty() {
        return Vec::new();
    }
    let words = words(text);
    let begins = |at: usize, phrase: &str| {
        let mut rest = words[at..].iter();
        phrase
            .split(' ')
            .all(|wanted| rest.next().is_some_and(|(_, word)| word == wanted))
    };
    let mut found = Vec::new();
    for (at, (line, _)) in words.iter().enumerate() {
        for (phrase, better) in &likely {
            if begins(at, phrase) && !FINE.iter().any(|fine| begins(at, fine)) {
                found.push(Finding {
                    line: *line,
                    problem: format!("\"{phrase}\": write \"{better}\""),
                });
            }
        }
    }
    found
}

/// The names of tests that do not say plainly what the test shows.
fn test_names(text: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut is_test = false;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if line.starts_with("#[") {
            is_test |= line.contains("test]") || line.contains("::test(");
            continue;
        }
        let declared = line.split_once("fn ").filter(|_| is_test);
        if line.starts_with("//") {
            continue;
        }
        is_test = false;
        let Some(name) = declared.and_then(|(_, rest)| rest.split('(').next()) else {
            continue;
        };
        let begins = TEST_BEGINNINGS.iter().find(|word| name.starts_with(**word));
        let begins = begins.map(|word| format!("begin with the thing, not with \"{word}\""));
        let has = TEST_PHRASES.iter().find(|(words, _)| name.contains(words));
        let has = has.map(|(words, better)| format!("\"{words}\": write \"{better}\""));
        found.extend([begins, has].into_iter().flatten().map(|problem| Finding {
            line: number + 1,
            problem: format!("the test `{name}`: {problem}"),
        }));
    }
    found
}

/// The lines that contain one of these texts.
fn matches(text: &str, unwanted: &[(&str, &str)]) -> Vec<Finding> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for (part, problem) in unwanted {
            if line.contains(part) {
                found.push(Finding {
                    line: number + 1,
                    problem: format!("`{part}`: {problem}"),
                });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(found: &[Finding]) -> Vec<usize> {
        found.iter().map(|found| found.line).collect()
    }

    #[test]
    fn finds_programs_without_an_example() {
        let program = |documentation: &str| {
            let fields = "{\n    pub(crate) data: ProgramData,\n}\n";
            format!("{documentation}#[derive(Debug)]\npub struct A {fields}")
        };
        assert_eq!(without_example(&program("/// A program.\n")), ["A"]);
        let with = program("/// A program.\n///\n/// ```no_run\n/// f();\n/// ```\n");
        assert!(without_example(&with).is_empty());
        // The example of what stands before it is not its own.
        let two = with + "\n" + &program("/// Another.\n");
        assert_eq!(without_example(&two), ["A"]);
    }

    #[test]
    fn counts_characters_and_not_bytes() {
        assert_eq!(too_long(&"≥".repeat(WIDTH)), []);
        let text = format!("a\n{}\n", "≥".repeat(WIDTH + 1));
        assert_eq!(lines(&too_long(&text)), [2]);
    }

    #[test]
    fn finds_files_that_are_too_long() {
        let text = "a\n".repeat(LENGTH);
        assert_eq!(too_many_lines("src/a.rs", &text), None);
        let text = text + "a\n";
        let found = too_many_lines("src/a.rs", &text).unwrap();
        assert_eq!(found.line, LENGTH + 1);
        assert!(found.problem.contains("801 lines"), "{}", found.problem);
        // What is generated has the length that its table has.
        for path in ["src/generated/a.rs", "src/helpers/generated.rs"] {
            assert_eq!(too_many_lines(path, &text), None, "{path}");
        }
    }

    #[test]
    fn finds_phrases_across_lines_and_in_identifiers() {
        let text = "fn f() {}\n    /// It takes so\n    /// many bytes.\n";
        assert_eq!(lines(&stilted(text)), [2]);
        assert_eq!(lines(&stilted("fn gives_so_many_bytes() {}")), [1]);
        assert_eq!(lines(&stilted("\"all, but \\\n  for this\"")), [1]);
        assert_eq!(lines(&stilted("Whoever calls it")), [1]);
    }

    #[test]
    fn leaves_other_text_alone() {
        for text in [
            "It does so. Many callers",
            "so `many`",
            "a thing that is no longer there",
            "an analysis",
            "whenever",
        ] {
            assert_eq!(stilted(text), [], "{text}");
        }
    }

    #[test]
    fn finds_parameters_whose_meaning_a_call_does_not_show() {
        for (line, found) in [
            ("pub fn a::neg(bool, u8) -> a::Insn", Some("a::neg")),
            ("pub const fn a::B<'a>::f(&self, bool)", Some("a::B::f")),
            ("pub unsafe fn a::f<T: X(u8) -> Y>(T, bool)", Some("a::f")),
            ("pub fn a::B::locked(self, bool) -> Self", None),
            (
                "pub fn a::B::pop(&mut self, bool) -> Result<u8>",
                Some("a::B::pop"),
            ),
            ("pub fn a::B::from(bool) -> Self", None),
            ("pub fn a::Flags::set(&mut self, Self, bool)", None),
            ("pub fn a::f(impl FnMut(u32) -> bool) -> u8", None),
            ("pub fn a::f(&u8) -> bool", None),
            ("pub struct a::B", None),
        ] {
            assert_eq!(with_bool(line).as_deref(), found, "{line}");
        }
    }

    #[test]
    fn finds_names_of_tests_that_do_not_name_the_thing() {
        let text = "#[test]\nfn what_is_no_map_is_refused() {}\n\
                    #[tokio::test]\n#[ignore]\nasync fn a_fault_is_told() {}\n\
                    #[test]\nfn refuses_a_path_that_is_not_a_cgroup() {}\n\
                    fn what_is_left() {}\n";
        assert_eq!(lines(&test_names(text)), [2, 2, 5]);
    }

    #[test]
    fn finds_enums_that_cannot_grow() {
        assert_eq!(exhaustive_enum("pub enum a::B<const C: u8>"), Some("a::B"));
        assert_eq!(exhaustive_enum("#[non_exhaustive] pub enum a::B"), None);
        assert_eq!(exhaustive_enum("pub fn a::b()"), None);
    }

    #[test]
    fn finds_paths_of_a_machine() {
        let text = format!("// see\n// {}main\n", PLACES[0].0);
        assert_eq!(lines(&matches(&text, PLACES)), [2]);
    }

    #[test]
    fn reads_the_files_of_the_repository() {
        let files = files(root()).unwrap();
        let has = |path: &str| files.iter().any(|file| file.path == path);
        assert!(has("xtask/src/style.rs") && has("README.md") && has("codegen/helpers.tsv"));
        assert!(!files.iter().any(|file| file.path.starts_with("target/")));
    }
}
