//! `cargo xtask picture`: a rejected program as `hachi check` shows it, as an image for the README.

use crate::shell::{Result, capture, cargo, root, run as run_command, target_dir};
use hachi_test::TempDir;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The program, one of the book's.
const SOURCE: &str = "examples/book/03-packets/unchecked.rs";

/// The image.
fn file() -> PathBuf {
    root().join("docs/rejected.svg")
}

/// Writes the image again.
pub fn write() -> Result {
    fs::write(file(), draw()?)?;
    Ok(())
}

/// Checks that the image shows what the command prints, where the kernel can be asked.
pub fn check() -> Result {
    if hachi_test::bpf_available().is_err() {
        return Ok(());
    }
    let there = fs::read_to_string(file()).unwrap_or_default();
    match headline(&there) == headline(&draw()?) && !headline(&there).is_empty() {
        true => Ok(()),
        false => Err("docs/rejected.svg is not what is printed: `cargo xtask picture`".into()),
    }
}

/// The first lines of an image: the verdict, the error and its place. The notes below them are the
/// kernel's own words, which differ from one version to the next.
fn headline(image: &str) -> Vec<&str> {
    let texts = image.lines().filter(|line| line.starts_with("<text"));
    texts.take(4).collect()
}

fn draw() -> Result<String> {
    run_command(cargo(root()).args(["build", "--quiet", "--package", "hachi-cli"]))?;
    let hachi = target_dir().join("debug/hachi");
    // The message names the directory of the file.
    let directory = TempDir::new()?;
    let place = directory.join("firewall");
    fs::create_dir(&place)?;
    fs::copy(root().join(SOURCE), place.join("who.rs"))?;
    let mut build = Command::new(&hachi);
    build.current_dir(&place).env("HACHI_YES", "1");
    let object = capture(build.args(["build", "who.rs"]))?;
    let mut check = Command::new(&hachi);
    check.args(["check", "--color", "always", object.trim()]);
    let output = check.current_dir(&place).stdin(Stdio::null()).output()?;
    let mut text = String::from_utf8_lossy(&output.stderr).into_owned();
    if !text.contains("error") {
        return Err(format!("the program was not rejected: {text}").into());
    }
    // The advice at the end is for the terminal.
    if let Some(end) = text.find("-v prints") {
        text.truncate(end);
    }
    Ok(image(&format!("$ hachi check who.o\n{}", text.trim_end())))
}

/// Text with escape sequences as an image of a terminal.
fn image(text: &str) -> String {
    const WIDTH: usize = 110;
    const LINE: f64 = 18.0;
    const COLUMN: f64 = 7.8;
    let lines = wrapped(text, WIDTH);
    let width = COLUMN * WIDTH as f64 + 32.0;
    let height = LINE * lines.len() as f64 + 32.0;
    let mut out = String::new();
    // Writing to a String does not fail.
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         role=\"img\" aria-labelledby=\"t\" \
         font-family=\"ui-monospace, Menlo, Consolas, monospace\" \
         font-size=\"13\">\n<title id=\"t\">hachi check explains a rejected program</title>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#15191e\"/>\n"
    );
    for (index, line) in lines.iter().enumerate() {
        let y = 30.0 + LINE * index as f64;
        let _ = write!(
            out,
            "<text x=\"16\" y=\"{y:.0}\" fill=\"#d7dde4\" xml:space=\"preserve\">"
        );
        for (style, text) in line {
            let text = text
                .replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('>', "&gt;");
            let bold = if style.bold {
                " font-weight=\"bold\""
            } else {
                ""
            };
            let _ = match style.colour {
                None if !style.bold => write!(out, "{text}"),
                None => write!(out, "<tspan{bold}>{text}</tspan>"),
                Some(colour) => write!(out, "<tspan fill=\"{colour}\"{bold}>{text}</tspan>"),
            };
        }
        out.push_str("</text>\n");
    }
    out.push_str("</svg>\n");
    out
}

/// How text looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Style {
    bold: bool,
    colour: Option<&'static str>,
}

impl Style {
    /// As an escape sequence's numbers change it.
    fn change(&mut self, numbers: &str) {
        let numbers: Vec<&str> = numbers.split(';').collect();
        // `38;5;N`: a colour of the table of 256.
        if let ["38", "5", number] = numbers[..] {
            self.colour = number
                .parse::<u8>()
                .ok()
                .and_then(|number| colour(number % 8));
            return;
        }
        for number in numbers {
            match number.parse::<u8>() {
                Ok(1) => self.bold = true,
                Ok(number @ 30..=37) => self.colour = colour(number - 30),
                Ok(number @ 90..=97) => self.colour = colour(number - 90),
                Ok(39) => self.colour = None,
                _ => *self = Style::default(),
            }
        }
    }
}

/// The terminal's colours, light enough for a dark ground.
fn colour(number: u8) -> Option<&'static str> {
    match number {
        1 => Some("#ff7b72"),
        2 => Some("#7ee787"),
        3 => Some("#e3b341"),
        4 | 6 => Some("#79c0ff"),
        5 => Some("#d2a8ff"),
        _ => None,
    }
}

/// Lines of pieces of one style each, no line longer than `width`.
fn wrapped(text: &str, width: usize) -> Vec<Vec<(Style, String)>> {
    let mut style = Style::default();
    let mut lines = Vec::new();
    for line in text.lines() {
        let mut pieces: Vec<(Style, String)> = vec![(style, String::new())];
        let (mut column, mut rest) = (0, line);
        while let Some(c) = rest.chars().next() {
            if let Some((numbers, after)) = rest
                .strip_prefix("\x1b[")
                .and_then(|sequence| sequence.split_once('m'))
            {
                style.change(numbers);
                pieces.push((style, String::new()));
                rest = after;
                continue;
            }
            if column == width {
                lines.push(std::mem::replace(
                    &mut pieces,
                    vec![(style, "      ".to_owned())],
                ));
                column = 6;
            }
            if let Some((_, piece)) = pieces.last_mut() {
                piece.push(c);
            }
            column += 1;
            rest = &rest[c.len_utf8()..];
        }
        pieces.retain(|(_, piece)| !piece.is_empty());
        lines.push(pieces);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_become_styles() {
        let lines = wrapped("a\x1b[1;31mb\x1b[0m<c\n\x1b[38;5;12md", 80);
        let red = Style {
            bold: true,
            colour: Some("#ff7b72"),
        };
        let plain = Style::default();
        let first = [
            (plain, "a".to_owned()),
            (red, "b".to_owned()),
            (plain, "<c".to_owned()),
        ];
        assert_eq!(lines[0], first);
        assert_eq!(lines[1][0].0.colour, Some("#79c0ff"));
        let image = image("x\x1b[31m<y>");
        assert!(
            image.contains("<tspan fill=\"#ff7b72\">&lt;y&gt;</tspan>"),
            "{image}"
        );
    }

    #[test]
    fn long_lines_go_on_below() {
        let lines = wrapped(&"x".repeat(100), 60);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[1][0].1, format!("      {}", "x".repeat(40)));
    }
}
