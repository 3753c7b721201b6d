//! What goes wrong with descriptions and what they ask for.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use super::target::Target;

/// A place in a file, counted from one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Why a description cannot be read or brought about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or directory of the description.
    #[error("reading {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// The directory has no description in it.
    #[error("{}: there is no .toml, .yaml or .yml file in it", path.display())]
    NoFiles {
        /// The directory.
        path: PathBuf,
    },
    /// The file is not as a description is.
    #[error("{}:{position}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where.
        position: Position,
        /// What is wrong there.
        message: String,
        /// The key that was meant, perhaps.
        near: Option<String>,
    },
    /// Two applications have one name.
    #[error("{}: there is another application {name}, in {}", path.display(), other.display())]
    SameName {
        /// The application.
        name: String,
        /// The file that was read later.
        path: PathBuf,
        /// The file that was read first.
        other: PathBuf,
    },
    /// An application says something that it cannot mean.
    #[error("application {application}: {problem}")]
    Application {
        /// Its name.
        application: String,
        /// What is wrong with it.
        problem: Problem,
    },
    /// The object or image of an application.
    #[error("application {application}")]
    Image {
        /// Its name.
        application: String,
        /// What went wrong.
        #[source]
        error: Box<crate::image::Error>,
    },
    /// The kernel or its BPF file system refuses.
    #[error("application {application}: {doing}")]
    Kernel {
        /// Its name.
        application: String,
        /// What was being done.
        doing: Operation,
        /// Why not.
        #[source]
        error: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The health check of a new version did not pass; the old one runs.
    #[error("application {application}: its health check {failure}, so the old version is back")]
    Unhealthy {
        /// Its name.
        application: String,
        /// How it failed.
        failure: HealthFailure,
    },
}

/// What an agent does with the kernel and its BPF file system. `Display` says so as in "while
/// loading program pass".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Operation {
    /// Listing interfaces.
    #[error("listing interfaces")]
    ListInterfaces,
    /// Looking at a cgroup.
    #[error("looking at {}", .0.display())]
    LookAt(PathBuf),
    /// Setting a variable.
    #[error("setting global {0}")]
    SetGlobal(String),
    /// Opening the application's object.
    #[error("opening its object")]
    OpenObject,
    /// Finding a program in the object.
    #[error("finding program {0}")]
    FindProgram(String),
    /// Loading a program.
    #[error("loading program {0}")]
    LoadProgram(String),
    /// Pinning a program.
    #[error("pinning program {0}")]
    PinProgram(String),
    /// Opening a program that is pinned.
    #[error("opening program {0}")]
    OpenProgram(String),
    /// Attaching a program.
    #[error("attaching {program} to {target}")]
    Attach {
        /// The program.
        program: String,
        /// To what.
        target: Target,
    },
    /// Letting a link run another program.
    #[error("updating {program} on {target}")]
    Update {
        /// The program.
        program: String,
        /// To what the link attaches it.
        target: Target,
    },
    /// Detaching a pinned link.
    #[error("detaching {}", .0.display())]
    Detach(PathBuf),
    /// Reading a directory of pins.
    #[error("reading {}", .0.display())]
    ReadPins(PathBuf),
    /// Making a directory of pins.
    #[error("making {}", .0.display())]
    MakeDirectory(PathBuf),
    /// Renaming a pin.
    #[error("renaming {}", .0.display())]
    Rename(PathBuf),
    /// Removing a directory of pins.
    #[error("removing {}", .0.display())]
    Remove(PathBuf),
}

/// How a health check failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HealthFailure {
    /// The description gives no command.
    #[error("has no command")]
    NoCommand,
    /// The command cannot be started.
    #[error("could not be started ({0})")]
    NotStarted(io::Error),
    /// The command ended, and not with 0.
    #[error("ended with {0}")]
    Ended(ExitStatus),
    /// The command was still running when its time was over.
    #[error("took more than {seconds} s")]
    TooSlow {
        /// Its time, in seconds.
        seconds: u64,
    },
    /// The system does not say how the command ended.
    #[error("could not be watched ({0})")]
    NotWatched(io::Error),
}

/// What is wrong with an application.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// It has neither an object nor an image, or both.
    #[error("it needs either `object` or `image`")]
    Source,
    /// Its name cannot be a directory of pins.
    #[error("a name has letters, digits, `-` and `_`")]
    Name,
    /// A key needs an image.
    #[error("`key` is for images, which are signed; it has an object")]
    KeyWithoutImage,
    /// A program is attached to interfaces, and none are named.
    #[error("program {program} is attached to interfaces: say which with `interfaces`")]
    NeedsInterfaces {
        /// The program.
        program: String,
    },
    /// A program is attached to cgroups, and none are named.
    #[error("program {program} is attached to cgroups: say which with `cgroups`")]
    NeedsCgroups {
        /// The program.
        program: String,
    },
    /// The object has no such program.
    #[error("the object has no program {program}")]
    NoProgram {
        /// The program.
        program: String,
        /// The one that was meant, perhaps.
        near: Option<String>,
    },
    /// The object has no such variable.
    #[error("the object has no global {global}")]
    NoGlobal {
        /// The variable.
        global: String,
        /// The one that was meant, perhaps.
        near: Option<String>,
    },
    /// The value does not fit the variable.
    #[error("global {global} has {size} bytes, which cannot hold {value}")]
    GlobalSize {
        /// The variable.
        global: String,
        /// Its bytes.
        size: u32,
        /// The value.
        value: String,
    },
    /// Not a pattern.
    #[error("{pattern:?} is not a pattern")]
    Pattern {
        /// What was given.
        pattern: String,
    },
    /// More programs on one hook than the kernel runs.
    #[error("{hook} would have {count} programs of this description, and the kernel runs {limit}")]
    Crowded {
        /// The hook: "tcx of eth0".
        hook: String,
        /// How many there would be.
        count: usize,
        /// How many there can be.
        limit: usize,
    },
}

impl Error {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Error::Syntax { near, .. }
            | Error::Application {
                problem: Problem::NoProgram { near, .. } | Problem::NoGlobal { near, .. },
                ..
            } => near.as_ref().map(|near| format!("is it `{near}`?")),
            Error::Image { error, .. } => error.help(),
            _ => None,
        }
    }
}

/// The name that differs least from the one given, if it is near.
pub(super) fn near<'n>(name: &str, names: impl IntoIterator<Item = &'n str>) -> Option<String> {
    names
        .into_iter()
        .map(|other| (strsim::damerau_levenshtein(name, other), other))
        .filter(|(distance, other)| *distance <= other.len().max(name.len()) / 3)
        .min()
        .map(|(_, other)| other.to_owned())
}
