//! What can go wrong with attaching.

use std::fmt;

#[cfg(feature = "uprobe")]
use crate::user::error::PlaceError;
use crate::{features::Unsupported, pin::PinError, sys::errno::SyscallError, tracefs::EventError};

/// An error of attaching, updating or detaching.
#[derive(Debug)]
#[non_exhaustive]
pub enum LinkError {
    /// There is no interface of that name in this network namespace.
    NoSuchInterface {
        /// The name asked for.
        name: String,
        /// The names there are.
        existing: Vec<String>,
    },

    /// There is no interface with that index in this network namespace.
    NoSuchInterfaceIndex {
        /// The index asked for.
        index: u32,
        /// The names of the interfaces there are.
        existing: Vec<String>,
    },

    /// Another program is attached to the interface.
    InterfaceBusy {
        /// The interface.
        interface: String,
        /// Which program, in which mode, held by what.
        occupant: String,
        /// Id of the program, when it could be found out.
        program_id: Option<u32>,
        /// Id of the link that holds it; `None` when it was attached by netlink.
        link_id: Option<u32>,
        /// How to get it off.
        advice: String,
    },

    /// The section of the program (and the options) do not say where to attach it, or programs of
    /// its kind are not attached.
    NoTarget(String),

    /// What was asked for cannot be.
    Invalid(String),

    /// What the program was to be attached to does not exist.
    NoSuchTarget {
        /// What it would have been: `tracepoint`.
        what: &'static str,
        /// Its name.
        name: String,
        /// Names like it, as the rest of the sentence; or empty.
        hint: String,
    },

    /// A file that says where to attach cannot be read, or is not what it should be.
    Io {
        /// What the program was to be attached to.
        target: String,
        /// What is wrong; names the file.
        error: std::io::Error,
    },

    /// The kernel refused to attach.
    Attach {
        /// What the program was to be attached to.
        target: String,
        /// The kernel's answer.
        error: SyscallError,
    },

    /// The kernel refused to say what is attached.
    Query {
        /// What was asked about.
        target: String,
        /// The kernel's answer.
        error: SyscallError,
    },

    /// The kernel refused another operation on the attachment.
    Syscall {
        /// What was to be done.
        operation: &'static str,
        /// The kernel's answer.
        error: SyscallError,
    },

    /// The program has no such link: it was detached or taken already.
    NotAttached,

    /// The link is of another sort than asked for.
    WrongKind(&'static str),

    /// Something about pins failed.
    Pin(PinError),

    /// The running kernel is too old for it.
    Unsupported(Unsupported),
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinkError::NoSuchInterface { name, existing } => write!(
                f,
                "no network interface {name:?}; there are {}",
                crate::error::list(existing)
            ),
            LinkError::NoSuchInterfaceIndex { index, existing } => write!(
                f,
                "no network interface has index {index}; there are {}",
                crate::error::list(existing)
            ),
            LinkError::InterfaceBusy {
                interface,
                occupant,
                advice,
                ..
            } => write!(
                f,
                "interface {interface:?} is taken by {occupant}; {advice}"
            ),
            LinkError::NoTarget(text) => f.write_str(text),
            LinkError::Invalid(text) => f.write_str(text),
            LinkError::NoSuchTarget { what, name, hint } => {
                write!(f, "there is no {what} {name:?}{hint}")
            }
            LinkError::Io { target, error } => write!(f, "cannot attach to {target}: {error}"),
            LinkError::Attach { target, error } => write!(f, "cannot attach to {target}: {error}"),
            LinkError::Query { target, error } => {
                write!(f, "cannot list the programs at {target}: {error}")
            }
            LinkError::Syscall { operation, error } => {
                write!(f, "cannot {operation} the link: {error}")
            }
            LinkError::NotAttached => {
                f.write_str("the program has no such link: it was detached or taken before")
            }
            LinkError::WrongKind(text) => f.write_str(text),
            LinkError::Pin(error) => write!(f, "{error}"),
            LinkError::Unsupported(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for LinkError {}

impl From<PinError> for LinkError {
    fn from(error: PinError) -> Self {
        LinkError::Pin(error)
    }
}

impl From<Unsupported> for LinkError {
    fn from(error: Unsupported) -> Self {
        LinkError::Unsupported(error)
    }
}

#[cfg(feature = "uprobe")]
impl From<PlaceError> for LinkError {
    fn from(error: PlaceError) -> Self {
        match error {
            PlaceError::NoSuch { what, name, hint } => LinkError::NoSuchTarget { what, name, hint },
            PlaceError::Unusable(text) => LinkError::Invalid(text),
            PlaceError::Io { file, error } => LinkError::Io {
                target: file,
                error,
            },
        }
    }
}

impl From<EventError> for LinkError {
    fn from(error: EventError) -> Self {
        match error {
            EventError::NoSuch { what, name, hint } => LinkError::NoSuchTarget { what, name, hint },
            EventError::Io { event, error } => LinkError::Io {
                target: event,
                error,
            },
        }
    }
}

impl LinkError {
    pub(crate) fn attach(target: &str, error: SyscallError) -> Self {
        LinkError::Attach {
            target: target.to_owned(),
            error,
        }
    }

    pub(crate) fn query(target: String, error: SyscallError) -> Self {
        LinkError::Query { target, error }
    }

    pub(crate) fn io(target: impl Into<String>, error: std::io::Error) -> Self {
        LinkError::Io {
            target: target.into(),
            error,
        }
    }

    pub(crate) fn no_such(what: &'static str, name: &str, hint: String) -> Self {
        LinkError::NoSuchTarget {
            what,
            name: name.to_owned(),
            hint,
        }
    }
}
