//! The floors: no import runs up, neither between crates nor between the files of `hachi` and of
//! `hachi-btf`.

mod crates;
mod imports;
mod rules;

use crate::packages;
use crate::shell::{Result, root};
use rules::House;
use std::collections::BTreeMap;
use std::path::Path;

/// The files of `crates/hachi/src`. docs/architecture.md says what is on each floor.
const HACHI: House = House {
    floors: &[
        (
            "ground",
            &[
                "error.rs",
                "fd.rs",
                "near.rs",
                "pattern.rs",
                "target.rs",
                "version.rs",
            ],
        ),
        ("sys", &["sys/"]),
        ("rights", &["rights/"]),
        ("features", &["features.rs", "features/"]),
        (
            "system",
            &[
                "btf.rs",
                "holders.rs",
                "ids.rs",
                "kallsyms.rs",
                "kernel_btf.rs",
                "kernel_config.rs",
                "latest.rs",
                "pin.rs",
                "program_info.rs",
                "tracefs.rs",
                "user/",
                "util.rs",
            ],
        ),
        ("maps", &["maps/"]),
        ("links", &["links/"]),
        ("load", &["load/"]),
        ("programs", &["programs/"]),
        ("loader", &["loader.rs", "log.rs", "struct_ops.rs"]),
        ("crate", &["lib.rs"]),
    ],
    pairs: &[],
};

/// The files of `crates/hachi-btf/src`.
const BTF: House = House {
    floors: &[
        (
            "types",
            &[
                "error.rs",
                "names.rs",
                "types.rs",
                "view.rs",
                "reader.rs",
                "owned.rs",
                "encode.rs",
                "strings.rs",
                "builder.rs",
                "patch.rs",
                "sanitize.rs",
            ],
        ),
        ("ext", &["ext/"]),
        ("core", &["core/"]),
        ("edit", &["edit/", "print/", "rust/"]),
        ("crate", &["lib.rs"]),
    ],
    pairs: &[
        (
            "ext/mod.rs",
            "ext/place.rs",
            "records, and where they are in the section",
        ),
        (
            "names.rs",
            "reader.rs",
            "types, and the index of their names that they carry",
        ),
        (
            "print/c/layout.rs",
            "print/c/mod.rs",
            "the printer of C, and its plan for one struct",
        ),
    ],
};

/// Checks the floors.
pub fn check() -> Result {
    let page = std::fs::read_to_string(root().join("docs/architecture.md"))?;
    let mut problems = crates::check(&crates::table(&page), &packages::read()?);
    for (crate_, house) in [("crates/hachi", &HACHI), ("crates/hachi-btf", &BTF)] {
        let mut sources = BTreeMap::new();
        read(&root().join(crate_).join("src"), "", &mut sources)?;
        let imports =
            imports::imports(&sources).map_err(|error| format!("{crate_}/src: {error}"))?;
        let inside = house.check(sources.keys(), &imports);
        problems.extend(inside.iter().map(|line| format!("{crate_}/src: {line}")));
    }
    match problems.as_slice() {
        [] => Ok(()),
        problems => Err(problems.join("\n").into()),
    }
}

