//! Explanations of checked-in logs of real kernels, word for word.
//!
//! `NAME.log` is a verifier log, `NAME.txt` what is made of it, `NAME.lines`, if it is there, the
//! program's line information (instruction, file, line, column and text, separated by tabs), and
//! `NAME.input`, if it is there, what else is known, as lines of `key value`.
//! After a wanted change, run with `HACHI_BLESS=1` and read the difference. `live.rs` records logs
//! of assembled programs; those of Rust programs are what `hachi check --json` and
//! `hachi dis --json` say of `rejected.o` among the command's tests.

use std::fs;
use std::path::PathBuf;

use hachi_diag::{Input, Line, Need, diagnose};

#[test]
fn explanations() {
    let dir = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/logs"));
    let bless = std::env::var_os("HACHI_BLESS").is_some_and(|value| value == "1");
    let mut logs: Vec<PathBuf> = fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    logs.sort();
    assert!(
        logs.len() >= 30,
        "only {} logs in {}",
        logs.len(),
        dir.display()
    );
    let mut wrong = Vec::new();
    for path in logs {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let log = fs::read_to_string(&path).unwrap();
        let lines = fs::read_to_string(path.with_extension("lines")).unwrap_or_default();
        let lines: Vec<Line> = lines.lines().map(line).collect();
        let more = fs::read_to_string(path.with_extension("input")).unwrap_or_default();
        let more = More::parse(&more);
        let diagnostic = diagnose(&Input {
            kind: more.kind,
            errno: more.errno,
            kernel: more.kernel,
            needs: &more.needs,
            lines: &lines,
            ..Input::new(name, &log)
        });
        let text = format!("{diagnostic}\n");
        let expected = path.with_extension("txt");
        if bless {
            fs::write(&expected, &text).unwrap();
        }
        if fs::read_to_string(&expected).unwrap_or_default() != text {
            wrong.push(format!("{}:\n{text}", expected.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a `.input` file says.
struct More<'a> {
    kind: &'a str,
    errno: Option<i32>,
    kernel: Option<(u16, u16)>,
    needs: Vec<Need<'a>>,
}

impl<'a> More<'a> {
    fn parse(text: &'a str) -> More<'a> {
        let version = |text: &str| {
            let (major, minor) = text.split_once('.').expect("a version");
            (major.parse().unwrap(), minor.parse().unwrap())
        };
        let mut more = More {
            kind: "xdp",
            errno: None,
            kernel: None,
            needs: Vec::new(),
        };
        for line in text.lines() {
            match line.split_once(' ').expect("key and value") {
                ("kind", kind) => more.kind = kind,
                ("errno", number) => more.errno = Some(number.parse().unwrap()),
                ("kernel", text) => more.kernel = Some(version(text)),
                ("needs", text) => {
                    let (since, what) = text.split_once(' ').expect("version and thing");
                    more.needs.push(Need {
                        what,
                        since: version(since),
                    });
                }
                (key, _) => panic!("unknown key {key}"),
            }
        }
        more
    }
}

fn line(text: &str) -> Line<'_> {
    let mut fields = text.splitn(5, '\t');
    let mut next = || fields.next().expect("five fields");
    Line {
        insn: next().parse().unwrap(),
        file: next(),
        line: next().parse().unwrap(),
        column: next().parse().unwrap(),
        text: next(),
    }
}

/// A log can be cut anywhere (the buffer was full), and kernels change its wording.
#[test]
fn damaged_logs_are_explained_without_panic() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/logs");
    let lines = [Line {
        insn: usize::MAX,
        file: "",
        line: u32::MAX,
        column: u32::MAX,
        text: "",
    }];
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "log") {
            continue;
        }
        let log = fs::read_to_string(&path).unwrap();
        for at in (0..log.len()).step_by(41) {
            for damaged in [
                log[..at].to_string(),
                log[at..].to_string(),
                format!("{}({}", &log[..at], &log[at..]),
                format!("{}: R99999999999999999999=é{}", &log[..at], &log[at..]),
            ] {
                let diagnostic = diagnose(&Input {
                    lines: &lines,
                    ..Input::new("damaged", &damaged)
                });
                assert!(diagnostic.code.is_some());
                assert!(diagnostic.to_string().starts_with("error["));
            }
        }
    }
}
