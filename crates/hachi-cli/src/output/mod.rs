//! The one way out of this command, for people and for programs.
//!
//! All text goes through an [`Output`]. It spells out what would act on the terminal (names come
//! from objects, the kernel, other processes and files, so they are hostile), knows the width, and
//! hands back the errors of its streams: a failed write is a [`Failure`] like any other. Nothing
//! else in this crate may print; clippy sees to it.

mod json;
mod stream;
mod text;

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use comfy_table::{ContentArrangement, Table, presets};
use hachi_diag::{Code, Diagnostic, Renderer, Severity, printable, where_to_read_on};
use serde_json::Value;

use crate::failure::{Failure, Kind, Result};
use crate::sys::Signals;
use stream::{Error, Stream};
pub use text::{Part, Styled, Text};

/// Section titles and the names of things.
pub const BOLD: Style = Style::new().bold();
/// Good news.
pub const GOOD: Style = AnsiColor::Green.on_default().bold();
/// Bad news.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// What needs attention.
pub const WARN: Style = AnsiColor::Yellow.on_default().bold();
/// What helps to find one's way and can be overlooked.
pub const DIM: Style = Style::new().dimmed();
/// What to do next.
pub const HELP: Style = AnsiColor::Cyan.on_default().bold();

/// Section titles and the names of things.
pub fn bold<T: Display>(text: T) -> Styled<T> {
    Styled(BOLD, text)
}

/// What helps to find one's way and can be overlooked.
pub fn dim<T: Display>(text: T) -> Styled<T> {
    Styled(DIM, text)
}

/// Prints one line on standard output. The parts are whatever has a `Display`, in a style or not.
macro_rules! say {
    ($out:expr $(, $part:expr)* $(,)?) => {
        $crate::output::Output::line($out, &[$(&$part as &dyn $crate::output::Part),*])
    };
}

/// Prints one line on standard error.
macro_rules! note {
    ($out:expr $(, $part:expr)* $(,)?) => {
        $crate::output::Output::note_line($out, &[$(&$part as &dyn $crate::output::Part),*])
    };
}

pub(crate) use {note, say};

/// The `--json` option of commands that print data.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Format {
    /// Print one JSON document on stdout instead of text
    #[arg(long)]
    pub json: bool,
}

impl Format {
    /// Prints the document, or else the text that `human` prints.
    pub fn print(
        self,
        out: &mut Output,
        document: impl FnOnce() -> Value,
        human: impl FnOnce(&mut Output) -> Result,
    ) -> Result {
        if self.json {
            out.json(&document())
        } else {
            human(out)
        }
    }
}

/// Standard output and standard error.
#[derive(Debug)]
pub struct Output {
    out: Stream,
    err: Stream,
    /// The codes of the errors that have been shown.
    codes: Vec<Code>,
    /// Set when a reader that is gone does not end the work: what is printed is dropped then.
    goes_on: bool,
}

impl Output {
    /// The process's own streams.
    pub fn new() -> Output {
        let is_coloured = |choice| choice != anstream::ColorChoice::Never;
        Output {
            out: Stream::standard_output(is_coloured(AutoStream::choice(&std::io::stdout()))),
            err: Stream::standard_error(is_coloured(AutoStream::choice(&std::io::stderr()))),
            codes: Vec::new(),
            goes_on: false,
        }
    }

    /// Decides about colour instead of the terminal.
    pub fn set_colour(&mut self, colour: bool) {
        self.out.colour = colour;
        self.err.colour = colour;
    }

    /// Whether standard output shows colours.
    pub fn is_coloured(&self) -> bool {
        self.out.colour
    }

    /// A signal ends the wait for a reader that has stopped reading.
    pub fn heed(&mut self, signals: Arc<Signals>) {
        self.out.signals = Some(Arc::clone(&signals));
        self.err.signals = Some(signals);
    }

    /// From here on a reader of standard output that goes away does not end the work: for commands
    /// whose exit code says more than whether something was printed.
    pub fn go_on_unread(&mut self) {
        self.goes_on = true;
    }

