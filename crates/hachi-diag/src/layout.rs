//! A diagnostic as text, as compilers lay it out: the one renderer of Hachi.

use std::fmt::{self, Write};

use crate::diagnostic::{Diagnostic, Edit, Severity, Span};
use crate::printable::{is_printable, printable};

/// The parts of a text that can look different.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The word `error`, `warning` or `note` at the top, and what marks the primary span.
    Severity(Severity),
    /// The headline.
    Headline,
    /// Line numbers, the rule beside the source, and what marks secondary spans.
    Rule,
    /// The word `note`.
    Note,
    /// The word `help`.
    Help,
    /// What an edit adds.
    Added,
    /// What an edit takes away.
    Removed,
}

/// Gives roles their looks: what is written before and after.
pub(crate) trait Looks {
    /// Starts a role.
    fn start(&self, role: Role) -> &'static str;
    /// Ends it.
    fn end(&self) -> &'static str;
}

/// No colour.
pub(crate) struct Plain;

impl Looks for Plain {
    fn start(&self, _: Role) -> &'static str {
        ""
    }

    fn end(&self) -> &'static str {
        ""
    }
}

/// Source lines are cut around what is marked when they are wider than this.
const MAX_WIDTH: usize = 140;

/// Columns kept before the first mark when a line is cut.
const BEFORE_MARK: usize = 30;

/// One diagnostic about to be written.
pub(crate) struct Layout<'a> {
    diagnostic: &'a Diagnostic,
    looks: &'a dyn Looks,
    /// Digits of the greatest line number.
    gutter: usize,
}

/// A marked stretch of a source line.
#[derive(Clone, Copy)]
struct Mark<'a> {
    /// Characters before it.
    start: usize,
    /// Characters in it, at least one.
    len: usize,
    label: &'a str,
    role: Role,
    sign: char,
}

/// A source line with its marks.
struct Line<'a> {
    number: u32,
    text: &'a str,
    marks: Vec<Mark<'a>>,
}

impl<'a> Layout<'a> {
    pub(crate) fn new(diagnostic: &'a Diagnostic, looks: &'a dyn Looks) -> Self {
        let spans = diagnostic.primary.iter().chain(&diagnostic.secondary);
        let spans = spans.chain(&diagnostic.inlined);
        let notes = diagnostic
            .notes
            .iter()
            .filter_map(|note| note.span.as_ref());
        let edits = diagnostic.helps.iter().flat_map(|help| &help.edits);
        let greatest = spans
            .chain(notes)
            .chain(edits.map(|edit| &edit.span))
            .map(|span| span.line)
            .max();
        Layout {
            diagnostic,
            looks,
            gutter: greatest.map_or(1, |line| line.to_string().len()),
        }
    }

    /// Writes all lines, without a line feed at the end.
    pub(crate) fn write(&self, out: &mut dyn Write) -> fmt::Result {
        let d = self.diagnostic;
        self.styled(out, Role::Severity(d.severity), |out| {
            write!(out, "{}", d.severity)?;
            match d.code {
                Some(code) => write!(out, "[{code}]"),
                None => Ok(()),
            }
        })?;
        self.styled(out, Role::Headline, |out| {
            out.write_str(": ")?;
            // One line, whatever names are in it.
            out.write_str(&printable(&d.headline))
        })?;
        self.places(out)?;
        for note in &d.notes {
            match &note.span {
                None => self.fact(out, Role::Note, "note", &note.text)?,
                Some(span) => {
                    self.heading(out, Role::Note, "note", &note.text)?;
                    self.arrow(out, "-->", span, None)?;
                    self.snippet(out, &[(span, Role::Note, '^')])?;
                }
            }
        }
        for help in &d.helps {
            match help.edits.as_slice() {
                [] => self.fact(out, Role::Help, "help", &help.text)?,
                edits => {
                    self.heading(out, Role::Help, "help", &help.text)?;
                    self.edits(out, edits)?;
                }
            }
        }
        Ok(())
    }

