//! Printing for people and for programs.

use anstream::println;
use anstyle::{AnsiColor, Style};
use comfy_table::{Table, presets};
use serde_json::Value;

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

/// The `--json` option of commands that print data.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Format {
    /// Print one JSON document on stdout instead of text
    #[arg(long)]
    pub json: bool,
}

impl Format {
    /// Prints the document, or else the text that `human` prints.
    pub fn print(self, document: impl FnOnce() -> Value, human: impl FnOnce()) {
        if self.json {
            print_json(&document());
        } else {
            human();
        }
    }
}

/// Prints a JSON document.
pub fn print_json(document: &Value) {
    println!("{document:#}");
}

/// Prints rows under a header, in columns. Nothing when there are no rows.
pub fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header.map(|title| title.to_ascii_uppercase()));
    for row in rows {
        table.add_row(row);
    }
    if table.is_empty() {
        return;
    }
    let last = N - 1;
    for (at, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if at == last { 0 } else { 2 }));
    }
    for line in table.to_string().lines() {
        println!("{}", line.trim_end());
    }
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

/// A warning on stderr.
pub fn warn(message: impl std::fmt::Display) {
    anstream::eprintln!("{WARN}warning{WARN:#}: {message}");
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
}
