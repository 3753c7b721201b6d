//! An explanation as text, in the style of a compiler's error.

use std::fmt;

use crate::explain::{Explanation, Location};
use crate::printable::printable;

/// The few colours used, as escape sequences; all empty without colour.
struct Palette {
    error: &'static str,
    note: &'static str,
    help: &'static str,
    rule: &'static str,
    bold: &'static str,
    reset: &'static str,
}

const PLAIN: Palette = Palette {
    error: "",
    note: "",
    help: "",
    rule: "",
    bold: "",
    reset: "",
};

const COLOURED: Palette = Palette {
    error: "\x1b[1;31m",
    note: "\x1b[1;32m",
    help: "\x1b[1;36m",
    rule: "\x1b[1;34m",
    bold: "\x1b[1m",
    reset: "\x1b[0m",
};

impl Explanation {
    /// The explanation as text of several lines, ending in a line feed. What it quotes (names,
    /// source, the kernel's words) is [printable].
    pub fn render(&self, colour: bool) -> String {
        let palette = if colour { &COLOURED } else { &PLAIN };
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut out, palette);
        out
    }

    fn write(&self, out: &mut impl fmt::Write, p: &Palette) -> fmt::Result {
        let Palette { bold, reset, .. } = p;
        writeln!(
            out,
            "{}error[{}]{reset}{bold}: program `{}`: {}{reset}",
            p.error,
            self.rule,
            printable(&self.program),
            printable(&self.title)
        )?;
        let width = self.gutter();
        let bar = format!("{:width$} {}|{reset}", "", p.rule);
        if let Some(location) = &self.location {
            snippet(out, location, p, width)?;
            writeln!(out, "{bar}")?;
        }
        let mut fact = |label: &str, text: &str| -> fmt::Result {
            writeln!(
                out,
                "{:width$} {}={reset} {bold}{label}{reset}: {}",
                "",
                p.rule,
                printable(text)
            )
        };
        if let Some(inlined) = &self.inlined {
            fact("inside", &format!("{} (inlined above)", place(inlined)))?;
        }
        if let (Some(insn), Some(text)) = (self.insn, &self.insn_text) {
            fact("instruction", &format!("{insn}: {text}"))?;
        }
        if let Some(known) = &self.known {
            fact("known", known)?;
        }
        if !self.why.is_empty() {
            fact("because", &self.why)?;
        }
        for message in &self.kernel {
            fact("kernel", message)?;
        }
        for note in &self.notes {
            match (&note.location, note.insn) {
                (Some(location), _) => {
                    writeln!(out, "{}note{reset}: {}", p.note, printable(&note.text))?;
                    snippet(out, location, p, width)?;
                }
                (None, Some(insn)) => {
                    writeln!(
                        out,
                        "{}note{reset}: {} (instruction {insn})",
                        p.note,
                        printable(&note.text)
                    )?;
                }
                (None, None) => {
                    writeln!(out, "{}note{reset}: {}", p.note, printable(&note.text))?;
                }
            }
        }
        for help in &self.help {
            writeln!(out, "{}help{reset}: {}", p.help, printable(help))?;
        }
        Ok(())
    }

    /// Width of the widest line number.
    fn gutter(&self) -> usize {
        let notes = self.notes.iter().filter_map(|note| note.location.as_ref());
        self.location
            .iter()
            .chain(notes)
            .map(|location| location.line.to_string().len())
            .max()
            .unwrap_or(1)
    }
}

/// `src/main.rs:13:9`, leaving out what is not known.
fn place(location: &Location) -> String {
    match (location.line, location.column) {
        (0, _) => location.file.clone(),
        (line, 0) => format!("{}:{line}", location.file),
        (line, column) => format!("{}:{line}:{column}", location.file),
    }
}

fn snippet(
    out: &mut impl fmt::Write,
    location: &Location,
    p: &Palette,
    width: usize,
) -> fmt::Result {
    let Palette {
        rule, error, reset, ..
    } = p;
    if !location.file.is_empty() {
        let place = place(location);
        writeln!(out, "{:width$}{rule}-->{reset} {}", "", printable(&place))?;
    }
    if location.text.trim().is_empty() {
        return Ok(());
    }
    let number = match location.line {
        0 => String::new(),
        line => line.to_string(),
    };
    // Tabs would put the caret elsewhere than the character it points at.
    let text = location.text.replace('\t', "    ");
    let text = printable(text.trim_end());
    writeln!(out, "{:width$} {rule}|{reset}", "")?;
    writeln!(out, "{rule}{number:>width$} |{reset} {text}")?;
    if location.column > 0 {
        let before: usize = location
            .text
            .chars()
            .take(location.column as usize - 1)
            .map(|c| if c == '\t' { 4 } else { 1 })
            .sum();
        if before < text.chars().count() {
            writeln!(
                out,
                "{:width$} {rule}|{reset} {:before$}{error}^{reset}",
                "", ""
            )?;
        }
    }
    Ok(())
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}
