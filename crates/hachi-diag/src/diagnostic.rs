//! One finding about a program, as data.

use std::fmt;

use crate::layout::{Layout, Plain};
use crate::{Code, Fix};

/// How bad a [`Diagnostic`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Severity {
    /// The program cannot be used.
    Error,
    /// The program can be used, but may not do what its author expects.
    Warning,
    /// Background to another diagnostic.
    Note,
}

impl Severity {
    /// As rustc spells it: `error`, `warning`, `note`.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A stretch of a source file.
///
/// Debug information gives only the start of an expression. Where the text of the line is known,
/// the end is that of the word at the start.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Span {
    /// File name, as the compiler wrote it.
    pub file: String,
    /// First line, from 1; 0 when only the file is known.
    pub line: u32,
    /// First column, in characters from 1; 0 when unknown.
    pub column: u32,
    /// Last line.
    pub end_line: u32,
    /// Column behind the last character; 0 when `column` is.
    pub end_column: u32,
    /// The same in bytes of the file, from its start; known after [`find_in`](Span::find_in).
    pub bytes: Option<(u32, u32)>,
    /// The text of the first line, with its indentation; empty when unknown.
    pub text: String,
    /// The function that holds it, as its author named it.
    pub function: Option<String>,
    /// What there is to say about it; may be empty.
    pub label: String,
}

impl Span {
    /// One place in a file. `line` and `column` count from 1; 0 stands for "unknown".
    pub fn new(file: impl Into<String>, line: u32, column: u32) -> Self {
        Span {
            file: file.into(),
            line,
            column,
            end_line: line,
            end_column: match column {
                0 => 0,
                column => column.saturating_add(1),
            },
            bytes: None,
            text: String::new(),
            function: None,
            label: String::new(),
        }
    }

    /// Adds the text of the line, and ends the span where the word at its start ends.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<String>) -> Self {
        self.text = text.into();
        if self.column > 0 && self.end_line == self.line {
            let word = word_at(&self.text, self.column as usize - 1);
            self.end_column = self.column.saturating_add(word.max(1) as u32);
        }
        self
    }

    /// Takes text and byte offsets from the whole text of the file, unless the text that is known
    /// already is another one: then the file has changed.
    pub fn find_in(&mut self, source: &str) {
        let mut start = 0;
        let mut found = None;
        for (number, line) in (1..).zip(source.split_inclusive('\n')) {
            if number == self.line {
                found = Some((start, line.trim_end_matches(['\n', '\r'])));
                break;
            }
            start += line.len();
        }
        let Some((start, line)) = found else { return };
        if self.text.is_empty() {
            *self = std::mem::replace(self, Span::new("", 0, 0)).with_text(line);
        }
        if self.text != line || self.column == 0 || self.end_line != self.line {
            return;
        }
        let offset = |column: u32| {
            let before = line.chars().take(column as usize - 1);
            u32::try_from(start + before.map(char::len_utf8).sum::<usize>()).ok()
        };
        self.bytes = offset(self.column).zip(offset(self.end_column));
    }

    /// Ends the span before this column of its last line.
    #[must_use]
    pub fn until(mut self, end_line: u32, end_column: u32) -> Self {
        if (end_line, end_column) > (self.line, self.column) {
            (self.end_line, self.end_column) = (end_line, end_column);
        }
        self
    }

    /// Names the function that holds it.
    #[must_use]
    pub fn in_function(mut self, function: impl Into<String>) -> Self {
        self.function = Some(function.into());
        self
    }

    /// Says something about it.
    #[must_use]
    pub fn labelled(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Whether the other one is on the same line of the same file.
    pub fn shares_line_with(&self, other: &Span) -> bool {
        self.line != 0 && self.line == other.line && self.file == other.file
    }
}

/// `src/main.rs:13:9`, leaving out what is not known.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line != 0 {
            write!(f, ":{}", self.line)?;
            if self.column != 0 {
                write!(f, ":{}", self.column)?;
            }
        }
        Ok(())
    }
}

/// How many characters the name that starts at character `start` has; 0 when there is none.
fn word_at(text: &str, start: usize) -> usize {
    text.chars()
        .skip(start)
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .count()
}

