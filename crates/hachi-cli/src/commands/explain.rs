//! `hachi explain`: the page of a diagnostic's code.

use hachi_diag::{Code, Origin};
use serde_json::{Value, json};

use crate::failure::{Failure, Result};
use crate::output::{BOLD, DIM, Format, Output, Styled, say};

/// Explain the code of a diagnostic, such as packet-bounds
///
/// Prints what the linker or the kernel's verifier objects to, why, and an example that is rejected
/// next to its mended form. Without a code, lists all codes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi explain                       # all codes, one a line
  hachi explain map-value-bounds
  hachi explain --json packet-bounds")]
pub struct Args {
    /// The code, as it stands in brackets after `error`
    code: Option<String>,
    #[command(flatten)]
    format: Format,
}

pub fn run(args: Args, out: &mut Output) -> Result {
    let Some(name) = args.code else {
        return list(args.format, out);
    };
    let code = Code::named(&name).ok_or_else(|| unknown(&name))?;
    args.format.print(
        out,
        || {
            let mut document = entry(code);
            document["page"] = code.page().into();
            document
        },
        |out| page(code.page(), out),
    )
}

fn list(format: Format, out: &mut Output) -> Result {
    format.print(
        out,
        || json!({ "codes": Code::all().map(entry).collect::<Vec<_>>() }),
        |out| {
            let row = |code: Code| [code.name().to_owned(), code.summary().to_owned()];
            out.table(["code", "meaning"], Code::all().map(row))
        },
    )
}

fn entry(code: Code) -> Value {
    let found_by = match code.origin() {
        Origin::Linker => &["linker"][..],
        Origin::Kernel => &["kernel"],
        _ => &["linker", "kernel"],
    };
    json!({ "code": code.name(), "meaning": code.summary(), "found_by": found_by })
}

/// A page for reading: headings stand out, and code is indented rather than fenced.
fn page(markdown: &str, out: &mut Output) -> Result {
    let mut in_code = false;
    for line in markdown.lines() {
        if line.starts_with("```") {
            in_code = !in_code;
        } else if in_code && line.is_empty() {
            say!(out)?;
        } else if in_code {
            say!(out, "    ", Styled(DIM, line))?;
        } else if line.starts_with('#') {
            say!(out, Styled(BOLD, line.trim_start_matches(['#', ' '])))?;
        } else {
            say!(out, line)?;
        }
    }
    Ok(())
}

fn unknown(name: &str) -> Failure {
    let failure = Failure::usage(format!("there is no code `{name}`"));
    let near = near(name);
    match near.is_empty() {
        true => failure.help("`hachi explain` alone lists all codes"),
        false => failure.help(format!("there is {}", listed(&near))),
    }
}

/// The codes most like a name: spelled alike, or made of some of its words.
fn near(name: &str) -> Vec<&'static str> {
    /// Names less alike than this are other names.
    const ALIKE: f64 = 0.75;
    let name = name.to_ascii_lowercase().replace(['_', ' '], "-");
    let likeness = |code: &str| {
        let words = name.split('-').filter(|word| word.len() > 2);
        let shared = words.filter(|word| code.split('-').any(|other| other == *word));
        strsim::normalized_damerau_levenshtein(&name, code) + 0.5 * shared.count() as f64
    };
    let mut found: Vec<(f64, &str)> = Code::all()
        .map(|code| (likeness(code.name()), code.name()))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    found.into_iter().take(4).map(|(_, code)| code).collect()
}

/// `a`, `a or b`, `a, b or c`, each in quotes.
fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_spelled_alike_are_found() {
        assert_eq!(near("map-value-bound")[0], "map-value-bounds");
        assert_eq!(near("MapValueBounds")[0], "map-value-bounds");
        assert_eq!(near("packet_bounds")[0], "packet-bounds");
        assert_eq!(near("recusrion")[0], "recursion");
        assert!(near("bounds").contains(&"packet-bounds"));
        assert!(near("E0308").is_empty());
        assert!(near("").is_empty());
    }
}
