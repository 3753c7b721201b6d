//! `codegen/system.tsv`: numbers of the kernel's interfaces that only the loader needs.

use super::Row;
use std::fmt::Write as _;

/// A constant for each row.
pub fn generate(rows: &[Row]) -> Result<String, String> {
    let mut out = String::from(
        "//! Numbers that only the loader needs, under C's own names.\n\
         #![allow(dead_code, reason = \"what uses some of them is behind a feature\")]\n\n\
         use libc::{c_int, c_ulong};\n",
    );
    let mut header = "";
    for row in rows {
        let (of, kind) = (row.field(0)?, row.field(1)?);
        if of != header {
            header = of;
            let _ = writeln!(out, "\n// `{of}`.");
        }
        let (name, value) = (row.field(2)?, row.field(3)?);
        let _ = writeln!(out, "pub(crate) const {name}: {kind} = {value};");
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::super::{parse, read};
    use std::collections::BTreeSet;
    use std::fmt::Write as _;
    use std::io::Write as _;
    use std::path::Path;
    use std::process::{Command, Stdio};

    /// A C program that compiles if these rows have the values of the machine's headers.
    fn comparisons(rows: &[super::Row]) -> String {
        let headers: BTreeSet<&str> = rows.iter().map(|row| row.fields[0]).collect();
        let mut text = String::new();
        for header in headers {
            let _ = writeln!(text, "#include <{header}>");
        }
        for row in rows {
            let [_, kind, name, value] = row.fields[..] else {
                panic!("{}: four columns", row.place);
            };
            let kind = match kind {
                "u8" => "unsigned char",
                "u16" => "unsigned short",
                "u32" => "unsigned int",
                "u64" => "unsigned long long",
                "c_int" => "int",
                "c_ulong" => "unsigned long",
                other => panic!("{}: no type {other}", row.place),
            };
            let _ = writeln!(
                text,
                "_Static_assert(({kind})({name}) == ({kind})({value}), \"{name}\");"
            );
        }
        text
    }

    #[test]
    fn numbers_are_those_of_the_headers() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let source = read(&root.join("codegen/system.tsv")).unwrap();
        let mut rows = parse("codegen/system.tsv", &source).unwrap();
        let header = |name: &str| read(&Path::new("/usr/include").join(name));
        if header("linux/bpf.h").is_err() || Command::new("cc").arg("-v").output().is_err() {
            eprintln!("skipped: no C compiler, or no headers of the kernel");
            return;
        }
        // Headers older than a number do not have it. (Those of the C library include others.)
        let all = rows.len();
        rows.retain(|row| {
            let [of, _, name, _] = row.fields[..] else {
                panic!("{}: four columns", row.place);
            };
            !of.starts_with("linux/") || header(of).unwrap().contains(name)
        });
        assert!(rows.len() > all * 9 / 10, "only {} of {all}", rows.len());
        let compile = |text: &str| {
            let mut cc = Command::new("cc")
                .args(["-fsyntax-only", "-std=gnu11", "-x", "c", "-"])
                .stdin(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let mut input = cc.stdin.take().unwrap();
            input.write_all(text.as_bytes()).unwrap();
            drop(input);
            cc.wait_with_output().unwrap()
        };
        let output = compile(&comparisons(&rows));
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words}");
        // A wrong number is noticed.
        let wrong = parse("a", "linux/perf_event.h\tu32\tPERF_RECORD_LOST\t3").unwrap();
        assert!(!compile(&comparisons(&wrong)).status.success());
    }
}
