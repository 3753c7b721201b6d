//! Standard output and standard error: the one place that prints. Names come from images and
//! registries, so what would act on the terminal is spelled out.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write as _};

use hachi_diag::printable;
use serde_json::Value;

use crate::failure::{Failure, Kind, Result};

/// The process's streams.
#[derive(Debug)]
pub struct Console(());

impl Console {
    pub fn new() -> Console {
        Console(())
    }

    /// One line on standard output.
    pub fn line(&mut self, text: impl Display) -> Result {
        write(&printable(&text.to_string()))
    }

    /// A JSON document on standard output.
    pub fn json(&mut self, document: &Value) -> Result {
        let text = serde_json::to_string_pretty(document).expect("a value is printable");
        // JSON spells out control characters itself; those that turn text around it does not.
        let lines: Vec<_> = text.lines().map(printable).collect();
        write(&lines.join("\n"))
    }

    /// A JSON object on a line of its own, on standard output.
    pub fn json_line(&mut self, object: &Value) -> Result {
        write(&printable(&object.to_string()))
    }

    /// Why the command failed, on standard error.
    pub fn failure(&mut self, failure: &Failure) {
        if failure.kind == Kind::Unread {
            return;
        }
        // There is no other place to say that this failed.
        let _ = writeln!(io::stderr(), "error: {}", printable(&failure.message));
        if let Some(help) = &failure.help {
            let _ = writeln!(io::stderr(), "help: {}", printable(help));
        }
    }
}

fn write(line: &str) -> Result {
    writeln!(io::stdout(), "{line}").map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure {
            kind: Kind::Unread,
            ..Failure::new("")
        },
        _ => Failure::new(format_args!("writing to standard output: {error}")),
    })
}
