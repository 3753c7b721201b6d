//! Runs the `hachi` command.
// Each test file uses its own part of this.
#![allow(dead_code)]

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// What a run of the command gave.
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// The command with these arguments, not run yet.
pub fn command<I: IntoIterator<Item: AsRef<OsStr>>>(arguments: I) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hachi"));
    command.args(arguments).stdin(Stdio::null());
    // A terminal of the person who runs the tests changes nothing.
    command.env("NO_COLOR", "1").env_remove("HACHI_YES");
    command
}

/// Runs the command with these arguments.
pub fn hachi<I: IntoIterator<Item: AsRef<OsStr>>>(arguments: I) -> Run {
    run(&mut command(arguments))
}

pub fn run(command: &mut Command) -> Run {
    Run::from(command.output().expect("the command runs"))
}

impl From<Output> for Run {
    fn from(output: Output) -> Run {
        Run {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Run {
    /// Checks the exit code; the output says why if it is another.
    #[track_caller]
    pub fn code(self, expected: i32) -> Run {
        assert_eq!(
            self.code, expected,
            "stdout: {}\nstderr: {}",
            self.stdout, self.stderr
        );
        self
    }

    /// Checks that stderr holds all of these.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Run {
        for word in words {
            assert!(
                self.stderr.contains(word),
                "no {word:?} in stderr: {}",
                self.stderr
            );
        }
        self
    }

    /// Checks that stdout holds all of these.
    #[track_caller]
    pub fn prints(self, words: &[&str]) -> Run {
        for word in words {
            assert!(
                self.stdout.contains(word),
                "no {word:?} in stdout: {}",
                self.stdout
            );
        }
        self
    }

    /// The JSON objects on stdout, one on each line.
    #[track_caller]
    pub fn json_lines(&self) -> Vec<Value> {
        let parse = |line| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
        };
        self.stdout.lines().map(parse).collect()
    }

    /// The one JSON document on stdout.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

/// A checked-in object; see `tests/programs` for its source.
pub fn object(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/objects/{name}.o"))
}

/// The names of an object's members, sorted, as they are in the document.
pub fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect()
}

/// The command in a directory of its own: what is beside it is ours, and others may run it.
///
/// A link, since a file that was just written cannot be run while another test's child, started
/// meanwhile, has it open.
pub fn alone(directory: &Path) -> PathBuf {
    let path = directory.join("hachi");
    let built = Path::new(env!("CARGO_BIN_EXE_hachi"));
    // Copied over its own link it would be emptied.
    if !path.exists() && fs::hard_link(built, &path).is_err() {
        fs::copy(built, &path).unwrap();
    }
    path
}
