//! A chapter's blocks: what the reader types, and what the book says comes out.

use crate::shell::Result;

/// A fenced block of a chapter.
#[derive(Debug, PartialEq, Eq)]
pub struct Block {
    /// The line of its fence, from 1.
    pub line: usize,
    pub kind: Kind,
    /// The lines between the fences.
    pub text: String,
}

/// What a block is, by the words behind its fence.
#[derive(Debug, PartialEq, Eq)]
pub enum Kind {
    /// `rust,file=PATH,from=PATH`: what the reader types into a file. `from` is the file of
    /// `examples/book` that it is.
    File { path: String, from: String },
    /// `console`: commands, each behind `$ `, and what they print.
    Console(Console),
}

/// How the commands of a block run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Console {
    /// `fails`: the last command ends with another exit code than 0.
    pub fails: bool,
    /// `stays`: the last command goes on, until a block that begins with `^C`.
    pub stays: bool,
    /// `installs`: the machine has it; the commands are not run.
    pub installs: bool,
    /// `guest`: the commands boot a guest ([`GUEST`](super::GUEST)); they run when that is asked
    /// for.
    pub guest: bool,
    /// `elsewhere`: commands of this repository (`cargo xtask …`), which other steps run.
    pub elsewhere: bool,
}

/// The blocks of a chapter. A block that is neither typed nor run is an error: nobody would know
/// that it is still right.
pub fn blocks(markdown: &str) -> Result<Vec<Block>> {
    let mut blocks = Vec::new();
    let mut lines = markdown.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let Some(words) = line.trim_start().strip_prefix("```") else {
            continue;
        };
        let line = index + 1;
        let mut text = String::new();
        loop {
            match lines.next() {
                None => return Err(format!("{line}: the block has no end").into()),
                Some((_, end)) if end.trim() == "```" => break,
                Some((_, inside)) => {
                    text.push_str(inside);
                    text.push('\n');
                }
            }
        }
        let kind = kind(words).map_err(|problem| format!("{line}: {problem}"))?;
        blocks.push(Block { line, kind, text });
    }
    Ok(blocks)
}

fn kind(words: &str) -> Result<Kind, String> {
    let words: Vec<&str> = words.split(',').collect();
    let value = |key: &str| {
        let found = words.iter().find_map(|word| word.strip_prefix(key));
        found.map(str::to_owned)
    };
    if let (Some(path), Some(from)) = (value("file="), value("from=")) {
        return Ok(Kind::File { path, from });
    }
    let ["console", options @ ..] = &words[..] else {
        return Err(format!(
            "`{}` is neither `console` nor a file with `file=` and `from=`",
            words.join(",")
        ));
    };
    let mut console = Console::default();
    for option in options {
        match *option {
            "fails" => console.fails = true,
            "stays" => console.stays = true,
            "installs" => console.installs = true,
            "guest" => console.guest = true,
            "elsewhere" => console.elsewhere = true,
            other => return Err(format!("`console` knows no `{other}`")),
        }
    }
    Ok(Kind::Console(console))
}

/// A command of a block, or the end of one that has stayed.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    /// `None`: Ctrl-C for the command that has stayed.
    pub command: Option<String>,
    /// What it prints, as the book has it.
    pub output: String,
}

/// The commands of a console block, each with its output.
pub fn steps(text: &str) -> Result<Vec<Step>, String> {
    let mut steps: Vec<Step> = Vec::new();
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step {
                command: Some(command.to_owned()),
                output: String::new(),
            });
        } else if line == "^C" {
            steps.push(Step {
                command: None,
                output: String::new(),
            });
        } else {
            let step = steps.last_mut().ok_or("output without a command")?;
            step.output.push_str(line);
            step.output.push('\n');
        }
    }
    match steps.is_empty() {
        true => Err("no command".to_owned()),
        false => Ok(steps),
    }
}