    /// Columns of the terminal that standard output is; `None` if it is none.
    pub fn width(&self) -> Option<usize> {
        self.out.width
    }

    /// One line on standard output. See [`say!`].
    pub fn line(&mut self, parts: &[&dyn Part]) -> Result {
        let line = text::line(parts, self.out.colour);
        self.print(&line)
    }

    /// One line on standard error. See [`note!`].
    pub fn note_line(&mut self, parts: &[&dyn Part]) -> Result {
        let line = text::line(parts, self.err.colour);
        self.print_error(&line)
    }

    /// Text of several lines on standard output, as it is except what is not printable in its
    /// lines.
    pub fn document(&mut self, text: &str) -> Result {
        let text = text::lines(text);
        self.print(&text)
    }

    /// The same on standard error.
    pub fn note_document(&mut self, text: &str) -> Result {
        let text = text::lines(text);
        self.print_error(&text)
    }

    /// Text of several lines that a renderer has put styles into, on standard output. What it
    /// quotes must be printable already.
    pub fn rendered(&mut self, text: &str) -> Result {
        let text = text::styled_lines(text, self.out.colour);
        self.print(&text)
    }

    /// The same on standard error.
    pub fn note_rendered(&mut self, text: &str) -> Result {
        let text = text::styled_lines(text, self.err.colour);
        self.print_error(&text)
    }

    /// A diagnostic on standard error, with an empty line after it.
    pub fn diagnostic(&mut self, diagnostic: &Diagnostic) -> Result {
        if diagnostic.severity == Severity::Error {
            self.codes.extend(diagnostic.code);
        }
        self.note_rendered(&(Renderer::styled().render(diagnostic) + "\n"))
    }

    /// Where there is more about the diagnostics that have been shown, on standard error.
    pub fn read_on(&mut self) -> Result {
        match where_to_read_on("hachi explain", self.codes.drain(..)) {
            Some(more) => self.note_document(&(more + "\n")),
            None => Ok(()),
        }
    }

    /// A JSON document on standard output.
    pub fn json(&mut self, document: &Value) -> Result {
        let text = json::pretty(document);
        self.print(&text)
    }

    /// A JSON object on a line of its own, which is there at once.
    pub fn json_line(&mut self, object: &Value) -> Result {
        let text = json::compact(object);
        self.print(&text)?;
        self.flush()
    }

    /// A JSON document that has been written by others.
    pub fn json_text(&mut self, text: &str) -> Result {
        let text = json::escaped(text);
        self.print(&text)
    }

    /// Rows under a header, in columns. Nothing when there are no rows.
    pub fn table<const N: usize>(
        &mut self,
        header: [&str; N],
        rows: impl IntoIterator<Item = [String; N]>,
    ) -> Result {
        let table = table(header, rows, self.width());
        self.print(&table)
    }

