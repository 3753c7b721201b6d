//! The one error of this crate.

use std::fmt;
use std::io;
use std::process::{Command, Output};

/// What went wrong while a test's surroundings were made or used.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A system call or file operation failed.
    System {
        /// What was being done, with the name of the thing it was done to.
        action: String,
        /// What the system answered.
        source: io::Error,
    },
    /// A program ran and reported failure.
    Command {
        /// The command line.
        command: String,
        /// How it ended and what it wrote.
        output: String,
    },
    /// A program that is needed is not installed.
    Missing {
        /// The program's name.
        program: String,
        /// The package that has it.
        package: String,
    },
    /// No hierarchy of cgroups of version 2 is mounted.
    NoCgroups,
}

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System { action, source } => {
                write!(f, "{action}: {source}")?;
                match source.raw_os_error() {
                    Some(libc::EPERM | libc::EACCES) => {
                        write!(f, " (needs root, or CAP_NET_ADMIN and CAP_SYS_ADMIN)")
                    }
                    _ => Ok(()),
                }
            }
            Self::Command { command, output } => write!(f, "`{command}` failed: {output}"),
            Self::Missing { program, package } => write!(
                f,
                "`{program}` is not installed: install the package {package}"
            ),
            Self::NoCgroups => f.write_str(
                "no hierarchy of cgroups of version 2 is mounted: mount -t cgroup2 none \
                 /sys/fs/cgroup",
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::System { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl Error {
    /// For `map_err`: an I/O error with what was being done.
    pub(crate) fn during(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self::System { action, source }
    }
}

/// Runs a command to its end; a failure carries what the command wrote.
pub(crate) fn run(command: &mut Command) -> Result<Output> {
    let line = describe(command);
    let output = command.output().map_err(|source| {
        if source.kind() == io::ErrorKind::NotFound {
            let program = command.get_program().to_string_lossy().into_owned();
            let package = match program.as_str() {
                "ip" => "iproute2",
                "ping" => "iputils-ping",
                other => other,
            };
            let package = package.to_owned();
            Error::Missing { program, package }
        } else {
            Error::System {
                action: format!("running `{line}`"),
                source,
            }
        }
    })?;
    if output.status.success() {
        return Ok(output);
    }
    let mut text = format!("{}", output.status);
    for stream in [&output.stdout, &output.stderr] {
        let stream = String::from_utf8_lossy(stream);
        if !stream.trim().is_empty() {
            text.push_str(", ");
            text.push_str(stream.trim());
        }
    }
    Err(Error::Command {
        command: line,
        output: text,
    })
}

/// The command line as one would type it (without quoting).
pub(crate) fn describe(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}
