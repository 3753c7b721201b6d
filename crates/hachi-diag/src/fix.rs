//! Changes to the source that are certain to be right, found in the text of the file.
//!
//! A rejection names an instruction, and debug information its line. What has to change is often
//! another line, the declaration of a variable or of the program itself: that is looked for in the
//! source, and where exactly one place fits, it is an [`Edit`].

use crate::{Applicability, Diagnostic, Edit, Span};

/// What a help does to the source.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fix {
    /// The attribute `#[map]` for the static that the line of the rejection uses.
    MapAttribute,
    /// The attribute of a program says that it may sleep: `#[uprobe]` becomes
    /// `#[uprobe(sleepable)]`, and in C `SEC("uprobe")` becomes `SEC("uprobe.s")`.
    Sleepable {
        /// The program's function.
        function: String,
    },
}

/// Attributes of programs that may be marked as sleepable.
const SLEEPERS: &[&str] = &[
    "fentry",
    "fexit",
    "fmod_ret",
    "iter",
    "lsm",
    "uprobe",
    "uretprobe",
];

impl Diagnostic {
    /// Takes text and byte offsets of all its places from the sources, and makes edits of the helps
    /// whose [`Fix`] has one place there. `source` gives the text of a file by the name that the
    /// compiler wrote.
    pub fn find_in_sources<S: AsRef<str>>(&mut self, mut source: impl FnMut(&str) -> Option<S>) {
        for span in self.spans_mut() {
            if let Some(text) = source(&span.file) {
                span.find_in(text.as_ref());
            }
        }
        let own = self.primary.iter().chain(&self.inlined);
        let places: Vec<Span> = own.cloned().collect();
        for help in &mut self.helps {
            let Some(fix) = help.fix.as_ref().filter(|_| help.edits.is_empty()) else {
                continue;
            };
            // The innermost file that has the place.
            help.edits.extend(places.iter().find_map(|place| {
                let text = source(&place.file)?;
                fix.edit(place, text.as_ref())
            }));
        }
    }
}

impl Fix {
    /// The change to a file, if the file is what it was when the object was made.
    fn edit(&self, place: &Span, source: &str) -> Option<Edit> {
        let line = source.lines().nth(place.line.checked_sub(1)? as usize)?;
        if !place.text.is_empty() && place.text.trim() != line.trim() {
            return None;
        }
        match self {
            Fix::MapAttribute => map_attribute(line, place, source),
            Fix::Sleepable { function } => sleepable(function, place, source),
        }
    }
}

/// Replaces `len` bytes at `at` of a line, which counts from 0.
fn replace(
    place: &Span,
    source: &str,
    (line, at, len): (usize, usize, usize),
    with: String,
) -> Option<Edit> {
    let text = source.lines().nth(line)?;
    let column = |at: usize| {
        text.get(..at)
            .map(|before| before.chars().count() as u32 + 1)
    };
    let mut span = Span::new(&place.file, line as u32 + 1, column(at)?);
    span.end_column = column(at + len)?;
    span.text = text.to_owned();
    span.find_in(source);
    Some(Edit::new(span, with, Applicability::MachineApplicable))
}

fn map_attribute(used: &str, place: &Span, source: &str) -> Option<Edit> {
    // In a project that depends on the crate by this name, the attribute's path is this one.
    if !source.contains("hachi_ebpf::") {
        return None;
    }
    let mentioned = |name: &str| {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        used.split(|c| !is_word(c)).any(|word| word == name)
    };
    let lines: Vec<&str> = source.lines().collect();
    let mut found = None;
    for (number, line) in lines.iter().enumerate() {
        if !static_name(line).is_some_and(mentioned) {
            continue;
        }
        // One with attributes of its own, or a second of the name, leaves a doubt.
        if attributes(&lines, number).next().is_some() || found.replace(number).is_some() {
            return None;
        }
    }
    let number = found?;
    let line = lines[number];
    let indent = line.len() - line.trim_start().len();
    let attribute = format!("#[hachi_ebpf::macros::map]\n{}", &line[..indent]);
    replace(place, source, (number, indent, 0), attribute)
}

/// `COUNTS` of `pub static COUNTS: HashMap<u32, u64> = …`.
fn static_name(line: &str) -> Option<&str> {
    let mut rest = line.trim_start();
    if let Some(behind) = rest.strip_prefix("pub") {
        rest = match behind.strip_prefix('(') {
            Some(scope) => scope.split_once(')')?.1,
            None => behind,
        };
    }
    let (name, _) = rest.trim_start().strip_prefix("static ")?.split_once(':')?;
    Some(name.trim())
}

/// The lines of attributes right above a line, nearest first, by number.
fn attributes<'l>(lines: &'l [&str], below: usize) -> impl Iterator<Item = (usize, &'l str)> {
    let above = lines[..below].iter().enumerate().rev();
    above
        .map(|(number, line)| (number, line.trim_start()))
        .take_while(|(_, line)| line.starts_with("#[") || line.starts_with("///"))
        .filter(|(_, line)| line.starts_with("#["))
}

