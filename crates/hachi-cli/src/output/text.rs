//! Text in styles, printable whatever it holds.

use std::fmt::{self, Display, Write as _};

use anstyle::Style;
use hachi_diag::{is_printable, printable};

/// Something that is printed within a line.
pub trait Part {
    /// Appends it, printable.
    fn add_to(&self, line: &mut String, colour: bool);
}

impl<T: Display + ?Sized> Part for T {
    fn add_to(&self, line: &mut String, _: bool) {
        let _ = write!(Printable(line), "{self}");
    }
}

/// A part in a style.
#[derive(Debug, Clone, Copy)]
pub struct Styled<T>(pub Style, pub T);

impl<T: Display> Part for Styled<T> {
    fn add_to(&self, line: &mut String, colour: bool) {
        let Styled(style, text) = self;
        // Writing to a String cannot fail.
        if colour {
            let _ = write!(line, "{style}");
        }
        text.add_to(line, colour);
        if colour {
            let _ = write!(line, "{style:#}");
        }
    }
}

/// Several parts that are printed as one.
#[derive(Debug, Clone, Default)]
pub struct Text(Vec<Styled<String>>);

impl Text {
    /// With this after it.
    #[must_use]
    pub fn and(self, text: impl Display) -> Text {
        self.and_in(Style::new(), text)
    }

    /// With this after it, in a style.
    #[must_use]
    pub fn and_in(mut self, style: Style, text: impl Display) -> Text {
        self.0.push(Styled(style, text.to_string()));
        self
    }
}

impl Part for Text {
    fn add_to(&self, line: &mut String, colour: bool) {
        for part in &self.0 {
            part.add_to(line, colour);
        }
    }
}

/// Appends what is written, printable.
struct Printable<'a>(&'a mut String);

impl fmt::Write for Printable<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.push_str(&printable(text));
        Ok(())
    }
}

/// A line of these parts.
pub fn line(parts: &[&dyn Part], colour: bool) -> String {
    let mut line = String::new();
    for part in parts {
        part.add_to(&mut line, colour);
    }
    line.push('\n');
    line
}

/// Text in which lines are what they are, and the rest is printable.
pub fn lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, line) in text.split('\n').enumerate() {
        if at > 0 {
            out.push('\n');
        }
        // At the front a tab is layout, and no danger.
        let content = line.trim_start_matches('\t');
        out.push_str(&line[..line.len() - content.len()]);
        out.push_str(&printable(content));
    }
    out
}

/// The same, with the styles that are in it: sequences `ESC [ numbers m`, and no others.
pub fn styled_lines(text: &str, colour: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|c| c != '\n' && !is_printable(c)) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = match style_length(rest) {
            Some(length) => {
                if colour {
                    out.push_str(&rest[..length]);
                }
                length
            }
            None => {
                let length = rest.chars().next().map_or(0, char::len_utf8);
                out.push_str(&printable(&rest[..length]));
                length
            }
        };
        rest = &rest[length..];
    }
    out.push_str(rest);
    out
}

/// How long the sequence is that `text` begins with, if it is one of style.
fn style_length(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\x1b[")?;
    let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    parameters[end..].starts_with('m').then_some(2 + end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{BAD, bold};

    #[test]
    fn only_our_own_styles_get_through() {
        let hostile = "\x1b[31mred\n";
        let parts: &[&dyn Part] = &[&bold(hostile), &": ", &7, &format_args!(" {hostile}")];
        assert_eq!(line(parts, false), "\\x1b[31mred\\n: 7 \\x1b[31mred\\n\n");
        assert_eq!(
            line(&[&bold(hostile)], true),
            "\x1b[1m\\x1b[31mred\\n\x1b[0m\n"
        );
        let text = Text::default().and("a").and_in(BAD, "b\r");
        assert_eq!(line(&[&text], false), "ab\\r\n");
    }

    #[test]
    fn documents_keep_their_lines() {
        assert_eq!(lines("a\n\tb\x07\tc\n"), "a\n\tb\\x07\\tc\n");
        assert_eq!(lines(""), "");
    }

    #[test]
    fn rendered_text_keeps_styles_and_nothing_else() {
        let text = "\x1b[1;31merror\x1b[0m\n\x1b]0;x\x07\x1b[2J\x1b[1";
        assert_eq!(
            styled_lines(text, false),
            "error\n\\x1b]0;x\\x07\\x1b[2J\\x1b[1"
        );
        assert_eq!(
            styled_lines(text, true),
            "\x1b[1;31merror\x1b[0m\n\\x1b]0;x\\x07\\x1b[2J\\x1b[1"
        );
    }
}