    /// Names and what belongs to them, one a line.
    pub fn fields<const N: usize>(&mut self, fields: [(&str, String); N]) -> Result {
        let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, value) in fields {
            say!(self, dim(format_args!("{name:<width$}")), "  ", value)?;
        }
        Ok(())
    }

    /// A warning on standard error.
    pub fn warn(&mut self, message: impl Display) -> Result {
        note!(self, Styled(WARN, "warning"), ": ", message)
    }

    /// A warning of several lines by a library that lays it out.
    pub fn warn_report(&mut self, message: impl Display) -> Result {
        let message = message.to_string();
        let mut lines = message.lines();
        self.warn(lines.next().unwrap_or_default())?;
        for line in lines {
            note!(self, line)?;
        }
        Ok(())
    }

    /// A failure on standard error.
    pub fn failure(&mut self, failure: &Failure) -> Result {
        if failure.message.is_empty() {
            return Ok(());
        }
        let mut lines = failure.message.lines();
        let first = lines.next().unwrap_or_default();
        note!(self, Styled(BAD, "error"), ": ", first)?;
        for line in lines {
            note!(self, line)?;
        }
        match &failure.help {
            Some(help) => note!(self, Styled(HELP, "help"), ": ", help),
            None => Ok(()),
        }
    }

    /// A question to the person at the terminal, on standard error.
    pub fn ask(&mut self, question: impl Display) -> Result {
        let question = text::line(&[&question, &": "], self.err.colour);
        self.print_error(question.trim_end_matches('\n'))
    }

    /// Hands over to the system what is kept back.
    pub fn flush(&mut self) -> Result {
        let flushed = self.out.flush();
        self.judge(flushed)
    }

    fn print(&mut self, text: &str) -> Result {
        let written = self.out.write(text);
        self.judge(written)
    }

    fn print_error(&mut self, text: &str) -> Result {
        // In the order in which it was said; but what stops the one stream does not stop the
        // other.
        let flushed = self.flush();
        let written = self.err.write(text).and_then(|()| self.err.flush());
        match written {
            // Nobody reads this stream, so there is no one to tell.
            Ok(()) | Err(Error::Closed) => flushed,
            written => self.judge(written),
        }
    }

    /// The process is to end: a reader that has stopped reading holds it up for a second at most.
    pub fn hurry(&mut self) {
        self.out.hurry();
        self.err.hurry();
    }

    fn judge(&mut self, written: std::result::Result<(), Error>) -> Result {
        match written {
            Ok(()) => Ok(()),
            Err(Error::Closed) if self.goes_on => Ok(()),
            Err(Error::Closed) => Err(Failure::silent(Kind::Unread)),
            Err(Error::Interrupted) => {
                self.hurry();
                Err(Failure::silent(Kind::Interrupted))
            }
            Err(Error::Failed { stream, error }) => Err(Failure::because(
                format_args!("cannot write to {stream}"),
                &error,
            )),
            Err(Error::Stalled { stream }) => Err(Failure::new(format_args!(
                "cannot write to {stream}: nobody reads it"
            ))),
        }
    }
}

fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
    width: Option<usize>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
    }
    table.set_header(header.map(|title| title.to_ascii_uppercase()));
    for row in rows {
        table.add_row(row.each_ref().map(|cell| printable(cell)));
    }
    if table.is_empty() {
        return String::new();
    }
    let last = N - 1;
    for (at, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if at == last { 0 } else { 2 }));
    }
    let mut out = String::new();
    for line in table.to_string().lines() {
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// Diagnostics in the JSON form of rustc.
pub fn diagnostics_json<'d>(diagnostics: impl IntoIterator<Item = &'d Diagnostic>) -> Value {
    let json = |d: &Diagnostic| {
        let text = d.to_json(Renderer::plain());
        // What this crate writes is JSON.
        text.parse().unwrap_or(Value::Null)
    };
    diagnostics.into_iter().map(json).collect()
}

/// `1 program`, `3 programs`.
pub fn count(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

/// `1234567` as `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A path as it goes into a document: JSON has no way to write what is not UTF-8.
pub fn path_text(path: &std::path::Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Writes a file that the user named. What it names is there whole, or is as it was.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result {
    hachi_linker::write_file(path, bytes)
        .map_err(|error| Failure::because(format_args!("writing {}", path.display()), &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_groups() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1000), "1,000");
        assert_eq!(grouped(1_234_567), "1,234,567");
    }

    #[test]
    fn plurals() {
        assert_eq!(count(1, "map"), "1 map");
        assert_eq!(count(0, "map"), "0 maps");
    }

    #[test]
    fn cells_of_tables_are_printable_and_in_columns() {
        let rows = [
            ["1", "a\n\x1b[2J"].map(str::to_owned),
            ["22", "b"].map(str::to_owned),
        ];
        assert_eq!(
            table(["id", "name"], rows, None),
            "ID  NAME\n1   a\\n\\x1b[2J\n22  b\n"
        );
        assert_eq!(table(["id"], [] as [[String; 1]; 0], None), "");
    }

    #[test]
    fn tables_keep_to_the_width_of_the_terminal() {
        let rows = [["1".to_owned(), "word ".repeat(30)]];
        let shown = table(["id", "words"], rows, Some(40));
        assert!(shown.lines().all(|line| line.len() <= 40), "{shown}");
        assert_eq!(shown.matches("word").count(), 30);
    }
}