    /// The primary place with all others that belong to it, and the calls by which it was inlined.
    fn places(&self, out: &mut dyn Write) -> fmt::Result {
        let d = self.diagnostic;
        let function = d.function.as_deref();
        let Some(primary) = &d.primary else {
            if let Some(function) = function {
                let pad = self.gutter;
                self.end_line(out)?;
                self.styled(out, Role::Rule, |out| write!(out, "{:pad$}-->", ""))?;
                write!(out, " in `{}`", printable(function))?;
            }
            return Ok(());
        };
        if !primary.file.is_empty() || function.is_some() {
            self.arrow(out, "-->", primary, function)?;
        }
        let same_file = d
            .secondary
            .iter()
            .filter(|span| span.file == primary.file && !span.text.trim().is_empty());
        let mut shown = false;
        if primary.text.trim().is_empty() {
            for span in same_file {
                self.arrow(out, ":::", span, span.function.as_deref())?;
                shown |= self.snippet(out, &[(span, Role::Rule, '-')])?;
            }
        } else {
            let mut spans = vec![(primary, Role::Severity(d.severity), '^')];
            spans.extend(same_file.map(|span| (span, Role::Rule, '-')));
            shown |= self.snippet(out, &spans)?;
        }
        let elsewhere = d
            .secondary
            .iter()
            .filter(|span| span.file != primary.file || span.text.trim().is_empty());
        for span in elsewhere {
            self.arrow(out, ":::", span, span.function.as_deref())?;
            if !self.snippet(out, &[(span, Role::Rule, '-')])? && !span.label.is_empty() {
                write!(out, ": {}", printable(&span.label))?;
            }
        }
        for call in &d.inlined {
            self.arrow(out, ":::", call, call.function.as_deref())?;
            let mut labelled = call.clone();
            if labelled.label.is_empty() {
                labelled.label = "inlined here".into();
            }
            if self.snippet(out, &[(&labelled, Role::Rule, '-')])? {
                shown = true;
            } else {
                write!(out, " ({})", printable(&labelled.label))?;
            }
        }
        // Sets the facts apart from the source.
        let facts = d.notes.first().map(|note| note.span.is_none());
        let facts = facts.or(d.helps.first().map(|help| help.edits.is_empty()));
        if shown && facts == Some(true) {
            self.bar(out)?;
        }
        if primary.text.trim().is_empty() && !primary.label.is_empty() {
            self.fact(out, Role::Note, "note", &primary.label)?;
        }
        Ok(())
    }

    /// ` --> src/main.rs:3:9 in `main``
    fn arrow(
        &self,
        out: &mut dyn Write,
        arrow: &str,
        span: &Span,
        function: Option<&str>,
    ) -> fmt::Result {
        self.end_line(out)?;
        let pad = self.gutter;
        self.styled(out, Role::Rule, |out| write!(out, "{:pad$}{arrow}", ""))?;
        if !span.file.is_empty() {
            write!(out, " {}", printable(&span.to_string()))?;
        }
        match function {
            Some(function) => write!(out, " in `{}`", printable(function)),
            None => Ok(()),
        }
    }

    /// The source lines of some spans of one file, marked. Says whether there was any.
    fn snippet(
        &self,
        out: &mut dyn Write,
        spans: &[(&Span, Role, char)],
    ) -> Result<bool, fmt::Error> {
        let mut lines: Vec<Line<'_>> = Vec::new();
        for (span, role, sign) in spans {
            if span.text.trim().is_empty() {
                continue;
            }
            let mark = mark(span, *role, *sign);
            let known = lines
                .iter_mut()
                .find(|line| line.number == span.line && span.line != 0);
            match known {
                Some(line) => line.marks.push(mark),
                None => lines.push(Line {
                    number: span.line,
                    text: &span.text,
                    marks: vec![mark],
                }),
            }
        }
        if lines.is_empty() {
            return Ok(false);
        }
        lines.sort_by_key(|line| line.number);
        self.bar(out)?;
        let mut before: Option<u32> = None;
        for line in &lines {
            if before.is_some_and(|number| line.number > number + 1) {
                self.end_line(out)?;
                self.styled(out, Role::Rule, |out| out.write_str("..."))?;
            }
            self.line(out, line)?;
            before = Some(line.number);
        }
        Ok(true)
    }

    fn bar(&self, out: &mut dyn Write) -> fmt::Result {
        self.end_line(out)?;
        let pad = self.gutter;
        self.styled(out, Role::Rule, |out| write!(out, "{:pad$} |", ""))
    }

    /// `   = note: …`
    fn fact(&self, out: &mut dyn Write, role: Role, word: &str, text: &str) -> fmt::Result {
        self.end_line(out)?;
        let pad = self.gutter;
        self.styled(out, Role::Rule, |out| write!(out, "{:pad$} =", ""))?;
        out.write_char(' ')?;
        self.styled(out, role, |out| out.write_str(word))?;
        out.write_str(": ")?;
        self.paragraph(out, text, pad + 5 + word.len())
    }

    /// `note: …`
    fn heading(&self, out: &mut dyn Write, role: Role, word: &str, text: &str) -> fmt::Result {
        self.end_line(out)?;
        self.styled(out, role, |out| out.write_str(word))?;
        out.write_str(": ")?;
        self.paragraph(out, text, word.len() + 2)
    }

