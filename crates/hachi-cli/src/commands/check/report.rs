//! Verdicts of several kernels: as a table, for pull requests, and against earlier ones.

use std::collections::BTreeMap;
use std::path::Path;

use hachi_diag::printable;
use serde_json::{Value, json};

use super::kernels::Answer;
use crate::failure::{Failure, Result};
use crate::output::{self, BAD, GOOD, Output, Styled, WARN, dim, note, say};

/// How verdicts are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// A table, and explanations
    Text,
    /// Annotations of GitHub Actions
    Github,
    /// A table for a pull request
    Markdown,
}

/// One program on one kernel.
struct Cell<'a> {
    object: &'a str,
    kernel: &'a str,
    program: &'a Value,
}

impl Cell<'_> {
    fn name(&self) -> &str {
        self.program["name"].as_str().unwrap_or("?")
    }

    fn verdict(&self) -> &str {
        self.program["verdict"].as_str().unwrap_or("?")
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.program["stats"][name].as_u64()
    }

    fn insns(&self) -> Option<u64> {
        self.number("insns")
            .or_else(|| self.program["verified_insns"].as_u64())
    }

    /// The verdict with what a newer kernel would have.
    fn words(&self) -> String {
        let needs = self.program["needs"].as_array();
        match needs.and_then(|needs| needs.first()) {
            Some(need) if self.verdict() == "needs newer" => format!(
                "needs Linux ≥ {} ({})",
                need["since"].as_str().unwrap_or("?"),
                need["what"].as_str().unwrap_or("?")
            ),
            _ => self.verdict().to_owned(),
        }
    }

    fn figures(&self) -> [String; 4] {
        let shown = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), output::grouped);
        [
            shown(self.insns()),
            shown(self.number("peak_states")),
            shown(self.number("stack_bytes")),
            self.number("micros").map_or_else(
                || "-".to_owned(),
                |micros| format!("{:.1} ms", micros as f64 / 1e3),
            ),
        ]
    }
}

fn cells(answers: &[Answer]) -> Vec<Cell<'_>> {
    let mut cells = Vec::new();
    for answer in answers {
        for object in &answer.objects {
            for program in object["programs"].as_array().into_iter().flatten() {
                cells.push(Cell {
                    object: object["path"].as_str().unwrap_or_default(),
                    kernel: &answer.version,
                    program,
                });
            }
        }
    }
    // Programs in the order of their object, and of each the kernels in the order asked for.
    let order: Vec<(&str, String)> = cells
        .iter()
        .map(|cell| (cell.object, cell.name().to_owned()))
        .collect();
    cells.sort_by_key(|cell| {
        order
            .iter()
            .position(|(object, name)| *object == cell.object && name == cell.name())
    });
    cells
}

/// Whether all programs are accepted by all kernels.
pub fn all_accepted(answers: &[Answer]) -> bool {
    answers.iter().all(|answer| answer.problem.is_none())
        && cells(answers)
            .iter()
            .all(|cell| cell.verdict() == "accepted")
}

/// Whether a kernel refused a program, or could not be asked; what needs a newer one is no refusal.
pub fn any_refused(answers: &[Answer]) -> bool {
    answers.iter().any(|answer| answer.problem.is_some())
        || cells(answers)
            .iter()
            .any(|cell| cell.verdict() == "rejected")
}

pub fn json(answers: &[Answer]) -> Value {
    answers
        .iter()
        .map(|answer| {
            json!({
                "kernel": answer.version,
                "release": answer.release,
                "seconds": answer.time.as_secs_f64(),
                "problem": answer.problem,
                "objects": answer.objects,
            })
        })
        .collect()
}

pub fn print(answers: &[Answer], form: Form, changes: &[String], out: &mut Output) -> Result {
    match form {
        Form::Text => text(answers, out)?,
        Form::Github => github(answers, changes, out)?,
        Form::Markdown => markdown(answers, changes, out)?,
    }
    if form == Form::Text {
        for change in changes {
            note!(out, Styled(BAD, "worse"), ": ", change)?;
        }
    }
    Ok(())
}