/// A further fact.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Note {
    /// The fact, without a full stop.
    pub text: String,
    /// The place it is about.
    pub span: Option<Span>,
}

/// How sure it is that an [`Edit`] is right, in rustc's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Applicability {
    /// It is right, and a tool may apply it unasked.
    MachineApplicable,
    /// It is probably right; a person should look at it.
    MaybeIncorrect,
    /// It holds places that a person must fill in.
    HasPlaceholders,
}

impl Applicability {
    /// As rustc's JSON spells it.
    pub fn name(self) -> &'static str {
        match self {
            Applicability::MachineApplicable => "MachineApplicable",
            Applicability::MaybeIncorrect => "MaybeIncorrect",
            Applicability::HasPlaceholders => "HasPlaceholders",
        }
    }
}

/// A change to the source.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Edit {
    /// What is replaced. A span that ends where it starts is an insertion.
    pub span: Span,
    /// By what.
    pub replacement: String,
    /// How sure that is.
    pub applicability: Applicability,
}

impl Edit {
    /// Puts `replacement` in the place of `span`.
    pub fn new(span: Span, replacement: impl Into<String>, applicability: Applicability) -> Self {
        Edit {
            span,
            replacement: replacement.into(),
            applicability,
        }
    }
}

/// What to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Help {
    /// The advice, without a full stop.
    pub text: String,
    /// The same as changes to the source, where it can be said that precisely.
    pub edits: Vec<Edit>,
    /// What the edits do, where the source tells their places
    /// ([`find_in_sources`](Diagnostic::find_in_sources)).
    pub fix: Option<Fix>,
}

/// One finding about a program: by the linker, before there is an object, or by the kernel's
/// verifier.
///
/// `Display` lays it out as a compiler does, without colour:
///
/// ```text
/// error[floating-point]: floating-point arithmetic, which eBPF does not have
///   --> src/main.rs:12:9 in `firewall::ratio`
///    |
/// 12 |     let share = part / whole;
///    |         ^^^^^
///    |
/// note: inlined into `firewall::try_firewall`
///   --> src/main.rs:31:5
///    = help: use integers, for example parts per thousand
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Its stable name.
    pub code: Option<Code>,
    /// What is wrong, in one sentence without a full stop.
    pub headline: String,
    /// The function concerned. That of the primary span, where there is one.
    pub function: Option<String>,
    /// Where the offending code is written.
    pub primary: Option<Span>,
    /// Further places, each with a label.
    pub secondary: Vec<Span>,
    /// The calls by which the code was inlined into others, innermost first. Each span is the
    /// place of a call, and its function the one that makes the call.
    pub inlined: Vec<Span>,
    /// Further facts.
    pub notes: Vec<Note>,
    /// What to do about it, most likely first.
    pub helps: Vec<Help>,
}

impl Diagnostic {
    /// An error with nothing but a headline.
    pub fn error(code: Code, headline: impl Into<String>) -> Self {
        Diagnostic {
            code: Some(code),
            ..Self::new(Severity::Error, headline)
        }
    }

    /// A warning with nothing but a headline.
    pub fn warning(code: Code, headline: impl Into<String>) -> Self {
        Diagnostic {
            code: Some(code),
            ..Self::new(Severity::Warning, headline)
        }
    }

    /// Something that needs no explanation beyond its headline, and so has no code.
    pub fn new(severity: Severity, headline: impl Into<String>) -> Self {
        Diagnostic {
            severity,
            code: None,
            headline: headline.into(),
            function: None,
            primary: None,
            secondary: Vec::new(),
            inlined: Vec::new(),
            notes: Vec::new(),
            helps: Vec::new(),
        }
    }

    /// Names the function concerned.
    #[must_use]
    pub fn in_function(mut self, function: impl Into<String>) -> Self {
        self.function = Some(function.into());
        self
    }

    /// Says where the offending code is written. A function that the span names is the one
    /// concerned.
    #[must_use]
    pub fn at(mut self, mut span: Span) -> Self {
        if let Some(function) = span.function.take() {
            self.function = Some(function);
        }
        self.primary = Some(span);
        self
    }

    /// Adds a further place. Without a primary one, it becomes that.
    #[must_use]
    pub fn with(mut self, span: Span) -> Self {
        match self.primary {
            None => self.at(span),
            Some(_) => {
                self.secondary.push(span);
                self
            }
        }
    }