    /// Text of one or more lines; all but the first are indented.
    fn paragraph(&self, out: &mut dyn Write, text: &str, indent: usize) -> fmt::Result {
        for (at, line) in text.trim_end().lines().enumerate() {
            if at > 0 {
                write!(out, "\n{:indent$}", "")?;
            }
            write!(out, "{}", printable(line.trim_end()))?;
        }
        Ok(())
    }

    /// What the source becomes: each line before and after.
    fn edits(&self, out: &mut dyn Write, edits: &[Edit]) -> fmt::Result {
        for edit in edits {
            let span = &edit.span;
            self.arrow(out, "-->", span, None)?;
            if span.text.trim().is_empty() || span.column == 0 || span.end_line != span.line {
                continue;
            }
            let before: String = span.text.chars().take(span.column as usize - 1).collect();
            let after: String = span
                .text
                .chars()
                .skip((span.end_column as usize).saturating_sub(1))
                .collect();
            let number = span.line.to_string();
            let pad = self.gutter;
            self.bar(out)?;
            let changed = format!("{before}{}{after}", edit.replacement);
            let removed = std::iter::once((span.text.as_str(), '-', Role::Removed));
            let added = changed.lines().map(|line| (line, '+', Role::Added));
            for (line, sign, role) in removed.chain(added) {
                self.end_line(out)?;
                self.styled(out, Role::Rule, |out| write!(out, "{number:>pad$}"))?;
                out.write_char(' ')?;
                self.styled(out, role, |out| {
                    write!(out, "{sign} {}", printable(line.trim_end()))
                })?;
            }
        }
        Ok(())
    }

    fn end_line(&self, out: &mut dyn Write) -> fmt::Result {
        out.write_char('\n')
    }

    fn styled(
        &self,
        out: &mut dyn Write,
        role: Role,
        write: impl FnOnce(&mut dyn Write) -> fmt::Result,
    ) -> fmt::Result {
        out.write_str(self.looks.start(role))?;
        write(out)?;
        out.write_str(self.looks.end())
    }

    /// A source line and, below it, its marks with their labels.
    fn line(&self, out: &mut dyn Write, line: &Line<'_>) -> fmt::Result {
        let pad = self.gutter;
        let number = match line.number {
            0 => String::new(),
            number => number.to_string(),
        };
        let view = View::of(line);
        self.end_line(out)?;
        self.styled(out, Role::Rule, |out| write!(out, "{number:>pad$} |"))?;
        write!(out, " {}", view.text)?;

        // (column, columns, mark), from left to right.
        let mut marks: Vec<(usize, usize, &Mark<'_>)> = line
            .marks
            .iter()
            .map(|mark| {
                let (at, len) = view.place(mark);
                (at, len, mark)
            })
            .collect();
        marks.sort_by_key(|(at, len, _)| (*at, *len));
        self.margin(out)?;
        let mut column = 0;
        for (at, len, mark) in &marks {
            // Of two that overlap, the first is drawn in full.
            let end = at + len;
            let at = (*at).max(column);
            if at < end {
                write!(out, "{:1$}", "", at - column)?;
                self.styled(out, mark.role, |out| {
                    (at..end).try_for_each(|_| out.write_char(mark.sign))
                })?;
                column = end;
            }
        }
        // The label of the last stands beside it, if nothing is drawn behind it; those of the
        // others hang below.
        let mut hanging: Vec<(usize, &Mark<'_>)> = marks
            .iter()
            .filter(|(.., mark)| !mark.label.is_empty())
            .map(|(at, _, mark)| (*at, *mark))
            .collect();
        if let Some((_, _, last)) = marks.last()
            && !last.label.is_empty()
        {
            hanging.pop();
            out.write_char(' ')?;
            self.styled(out, last.role, |out| {
                write!(out, "{}", printable(last.label))
            })?;
        }
        while let Some((at, mark)) = hanging.pop() {
            let still: Vec<(usize, Role)> = hanging
                .iter()
                .filter(|(other, _)| *other < at)
                .map(|(other, mark)| (*other, mark.role))
                .collect();
            self.margin(out)?;
            self.stems(out, &still, Some((at, mark.role)))?;
            self.margin(out)?;
            let reached = self.stems(out, &still, None)?;
            write!(out, "{:1$}", "", at - reached)?;
            self.styled(out, mark.role, |out| {
                write!(out, "{}", printable(mark.label))
            })?;
        }
        Ok(())
    }

    /// `   | `, on a line of its own.
    fn margin(&self, out: &mut dyn Write) -> fmt::Result {
        self.bar(out)?;
        out.write_char(' ')
    }

    /// Draws what leads from marks to labels further down; the column reached.
    fn stems(
        &self,
        out: &mut dyn Write,
        stems: &[(usize, Role)],
        last: Option<(usize, Role)>,
    ) -> Result<usize, fmt::Error> {
        let mut column = 0;
        for (at, role) in stems.iter().copied().chain(last) {
            if at < column {
                continue;
            }
            write!(out, "{:1$}", "", at - column)?;
            self.styled(out, role, |out| out.write_char('|'))?;
            column = at + 1;
        }
        Ok(column)
    }
}

/// What to mark of a span's first line: its part of it; all of the line when the column is unknown.
fn mark<'a>(span: &'a Span, role: Role, sign: char) -> Mark<'a> {
    let trimmed = span.text.trim_end();
    let count = trimmed.chars().count();
    let indent = count - trimmed.trim_start().chars().count();
    let (start, end) = match (span.column as usize).checked_sub(1) {
        None => (indent, count),
        Some(start) if span.end_line > span.line => (start, count),
        Some(start) => (start, (span.end_column as usize).saturating_sub(1)),
    };
    let start = start.min(count);
    Mark {
        start,
        len: end.min(count).saturating_sub(start).max(1),
        label: &span.label,
        role,
        sign,
    }
}