fn text(answers: &[Answer], out: &mut Output) -> Result {
    let cells = cells(answers);
    let several = answers
        .first()
        .is_some_and(|answer| answer.objects.len() > 1);
    let rows = cells.iter().map(|cell| {
        let name = match several {
            true => format!("{}: {}", cell.object, cell.name()),
            false => cell.name().to_owned(),
        };
        let [insns, states, stack, time] = cell.figures();
        [
            name,
            cell.kernel.to_owned(),
            cell.words(),
            insns,
            states,
            stack,
            time,
        ]
    });
    out.table(
        [
            "program",
            "kernel",
            "verdict",
            "insns",
            "peak states",
            "stack",
            "time",
        ],
        rows,
    )?;
    for answer in answers {
        let (style, words) = match &answer.problem {
            None => (GOOD, format!("{} s", answer.time.as_secs())),
            Some(problem) => (WARN, problem.clone()),
        };
        let mut lines = words.lines();
        let release = dim(format!("({})", answer.release));
        let first = lines.next().unwrap_or_default();
        say!(
            out,
            Styled(style, &answer.version),
            " ",
            release,
            " ",
            first
        )?;
        for line in lines {
            note!(out, "  ", line)?;
        }
    }
    for (explanation, kernels) in explanations(&cells) {
        note!(out)?;
        note!(out, dim(format!("on {}:", kernels.join(", "))))?;
        out.note_document(&explanation)?;
    }
    Ok(())
}

/// Each explanation once, with the kernels that gave it.
fn explanations<'a>(cells: &[Cell<'a>]) -> Vec<(String, Vec<&'a str>)> {
    let mut found: Vec<(String, Vec<&str>)> = Vec::new();
    for cell in cells {
        for diagnostic in cell.program["diagnostics"].as_array().into_iter().flatten() {
            let rendered = diagnostic["rendered"].as_str().unwrap_or_default();
            match found.iter_mut().find(|(text, _)| text == rendered) {
                Some((_, kernels)) => kernels.push(cell.kernel),
                None => found.push((rendered.to_owned(), vec![cell.kernel])),
            }
        }
        if let (Some(error), "not judged") = (cell.program["error"].as_str(), cell.verdict()) {
            found.push((format!("{}: {error}\n", cell.name()), vec![cell.kernel]));
        }
    }
    found
}

/// A message of a workflow command, in which lines and percents have escapes.
fn escaped(text: &str, is_property: bool) -> String {
    let text = printable(text).replace('%', "%25");
    match is_property {
        true => text.replace(':', "%3A").replace(',', "%2C"),
        false => text,
    }
}

