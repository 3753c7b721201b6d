//! How the command fails: a message, what to do about it, and an exit code.

use std::fmt;

use hachi_diag::printable;

/// What scripts see as the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// 1: the work could not be done.
    Failed,
    /// 2: the command was used wrongly.
    Usage,
    /// 3: the machine lacks a privilege, a feature or a tool.
    Missing,
    /// 0: nobody reads the output any more.
    Unread,
}

impl Kind {
    /// The process's exit code.
    pub fn code(self) -> u8 {
        match self {
            Kind::Unread => 0,
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::Missing => 3,
        }
    }
}

/// A failure, ready to be shown.
#[derive(Debug)]
pub struct Failure {
    /// Decides the exit code.
    pub kind: Kind,
    /// What failed and why, printable, on one line.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Failure {
    /// The work could not be done.
    pub fn new(message: impl fmt::Display) -> Failure {
        Failure {
            kind: Kind::Failed,
            message: printable(&message.to_string()).into_owned(),
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

    /// Says what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl fmt::Display) -> Failure {
        self.help = Some(help.to_string());
        self
    }
}

impl From<crate::image::Error> for Failure {
    fn from(error: crate::image::Error) -> Failure {
        let mut failure = Failure::new(chain(&error));
        failure.help = error.help();
        failure
    }
}

impl From<&crate::agent::Error> for Failure {
    fn from(error: &crate::agent::Error) -> Failure {
        let mut failure = Failure::new(chain(error));
        failure.help = error.help();
        failure
    }
}

/// An error with all its causes, each said once.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        cause = error.source();
    }
    message
}

/// What every command returns.
pub type Result<T = ()> = std::result::Result<T, Failure>;