/// A source line as it is shown: cut if it is too wide, and with odd characters replaced.
struct View {
    text: String,
    /// Where each character of the source begins, in columns; one more for the end.
    columns: Vec<usize>,
}

impl View {
    fn of(line: &Line<'_>) -> View {
        let mut text = String::new();
        let mut columns = Vec::new();
        let mut column = 0;
        for c in line.text.trim_end().chars() {
            columns.push(column);
            let shown = Shown::of(c);
            column += shown.width();
            shown.push_to(&mut text);
        }
        columns.push(column);
        let view = View { text, columns };
        match column > MAX_WIDTH {
            true => view.cut(line),
            false => view,
        }
    }

    /// Keeps what is around the marks.
    fn cut(self, line: &Line<'_>) -> View {
        const DOTS: &str = "...";
        let starts = line.marks.iter().map(|mark| self.column(mark.start));
        let from = starts.min().unwrap_or(0).saturating_sub(BEFORE_MARK);
        let mut text = String::new();
        let mut columns = Vec::new();
        let mut column = 0;
        if from > 0 {
            text.push_str(DOTS);
            column = DOTS.len();
        }
        let mut dotted = false;
        for (at, c) in line.text.trim_end().chars().enumerate() {
            columns.push(column);
            if self.columns[at] < from || dotted {
                continue;
            }
            let shown = Shown::of(c);
            if column + shown.width() > MAX_WIDTH {
                text.push_str(DOTS);
                dotted = true;
                continue;
            }
            column += shown.width();
            shown.push_to(&mut text);
        }
        columns.push(column);
        View { text, columns }
    }

    fn column(&self, character: usize) -> usize {
        let last = self.columns.last().copied().unwrap_or(0);
        self.columns.get(character).copied().unwrap_or(last)
    }

    /// Where a mark begins, and how wide it is.
    fn place(&self, mark: &Mark<'_>) -> (usize, usize) {
        let start = self.column(mark.start);
        let end = self.column(mark.start + mark.len);
        (start, end.saturating_sub(start).max(1))
    }
}

/// A character as it is shown.
enum Shown {
    Itself(char),
    /// A tab would put marks elsewhere than the character they point at.
    Tab,
    /// What is not [printable](is_printable).
    Escaped(char),
}

impl Shown {
    fn of(c: char) -> Shown {
        match c {
            '\t' => Shown::Tab,
            c if !is_printable(c) => Shown::Escaped(c),
            c => Shown::Itself(c),
        }
    }

    fn width(&self) -> usize {
        match self {
            Shown::Itself(c) => width(*c),
            Shown::Tab => 4,
            Shown::Escaped(c) => printable(c.encode_utf8(&mut [0; 4])).chars().count(),
        }
    }

    fn push_to(&self, text: &mut String) {
        match self {
            Shown::Itself(c) => text.push(*c),
            Shown::Tab => text.push_str("    "),
            Shown::Escaped(c) => text.push_str(&printable(c.encode_utf8(&mut [0; 4]))),
        }
    }
}

/// Columns that a character takes on a terminal.
#[cfg(feature = "render")]
fn width(c: char) -> usize {
    unicode_width::UnicodeWidthChar::width(c).unwrap_or(0)
}

/// Columns that a character takes on a terminal, except those of East Asian scripts and such that
/// combine with the one before: feature `render` knows them.
#[cfg(not(feature = "render"))]
fn width(_: char) -> usize {
    1
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