fn github(answers: &[Answer], changes: &[String], out: &mut Output) -> Result {
    let mut told: Vec<(String, Vec<&str>)> = Vec::new();
    for cell in cells(answers) {
        let problem = |text: &str| {
            let title = escaped(&format!("{} on Linux {}", cell.name(), cell.kernel), true);
            format!("::error title={title}::{}", escaped(text, false))
        };
        match cell.verdict() {
            "accepted" => {}
            "needs newer" => {
                let title = escaped(&format!("{} on Linux {}", cell.name(), cell.kernel), true);
                let line = format!("::warning title={title}::{}", escaped(&cell.words(), false));
                told.push((line, Vec::new()));
            }
            _ => {
                let diagnostics = cell.program["diagnostics"].as_array();
                for diagnostic in diagnostics.into_iter().flatten() {
                    let span = &diagnostic["spans"][0];
                    let place = match span["file_name"].as_str() {
                        Some(file) => format!(
                            "file={},line={},col={},",
                            escaped(file, true),
                            span["line_start"],
                            span["column_start"]
                        ),
                        None => String::new(),
                    };
                    let message = diagnostic["message"].as_str().unwrap_or_default();
                    let title = escaped(&format!("{} is rejected", cell.name()), true);
                    let line = format!("::error {place}title={title}::{}", escaped(message, false));
                    match told.iter_mut().find(|(other, _)| *other == line) {
                        Some((_, kernels)) => kernels.push(cell.kernel),
                        None => told.push((line, vec![cell.kernel])),
                    }
                }
                if let Some(error) = cell.program["error"].as_str() {
                    told.push((problem(error), Vec::new()));
                }
            }
        }
    }
    for answer in answers {
        if let Some(what) = &answer.problem {
            let title = escaped(&format!("Linux {}", answer.version), true);
            told.push((
                format!("::error title={title}::{}", escaped(what, false)),
                Vec::new(),
            ));
        }
    }
    for change in changes {
        told.push((
            format!("::error title=worse::{}", escaped(change, false)),
            Vec::new(),
        ));
    }
    for (line, kernels) in told {
        match kernels.is_empty() {
            true => say!(out, line)?,
            false => say!(out, line, format_args!(" (Linux {})", kernels.join(", ")))?,
        }
    }
    Ok(())
}

fn markdown(answers: &[Answer], changes: &[String], out: &mut Output) -> Result {
    let cell_text = |text: &str| printable(text).replace('|', "\\|");
    say!(
        out,
        "| program | kernel | verdict | instructions | peak states | stack | time |"
    )?;
    say!(out, "| --- | --- | --- | ---: | ---: | ---: | ---: |")?;
    let cells = cells(answers);
    for cell in &cells {
        let mark = match cell.verdict() {
            "accepted" => "✅",
            "needs newer" => "⚠️",
            _ => "❌",
        };
        let [insns, states, stack, time] = cell.figures();
        let (name, words) = (cell_text(cell.name()), cell_text(&cell.words()));
        let kernel = cell_text(cell.kernel);
        say!(
            out,
            format_args!(
                "| `{name}` | {kernel} | {mark} {words} | {insns} | {states} | {stack} | {time} |"
            )
        )?;
    }
    for answer in answers {
        if let Some(problem) = &answer.problem {
            say!(
                out,
                "\n**Linux ",
                &answer.version,
                "**: ",
                problem.replace('\n', " ")
            )?;
        }
    }
    for change in changes {
        say!(out)?;
        say!(out, "**Worse**: ", change)?;
    }
    for (explanation, kernels) in explanations(&cells) {
        say!(out)?;
        say!(out, format_args!("On Linux {}:", kernels.join(", ")))?;
        say!(out)?;
        // A fence that the text cannot end.
        let longest = explanation
            .split(|c| c != '`')
            .map(str::len)
            .max()
            .unwrap_or(0);
        let fence = "`".repeat(longest.max(2) + 1);
        say!(out, &fence)?;
        out.document(&explanation)?;
        say!(out, &fence)?;
    }
    Ok(())
}

/// What is kept of verdicts to compare with later.
fn kept(answers: &[Answer]) -> BTreeMap<String, Value> {
    cells(answers)
        .iter()
        .map(|cell| {
            let file = Path::new(cell.object).file_name().unwrap_or_default();
            let key = format!("{}:{}@{}", file.to_string_lossy(), cell.name(), cell.kernel);
            (
                key,
                json!({ "verdict": cell.verdict(), "insns": cell.insns() }),
            )
        })
        .collect()
}

/// Writes a file that `--baseline` reads.
pub fn save(answers: &[Answer], path: &Path) -> Result {
    let document = json!({ "version": 1, "verdicts": kept(answers) });
    output::write_file(path, format!("{document:#}\n").as_bytes())
}