/// The sources of a crate, without the files of tests.
fn read(directory: &Path, below: &str, sources: &mut BTreeMap<String, String>) -> Result {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = format!("{below}{name}");
        if path.is_dir() {
            read(&path, &format!("{name}/"), sources)?;
        } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
            sources.insert(name, std::fs::read_to_string(&path)?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The problems of a crate that is made up: its files and what they hold.
    fn problems(house: &House, files: &[(&str, &str)]) -> Vec<String> {
        let sources = files
            .iter()
            .map(|(path, text)| (path.to_string(), text.to_string()))
            .collect();
        let imports = imports::imports(&sources).unwrap();
        house.check(sources.keys(), &imports)
    }

    const TWO: House = House {
        floors: &[("low", &["low/"]), ("high", &["high.rs", "lib.rs"])],
        pairs: &[],
    };

    /// A crate of two floors. `low/mod.rs`, `low/a.rs` and `low/b.rs` have this in them.
    fn two(room: &str, a: &str, b: &str) -> Vec<String> {
        let room = format!("mod a; mod b;\n{room}");
        let files = [
            (
                "lib.rs",
                "mod low; mod high; pub use high::High as Renamed;",
            ),
            (
                "high.rs",
                "pub struct High; pub fn call() {}\n\
                 macro_rules! high { () => {} }\npub(crate) use high;",
            ),
            ("low/mod.rs", &room),
            ("low/a.rs", a),
            ("low/b.rs", b),
        ];
        problems(&TWO, &files)
    }

    fn told(line: &str, problems: &[String]) {
        assert!(
            problems.len() == 1 && problems[0].starts_with(line),
            "{line}: {problems:#?}"
        );
    }

    #[test]
    fn imports_that_run_down_or_stay_are_fine() {
        let none: [String; 0] = [];
        assert_eq!(two("pub use a::A;", "pub struct A;", "use super::A;"), none);
        assert_eq!(two("", "", "use std::io; fn f() { io::stdout(); }"), none);
    }

    #[test]
    fn modules_with_a_path_of_their_own_are_read() {
        let files = [
            ("lib.rs", "mod low; mod high;"),
            ("high.rs", "pub struct High;"),
            ("low/mod.rs", "mod a; #[path = \"b.rs\"] mod other;"),
            ("low/a.rs", ""),
            ("low/b.rs", "use crate::high::High;"),
        ];
        told(
            "low/b.rs:1: `crate::high::High` runs up",
            &problems(&TWO, &files),
        );
    }

    #[test]
    fn upward_imports_are_reported_with_file_line_and_floors() {
        assert_eq!(
            two("", "\nuse crate::high::High;", ""),
            [
                "low/a.rs:2: `crate::high::High` runs up, from floor \"low\" to high.rs on floor \
              \"high\""
            ]
        );
    }

    #[test]
    fn every_way_to_write_an_upward_path_is_seen() {
        for (text, path) in [
            ("use crate::{high::{High}};", "crate::high::High"),
            ("use super::super::high::*;", "super::super::high"),
            ("use crate::Renamed;", "crate::Renamed"),
            ("use crate::high as h;", "crate::high"),
            ("fn f() { crate::high::call() }", "crate::high::call"),
            ("fn f() { use crate::high::{self, High}; }", "crate::high"),
            ("fn f(_: &dyn Fn(crate::Renamed)) {}", "crate::Renamed"),
            (
                "impl From<super::super::high::High> for u8 {}",
                "super::super::high::High",
            ),
            (
                "macro_rules! m { () => { $crate::high::call() } }",
                "crate::high::call",
            ),
            (
                "fn f() { println!(\"{}\", crate::high::call()) }",
                "crate::high::call",
            ),
            ("fn f() { crate::high::high!() }", "crate::high::high"),
            ("pub use crate::high::High;", "crate::high::High"),
            (
                "mod inner { use super::super::super::high::High; }",
                "super::super::super::high::High",
            ),
            ("struct S<T = crate::high::High>(T);", "crate::high::High"),
            (
                "#[cfg(not(test))] use crate::high::High;",
                "crate::high::High",
            ),
        ] {
            let problems = two("", text, "");
            let line = format!("low/a.rs:1: `{path}` runs up");
            assert!(
                problems.iter().any(|problem| problem.starts_with(&line)),
                "{text}: {problems:#?}"
            );
        }
    }

    #[test]
    fn a_name_that_the_room_passes_on_leads_to_where_it_is_defined() {
        let problems = two("pub use crate::high::High;", "use super::High;", "");
        let files: Vec<_> = problems.iter().map(|line| line.split(':').next()).collect();
        assert_eq!(
            files,
            [Some("low/a.rs"), Some("low/mod.rs")],
            "{problems:#?}"
        );
        // The room's own code may use the name as well.
        let problems = two("pub use crate::high::High;\nfn f(_: High) {}", "", "");
        assert_eq!(problems.len(), 2, "{problems:#?}");
    }

    #[test]
    fn tests_documentation_and_other_crates_do_not_count() {
        let none: [String; 0] = [];
        for text in [
            "#[cfg(test)] mod tests { use crate::high::High; }",
            "#[cfg(all(test, unix))] use crate::high::High;",
            "struct S; impl S { #[cfg(test)] fn f(_: crate::high::High) {} }",
            "/// See [`High`](crate::high::High).\nstruct S;",
            "use high::High;",
            "fn f() { ::high::call() }",
            "struct S; impl S { fn f(&self) { self.high.call() } }",
        ] {
            assert_eq!(two("", text, ""), none, "{text}");
        }
    }

    #[test]
    fn circles_on_one_floor_are_reported_with_their_imports() {
        let problems = two(
            "",
            "use super::b::B;\npub struct A;",
            "use super::a::A;\npub struct B;",
        );
        told(
            "2 files import each other in a circle:\n    low/a.rs:1: `super::b::B` (low/b.rs)",
            &problems,
        );
        // Through the room.
        told(
            "2 files import each other in a circle:",
            &two(
                "pub struct C;\nfn f() { a::f() }",
                "use super::C;\npub fn f() {}",
                "",
            ),
        );
        // What a room only passes on is no circle.
        let none: [String; 0] = [];
        assert_eq!(
            two(
                "pub use a::f; pub struct C;",
                "use super::C;\npub fn f() {}",
                ""
            ),
            none
        );
    }

    #[test]
    fn a_listed_pair_is_allowed_while_it_exists() {
        const PAIR: House = House {
            floors: TWO.floors,
            pairs: &[("low/a.rs", "low/b.rs", "made up")],
        };
        let files = |b| {
            [
                ("lib.rs", "mod low; mod high;"),
                ("high.rs", ""),
                ("low/mod.rs", "mod a; mod b;"),
                ("low/a.rs", "use super::b::B;\npub struct A;"),
                ("low/b.rs", b),
            ]
        };
        let pair = files("use super::a::A;\npub struct B;");
        assert_eq!(problems(&PAIR, &pair), Vec::<String>::new());
        told(
            "low/a.rs and low/b.rs do not import each other",
            &problems(&PAIR, &files("pub struct B;")),
        );
        const ACROSS: House = House {
            floors: TWO.floors,
            pairs: &[("low/a.rs", "high.rs", "made up")],
        };
        let problems = problems(&ACROSS, &pair);
        assert!(problems[0].contains("not on one floor"), "{problems:#?}");
    }

    #[test]
    fn each_file_has_a_floor_and_each_entry_a_file() {
        let files = [
            ("lib.rs", "mod low; mod new;"),
            ("new.rs", ""),
            ("low/mod.rs", ""),
        ];
        assert_eq!(
            problems(&TWO, &files),
            [
                "new.rs is on no floor: add it to the table",
                "the table of floors has \"high.rs\" on floor \"high\", which is no file"
            ]
        );
    }

    #[test]
    fn a_file_that_no_module_names_is_an_error() {
        let sources = [("lib.rs", ""), ("stray.rs", "")];
        let sources = sources.map(|(path, text)| (path.to_owned(), text.to_owned()));
        let error = imports::imports(&sources.into()).unwrap_err().to_string();
        assert_eq!(error, "stray.rs belongs to no module");
    }

    #[test]
    fn this_repository_keeps_the_rules() {
        check().unwrap();
    }
}