    /// Adds the call by which the code so far was inlined: its place, and the function that makes
    /// it.
    #[must_use]
    pub fn inlined_at(mut self, call: Span) -> Self {
        self.inlined.push(call);
        self
    }

    /// Adds a further fact.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(Note {
            text: text.into(),
            span: None,
        });
        self
    }

    /// Adds a further fact about a place.
    #[must_use]
    pub fn note_at(mut self, text: impl Into<String>, span: Span) -> Self {
        self.notes.push(Note {
            text: text.into(),
            span: Some(span),
        });
        self
    }

    /// Says what to do about it.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.helps.push(Help {
            text: text.into(),
            edits: Vec::new(),
            fix: None,
        });
        self
    }

    /// Says what to do about it, as changes to the source.
    #[must_use]
    pub fn suggest(
        mut self,
        text: impl Into<String>,
        edits: impl IntoIterator<Item = Edit>,
    ) -> Self {
        self.helps.push(Help {
            text: text.into(),
            edits: edits.into_iter().collect(),
            fix: None,
        });
        self
    }

    /// Says what to do about it, as a change whose place the source tells.
    #[must_use]
    pub fn fix(mut self, text: impl Into<String>, fix: Fix) -> Self {
        self.helps.push(Help {
            text: text.into(),
            edits: Vec::new(),
            fix: Some(fix),
        });
        self
    }

    /// Whether it keeps the program from being used.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// All its places, the primary one first.
    pub fn spans_mut(&mut self) -> impl Iterator<Item = &mut Span> {
        let notes = self.notes.iter_mut().filter_map(|note| note.span.as_mut());
        let edits = self.helps.iter_mut().flat_map(|help| &mut help.edits);
        self.primary
            .iter_mut()
            .chain(&mut self.secondary)
            .chain(&mut self.inlined)
            .chain(notes)
            .chain(edits.map(|edit| &mut edit.span))
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Layout::new(self, &Plain).write(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_ends_where_its_word_ends() {
        let span = Span::new("a.rs", 3, 9).with_text("    let ratio_2 = part / whole;");
        assert_eq!((span.column, span.end_column), (9, 16));
        let sign = Span::new("a.rs", 3, 1).with_text("+ 1");
        assert_eq!(sign.end_column, 2);
        let beyond = Span::new("a.rs", 3, 40).with_text("short");
        assert_eq!(beyond.end_column, 41);
        assert_eq!(Span::new("a.rs", 3, 0).with_text("text").end_column, 0);
    }

    #[test]
    fn text_and_bytes_come_from_the_file() {
        let source = "é\n    let é = a / b;\r\nend";
        let mut span = Span::new("a.rs", 2, 9);
        span.find_in(source);
        assert_eq!(span.text, "    let é = a / b;");
        let (start, end) = span.bytes.unwrap();
        assert_eq!(&source[start as usize..end as usize], "é");
        // The file is not the one that was compiled.
        let mut other = Span::new("a.rs", 2, 9).with_text("another line");
        other.find_in(source);
        assert_eq!((other.text.as_str(), other.bytes), ("another line", None));
        let mut beyond = Span::new("a.rs", 9, 1);
        beyond.find_in(source);
        assert_eq!(beyond, Span::new("a.rs", 9, 1));
    }

    #[test]
    fn unknown_parts_of_a_place_are_left_out() {
        assert_eq!(Span::new("core.rs", 0, 0).to_string(), "core.rs");
        assert_eq!(Span::new("core.rs", 5, 0).to_string(), "core.rs:5");
        assert_eq!(Span::new("core.rs", 5, 7).to_string(), "core.rs:5:7");
    }

    #[test]
    fn the_function_of_the_primary_span_is_the_one_concerned() {
        let d = Diagnostic::error(Code::FLOATING_POINT, "h")
            .in_function("outer")
            .at(Span::new("a.rs", 1, 1).in_function("inner"));
        assert_eq!(d.function.as_deref(), Some("inner"));
        let d = Diagnostic::error(Code::FLOATING_POINT, "h")
            .in_function("outer")
            .at(Span::new("a.rs", 1, 1));
        assert_eq!(d.function.as_deref(), Some("outer"));
    }
}
