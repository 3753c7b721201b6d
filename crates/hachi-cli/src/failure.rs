//! How a command fails: a message, what to do about it, and an exit code.

use std::fmt;
use std::process::ExitCode;

use hachi_diag::printable;

use crate::lack;

/// What kind of failure, which is what scripts see as the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// 1: the thing asked about failed, or the work could not be done.
    Failed,
    /// 2: the command was used wrongly.
    Usage,
    /// 3: the machine lacks a privilege, a feature or a tool.
    Missing,
    /// 0: nobody reads standard output any more, so there is nothing left to do.
    Unread,
    /// 1: a signal asked for the end while nobody was reading.
    Interrupted,
}

impl Kind {
    /// The process's exit code.
    pub fn code(self) -> u8 {
        match self {
            Kind::Unread => 0,
            Kind::Failed | Kind::Interrupted => 1,
            Kind::Usage => 2,
            Kind::Missing => 3,
        }
    }
}

impl From<Kind> for ExitCode {
    fn from(kind: Kind) -> ExitCode {
        ExitCode::from(kind.code())
    }
}

/// A failure, ready to be shown.
#[derive(Debug)]
pub struct Failure {
    /// Decides the exit code.
    pub kind: Kind,
    /// What failed, naming the thing, and why: printable, on one line unless it is a report. Empty
    /// when all has been said already.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Failure {
    /// The thing asked about failed.
    pub fn new(message: impl fmt::Display) -> Failure {
        Failure {
            kind: Kind::Failed,
            message: printable(&message.to_string()).into_owned(),
            help: None,
        }
    }

    /// A message of several lines by a library that lays it out.
    pub fn report(kind: Kind, message: impl fmt::Display) -> Failure {
        let message = message.to_string();
        let lines: Vec<_> = message.lines().map(printable).collect();
        Failure {
            kind,
            message: lines.join("\n"),
            help: None,
        }
    }

    /// The command was used wrongly.
    pub fn usage(message: impl fmt::Display) -> Failure {
        Failure {
            kind: Kind::Usage,
            ..Failure::new(message)
        }
    }

    /// The machine lacks something.
    pub fn missing(message: impl fmt::Display) -> Failure {
        Failure {
            kind: Kind::Missing,
            ..Failure::new(message)
        }
    }

    /// Everything to be said is on stdout or stderr already; only the exit code is left.
    pub fn silent(kind: Kind) -> Failure {
        Failure {
            kind,
            message: String::new(),
            help: None,
        }
    }

    /// An error of a library with all its causes, under what was being done.
    pub fn because(doing: impl fmt::Display, error: &(dyn std::error::Error + 'static)) -> Failure {
        let mut message = printable(&doing.to_string()).into_owned();
        let mut cause: Option<&dyn std::error::Error> = Some(error);
        while let Some(error) = cause {
            let text = error.to_string();
            let text = printable(&text);
            // Some errors print their source themselves.
            if !message.contains(&*text) {
                message.push_str(if message.is_empty() { "" } else { ": " });
                message.push_str(&text);
            }
            cause = error.source();
        }
        Failure {
            kind: match lack::is_machines(error) {
                true => Kind::Missing,
                false => Kind::Failed,
            },
            message,
            help: None,
        }
    }

    /// Says what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl fmt::Display) -> Failure {
        self.help = Some(help.to_string());
        self
    }
}

/// What every command returns.
pub type Result<T = ()> = std::result::Result<T, Failure>;
