//! The book's reference, which is made of what the command says of itself: its commands with their
//! options, and the pages of its codes. It is written when the book is built.

use crate::shell::{Result, capture, root};
use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::process::Command;
use tinyjson::JsonValue;

/// The directory of its pages, in `book/src`. Git does not have it.
const DIRECTORY: &str = "reference";

/// Commands that another program has, which need not be there.
const AGENTS: &[&str] = &["image", "agent"];

/// Whether a page of the book is one that is written here.
pub fn is_page(file: &str) -> bool {
    file.split('/').next() == Some(DIRECTORY)
}

/// Writes the pages, from what the command `hachi` says.
pub fn write(hachi: &Path) -> Result {
    let directory = root().join("book/src").join(DIRECTORY);
    fs::create_dir_all(&directory)?;
    fs::write(directory.join("command.md"), command(hachi)?)?;
    fs::write(directory.join("codes.md"), codes(hachi)?)?;
    Ok(())
}

/// The help of the command and of all commands below it.
fn command(hachi: &Path) -> Result<String> {
    let mut page = String::from("# The command\n\nThis is what `--help` prints.\n");
    let mut todo = VecDeque::from([Vec::new()]);
    while let Some(path) = todo.pop_front() {
        let name = [vec!["hachi".to_owned()], path.clone()].concat().join(" ");
        if path.first().is_some_and(|first| AGENTS.contains(&&**first)) {
            page += &format!("\n## {name}\n\nIt comes with `hachi-agent`; see its `--help`.\n");
            continue;
        }
        let mut help = Command::new(hachi);
        help.args(&path).arg("--help").env("COLUMNS", "100");
        let text = capture(&mut help)?;
        let below = subcommands(&text)?.into_iter();
        let below = below.map(|name| path.iter().cloned().chain([name]).collect());
        // A command comes before its neighbours' commands.
        let below: Vec<Vec<String>> = below.collect();
        for path in below.into_iter().rev() {
            todo.push_front(path);
        }
        page += &format!("\n## {name}\n\n```text\n{}\n```\n", text.trim_end());
    }
    Ok(page)
}

/// The names below `Commands:` in a help text, without `help` itself.
fn subcommands(help: &str) -> Result<Vec<String>> {
    let Some((_, list)) = help.split_once("\nCommands:\n") else {
        return Ok(Vec::new());
    };
    let list = list.split("\n\n").next().unwrap_or_default();
    // A description goes on in lines that are further in.
    let names = list
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help");
    let names: Vec<String> = names.map(str::to_owned).collect();
    match names.is_empty() {
        true => Err(format!("no command can be read from:\n{help}").into()),
        false => Ok(names),
    }
}

/// The pages of `hachi explain`, one after the other.
fn codes(hachi: &Path) -> Result<String> {
    let listed = capture(Command::new(hachi).args(["explain", "--json"]))?;
    let listed: JsonValue = listed.parse()?;
    let codes: &Vec<JsonValue> = listed["codes"].get().ok_or("`codes` is not a list")?;
    let mut page = String::from(
        "# Codes\n\nEach refusal has a code. `hachi explain CODE` prints the same as this page.\n",
    );
    for code in codes {
        let code: &String = code["code"].get().ok_or("`code` is not a text")?;
        let entry = capture(Command::new(hachi).args(["explain", "--json", code]))?;
        let entry: JsonValue = entry.parse()?;
        let text: &String = entry["page"].get().ok_or("`page` is not a text")?;
        page.push('\n');
        page += &one_deeper(text);
    }
    Ok(page)
}

/// A page as a part of another: its headings are one level deeper, its blocks are only shown.
fn one_deeper(page: &str) -> String {
    let mut text = String::new();
    let mut in_block = false;
    for line in page.lines() {
        if let Some(words) = line.strip_prefix("```") {
            // mdBook takes what follows the language for options of its own.
            let language = words.split_whitespace().next().unwrap_or_default();
            text += "```";
            text += match (in_block, language) {
                (false, "rust") => "rust,ignore",
                (_, language) => language,
            };
            in_block = !in_block;
        } else {
            if !in_block && line.starts_with('#') {
                text.push('#');
            }
            text += line;
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_commands_of_a_help_text() {
        let help = "About\n\nUsage: x\n\nCommands:\n  run   Run, and go on\n        until \
                    the end\n  show  Show\n  help  Print this\n\nOptions:\n  -h\n";
        assert_eq!(subcommands(help).unwrap(), ["run", "show"]);
        assert!(subcommands("About\n\nUsage: x\n").unwrap().is_empty());
        assert!(subcommands("\nCommands:\n\nOptions:\n").is_err());
    }

    #[test]
    fn headings_outside_of_blocks_are_deeper() {
        let page = "# code\n\n## Rejected\n\n```rust rejected --debug\n#[xdp]\n```\n";
        let deeper = "## code\n\n### Rejected\n\n```rust,ignore\n#[xdp]\n```\n";
        assert_eq!(one_deeper(page), deeper);
    }

    #[test]
    fn pages_of_the_reference_are_known_by_their_directory() {
        assert!(is_page("reference/command.md"));
        assert!(!is_page("core.md"));
    }
}