/// What is worse than in a file that `--save` wrote.
pub fn compare(answers: &[Answer], path: &Path, percent: f64) -> Result<Vec<String>> {
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Failure::because(format_args!("reading baseline {}", path.display()), error)
    };
    let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
    let document: Value = serde_json::from_str(&text).map_err(|error| failed(&error))?;
    let (1, Some(before)) = (
        document["version"].as_u64().unwrap_or(0),
        document["verdicts"].as_object(),
    ) else {
        return Err(Failure::new(format_args!(
            "{} is no baseline of this version of Hachi",
            path.display()
        ))
        .help("`hachi check --save FILE` writes one"));
    };
    let mut worse = Vec::new();
    for (key, now) in kept(answers) {
        let Some(old) = before.get(&key) else {
            continue;
        };
        let verdict = now["verdict"].as_str().unwrap_or("?");
        if old["verdict"] == "accepted" && verdict != "accepted" {
            worse.push(format!("{key}: it was accepted, and is {verdict} now"));
        }
        if let (Some(old), Some(now)) = (old["insns"].as_u64(), now["insns"].as_u64())
            && now as f64 > old as f64 * (1.0 + percent / 100.0)
        {
            let (old, now) = (output::grouped(old), output::grouped(now));
            worse.push(format!(
                "{key}: {now} instructions are verified, and it were {old}: more than {percent} % \
                 growth"
            ));
        }
    }
    Ok(worse)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(version: &str, verdict: &str, insns: u64) -> Answer {
        Answer {
            version: version.to_owned(),
            release: format!("{version}.1"),
            time: std::time::Duration::from_secs(2),
            problem: None,
            objects: vec![json!({
                "path": "dir/a.o",
                "programs": [{
                    "name": "first",
                    "verdict": verdict,
                    "stats": { "insns": insns, "peak_states": 3, "stack_bytes": 16, "micros": 99 },
                    "needs": [],
                    "diagnostics": [],
                }],
            })],
        }
    }

    #[test]
    fn reports_only_what_became_worse() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("baseline.json");
        save(
            &[
                answer("6.1", "accepted", 100),
                answer("5.10", "rejected", 0),
            ],
            &file,
        )
        .unwrap();
        let worse = |answers: &[Answer], percent| compare(answers, &file, percent).unwrap();
        assert!(worse(&[answer("6.1", "accepted", 100)], 0.0).is_empty());
        assert!(worse(&[answer("6.1", "accepted", 110)], 10.0).is_empty());
        assert_eq!(worse(&[answer("6.1", "accepted", 111)], 10.0).len(), 1);
        let refused = worse(&[answer("6.1", "rejected", 100)], 10.0);
        assert_eq!(
            refused,
            ["a.o:first@6.1: it was accepted, and is rejected now"]
        );
        // What was refused before, and kernels that were not asked, are no news.
        assert!(worse(&[answer("5.10", "rejected", 0)], 0.0).is_empty());
        assert!(worse(&[answer("6.12", "rejected", 9)], 0.0).is_empty());
        std::fs::write(&file, "{}").unwrap();
        assert!(compare(&[], &file, 0.0).is_err());
    }

    #[test]
    fn verdicts_of_all_kernels_count() {
        let good = || answer("6.1", "accepted", 1);
        assert!(all_accepted(&[good(), good()]));
        assert!(!all_accepted(&[good(), answer("5.10", "needs newer", 0)]));
        assert!(!any_refused(&[good(), answer("5.10", "needs newer", 0)]));
        assert!(any_refused(&[good(), answer("5.10", "rejected", 0)]));
        let silent = Answer {
            problem: Some("it did not boot".to_owned()),
            objects: Vec::new(),
            ..good()
        };
        assert!(any_refused(&[silent]));
    }

    #[test]
    fn annotations_end_where_they_should() {
        assert_eq!(escaped("100 %: a,b\n", true), "100 %25%3A a%2Cb\\n");
        assert_eq!(escaped("100 %: a,b", false), "100 %25: a,b");
    }
}
