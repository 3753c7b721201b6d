//! Running other programs.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::{Error, cache::setting};

/// Runs a command to its end, with its output captured and nothing to read from.
pub(crate) fn output(command: &mut Command) -> Result<Output, Error> {
    output_with_input(command, b"")
}

/// Runs a command to its end with `input` to read, which must be short enough for a pipe to hold.
pub(crate) fn output_with_input(command: &mut Command, input: &[u8]) -> Result<Output, Error> {
    hachi_linker::output_of(command, input).map_err(|source| spawn_error(command, source))
}

pub(crate) fn spawn_error(command: &Command, source: std::io::Error) -> Error {
    Error::Spawn {
        program: command.get_program().to_string_lossy().into_owned(),
        source,
    }
}

/// What a failed program said, for a message: the last lines of its stderr.
pub(crate) fn last_words(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let tail = lines[lines.len().saturating_sub(12)..].join("\n");
    if tail.is_empty() {
        output.status.to_string()
    } else {
        tail
    }
}

/// The command as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        let argument = argument.to_string_lossy();
        text.push(' ');
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,+@~%".contains(c);
        if !argument.is_empty() && argument.chars().all(plain) {
            text.push_str(&argument);
        } else {
            text.push_str(&format!("'{}'", argument.replace('\'', r"'\''")));
        }
    }
    text
}

/// Finds a program by name in `PATH`.
pub(crate) fn in_path(name: &str) -> Option<PathBuf> {
    let path = setting("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|file| is_executable(file))
}

pub(crate) fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata()
        .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}