fn sleepable(function: &str, place: &Span, source: &str) -> Option<Edit> {
    let lines: Vec<&str> = source.lines().collect();
    let is_c = place.file.ends_with(".c");
    let head = format!("{function}(");
    let declares = |line: &str| match is_c {
        true => line.contains(&head),
        false => line.contains(&format!("fn {head}")),
    };
    let mut declared = (0..lines.len()).filter(|&number| declares(lines[number]));
    let (number, None) = (declared.next()?, declared.next()) else {
        return None;
    };
    if is_c {
        return sleepable_section(&lines, number, place, source);
    }
    let (at, attribute) = attributes(&lines, number).find(|(_, line)| {
        let name = line.trim_start_matches("#[").split(['(', ']']).next();
        let name = name.and_then(|path| path.rsplit("::").next());
        name.is_some_and(|name| SLEEPERS.contains(&name))
    })?;
    let start = lines[at].len() - attribute.len();
    let written = attribute.trim_end().strip_suffix(']')?;
    let mended = match written.strip_suffix(')') {
        None => format!("{written}(sleepable)]"),
        Some(_) if written.contains("sleepable") => return None,
        Some(arguments) if arguments.ends_with('(') => format!("{arguments}sleepable)]"),
        Some(arguments) => format!("{arguments}, sleepable)]"),
    };
    replace(place, source, (at, start, written.len() + 1), mended)
}

/// `SEC("uprobe/…")` before the function or on the line above.
fn sleepable_section(lines: &[&str], function: usize, place: &Span, source: &str) -> Option<Edit> {
    let near = function.saturating_sub(1)..=function;
    let (line, at) = near
        .rev()
        .find_map(|line| Some((line, lines[line].find("SEC(\"")? + "SEC(\"".len())))?;
    let section = lines[line][at..].split('"').next()?;
    let kind = section.split('/').next()?;
    SLEEPERS
        .contains(&kind)
        .then(|| replace(place, source, (line, at, kind.len()), format!("{kind}.s")))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Code;

    /// What becomes of a source when all edits are made.
    fn mended(fix: Fix, file: &str, line: u32, source: &str) -> Option<String> {
        let mut d = Diagnostic::error(Code::CALL_MAY_SLEEP, "e").at(Span::new(file, line, 1));
        d = d.fix("help", fix);
        d.find_in_sources(|name| (name == file).then(|| source.to_owned()));
        let edit = d.helps[0].edits.first()?;
        assert_eq!(edit.applicability, Applicability::MachineApplicable);
        let (start, end) = edit.span.bytes.unwrap();
        let mut text = source.to_owned();
        text.replace_range(start as usize..end as usize, &edit.replacement);
        Some(text)
    }

    #[test]
    fn marks_the_static_that_the_line_uses() {
        let source = "use hachi_ebpf::maps::Array;\n/// Counts.\n  pub static A: Array<u32> = \
                      x();\nstatic B: u8 = 1;\nfn f() {\n    A.get(0);\n}\n";
        let mended = mended(Fix::MapAttribute, "a.rs", 6, source).unwrap();
        assert!(
            mended.contains("/// Counts.\n  #[hachi_ebpf::macros::map]\n  pub static A: "),
            "{mended}"
        );
    }

    #[test]
    fn makes_no_edit_when_in_doubt() {
        let head = "use hachi_ebpf::maps::Array;\n";
        for (rest, line) in [
            (
                "static A: Array = x();\nstatic B: Array = x();\nf(A, B);\n",
                4,
            ),
            ("#[map]\nstatic A: Array = x();\nf(A);\n", 4),
            ("f(A);\n", 2),
            ("static A: Array = x();\nf(A);\n", 9),
        ] {
            let source = format!("{head}{rest}");
            assert_eq!(
                mended(Fix::MapAttribute, "a.rs", line, &source),
                None,
                "{rest}"
            );
        }
        let other = "use aya_ebpf::maps::Array;\nstatic A: Array = x();\nf(A);\n";
        assert_eq!(mended(Fix::MapAttribute, "a.rs", 3, other), None);
    }

    #[test]
    fn marks_the_program_as_sleepable() {
        let fix = || Fix::Sleepable {
            function: "p".to_owned(),
        };
        for (before, after) in [
            ("#[uprobe]", "#[uprobe(sleepable)]"),
            ("#[uprobe()]", "#[uprobe(sleepable)]"),
            (
                "#[macros::lsm(hook = \"x\")]",
                "#[macros::lsm(hook = \"x\", sleepable)]",
            ),
        ] {
            let source = format!("{before}\n#[inline]\nfn p(c: C) -> u32 {{\n    0\n}}\n");
            let expected = source.replace(before, after);
            assert_eq!(mended(fix(), "a.rs", 4, &source), Some(expected));
        }
        let source = "SEC(\"uprobe/x:y\")\nint p(void *c)\n{\n\treturn 0;\n}\n";
        let expected = source.replace("uprobe/", "uprobe.s/");
        assert_eq!(mended(fix(), "a.c", 4, source), Some(expected));
        for none in [
            "#[xdp]\nfn p(c: C) {}\n",
            "#[uprobe(sleepable)]\nfn p(c: C) {}\n",
            "#[uprobe]\nfn p(c: C) {}\nmod m {\n#[uprobe]\nfn p(c: C) {}\n}\n",
        ] {
            assert_eq!(mended(fix(), "a.rs", 1, none), None, "{none}");
        }
    }

    #[test]
    fn a_file_that_has_changed_is_left_alone() {
        let place = Span::new("a.rs", 2, 1).with_text("f(A);");
        let source = "use hachi_ebpf::x;\nf(B);\nstatic A: Array = x();\n";
        assert_eq!(Fix::MapAttribute.edit(&place, source), None);
    }
}
