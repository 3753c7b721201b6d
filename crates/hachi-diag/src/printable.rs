//! Text of others, made fit to be printed.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether `c` can be printed as it is: it moves no cursor, ends no line, starts no escape
/// sequence, changes the direction of no text, and can be seen.
///
/// Not printable are the control characters, line and paragraph separators, the characters that
/// Unicode calls format characters (bidirectional controls, zero-width characters, tags) and the
/// fillers that look like nothing.
pub fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    // Unicode 16, general categories Cc, Cf, Zl and Zp, and the Hangul fillers.
    !matches!(c,
        '\u{80}'..='\u{9f}'
        | '\u{ad}'
        | '\u{600}'..='\u{605}'
        | '\u{61c}'
        | '\u{6dd}'
        | '\u{70f}'
        | '\u{890}'..='\u{891}'
        | '\u{8e2}'
        | '\u{115f}'..='\u{1160}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{110bd}'
        | '\u{110cd}'
        | '\u{13430}'..='\u{1343f}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e007f}')
}

/// The text with all that is not [printable](is_printable) as escape sequences of Rust: `\n`,
/// `\x1b`, `\u{202e}`.
///
/// Names in objects, in the kernel and of files are chosen by others. Printed as they are, they
/// could forge lines and drive the terminal.
///
/// ```
/// assert_eq!(hachi_diag::printable("drop\n\x1b[2J"), "drop\\n\\x1b[2J");
/// assert_eq!(hachi_diag::printable("größe"), "größe");
/// ```
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_printable) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        push(&mut out, c);
    }
    Cow::Owned(out)
}

fn push(out: &mut String, c: char) {
    if is_printable(c) {
        return out.push(c);
    }
    let result = match c {
        '\n' => out.write_str("\\n"),
        '\r' => out.write_str("\\r"),
        '\t' => out.write_str("\\t"),
        c if c.is_ascii() => write!(out, "\\x{:02x}", c as u32),
        c => write!(out, "\\u{{{:x}}}", c as u32),
    };
    // Writing to a String cannot fail.
    let _ = result;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_stays_as_it_is() {
        for text in ["", "xdp_firewall", "größe 蜂 🐝", "a\\n", "Option<&'a str>"] {
            assert!(matches!(printable(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn control_characters_are_spelled_out() {
        assert_eq!(printable("a\r\n\tb\0"), "a\\r\\n\\tb\\x00");
        assert_eq!(printable("\x1b]0;title\x07"), "\\x1b]0;title\\x07");
        assert_eq!(printable("\u{9b}31m\u{7f}"), "\\u{9b}31m\\x7f");
        assert_eq!(
            printable("\u{202e}\u{2066}\u{200f}"),
            "\\u{202e}\\u{2066}\\u{200f}"
        );
        assert_eq!(
            printable("a\u{2028}b\u{feff}\u{e0041}"),
            "a\\u{2028}b\\u{feff}\\u{e0041}"
        );
    }

    /// Whatever goes in, nothing that comes out acts on a terminal.
    #[test]
    fn only_printable_characters_get_through() {
        let every: String = ('\0'..=char::MAX).collect();
        let shown = printable(&every);
        assert!(shown.chars().all(is_printable));
        assert!(!shown.chars().any(char::is_control));
    }
}