/// Whether what a command printed is what the book says. In the book, `…` stands for any text of a
/// line, and a line that is `…` for any lines.
pub fn is_said(said: &str, printed: &str) -> bool {
    fn lines(said: &[&str], printed: &[&str]) -> bool {
        match said.split_first() {
            None => printed.is_empty(),
            Some((&"…", rest)) => {
                (0..=printed.len()).any(|skipped| lines(rest, &printed[skipped..]))
            }
            Some((first, rest)) => match printed.split_first() {
                Some((line, others)) => fits(first, line) && lines(rest, others),
                None => false,
            },
        }
    }
    fn fits(said: &str, line: &str) -> bool {
        let Some((first, rest)) = said.split_once('…') else {
            return said == line;
        };
        let Some(line) = line.strip_prefix(first) else {
            return false;
        };
        let mut places = line.char_indices().map(|(at, _)| at).chain([line.len()]);
        places.any(|at| fits(rest, &line[at..]))
    }
    let split = |text: &str| -> Vec<String> {
        let lines = text
            .trim_end()
            .lines()
            .map(|line| line.trim_end().to_owned());
        lines.collect()
    };
    let (said, printed) = (split(said), split(printed));
    let said: Vec<&str> = said.iter().map(String::as_str).collect();
    let printed: Vec<&str> = printed.iter().map(String::as_str).collect();
    lines(&said, &printed)
}

/// How much of what a command has printed is what the book says of its beginning, in bytes, if it
/// has printed that already: no more lines than that takes.
pub fn said_so_far(said: &str, printed: &str) -> Option<usize> {
    let ends = printed.match_indices('\n').map(|(at, _)| at + 1);
    let mut ends = ends.filter(|&end| is_said(said, &printed[..end]));
    ends.next()
}

/// The number of words that somebody reads: prose and code, not markup.
pub fn words(markdown: &str) -> usize {
    let is_word = |word: &&str| word.chars().any(char::is_alphanumeric);
    let lines = markdown.lines().filter(|line| !line.starts_with("<!--"));
    lines
        .flat_map(str::split_whitespace)
        .filter(is_word)
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_files_or_commands() {
        let text = "Type:\n\n```rust,file=a.rs,from=00/a.rs\nfn main() {}\n```\n\n\
                    ```console,fails\n$ false\n```\n";
        let blocks = blocks(text).unwrap();
        assert_eq!(blocks.len(), 2);
        assert_eq!((blocks[0].line, blocks[1].line), (3, 7));
        assert_eq!(blocks[0].text, "fn main() {}\n");
        let Kind::Console(console) = &blocks[1].kind else {
            panic!("{blocks:?}");
        };
        assert!(console.fails && !console.stays);
        for bad in [
            "```rust\nfn f() {}\n```",
            "```console,sideways\n$ true\n```",
            "```console",
        ] {
            assert!(super::blocks(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn commands_have_their_output() {
        let steps = steps("$ cd x\n$ ls\na\nb\n^C\nbye\n").unwrap();
        let commands: Vec<_> = steps.iter().map(|step| step.command.as_deref()).collect();
        assert_eq!(commands, [Some("cd x"), Some("ls"), None]);
        assert_eq!(steps[1].output, "a\nb\n");
        assert_eq!(steps[2].output, "bye\n");
        assert!(super::steps("just text").is_err());
    }

    #[test]
    fn dots_stand_for_any_text() {
        assert!(is_said("a\nb\n", "a\nb"));
        assert!(is_said("took … ms\n", "took 17 ms\n"));
        assert!(is_said("…\nend\n", "1\n2\nend\n") && is_said("…\nend\n", "end\n"));
        assert!(!is_said("a\n", "a\nb\n") && !is_said("a\nb\n", "a\n"));
        assert!(!is_said("took … ms\n", "took 17 s\n"));
        assert!(!is_said("", "something\n"));
    }

    #[test]
    fn compares_a_running_command_as_far_as_the_book_says() {
        assert_eq!(said_so_far("…\non\n", "a\non\nb\n"), Some(5));
        assert_eq!(said_so_far("…\non\n", "a\non"), None);
        assert_eq!(said_so_far("on\n", "a\non\n"), None);
    }

    #[test]
    fn words_are_counted_without_markup() {
        assert_eq!(words("# One *two*\n\n---\n<!-- not this -->\n| three |"), 3);
    }
}
