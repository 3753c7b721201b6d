use std::fmt;

/// Why BTF could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The data ends before its header, or its header claims more than there is.
    Truncated {
        /// Which part.
        what: &'static str,
        /// Bytes needed.
        needs: u64,
        /// Bytes present.
        has: u64,
    },
    /// Not BTF at all.
    BadMagic {
        /// What is there instead.
        magic: u16,
    },
    /// A version of the format nobody has defined yet.
    BadVersion {
        /// The version found.
        version: u8,
    },
    /// A section, record or header that contradicts itself.
    Malformed {
        /// What is wrong, and where.
        what: String,
    },
    /// A kind of type this version of Hachi doesn't know, so it cannot even skip it.
    UnknownKind {
        /// Id of the type.
        id: u32,
        /// Its kind number.
        kind: u32,
    },
    /// A reference to a type that isn't there.
    NoSuchType {
        /// Id asked for.
        id: u32,
        /// The highest id there is.
        last: u32,
    },
    /// A string offset outside the string section, or a string that isn't UTF-8.
    BadString {
        /// Offset in the string section.
        offset: u32,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Something that doesn't fit the format's fields.
    Encode {
        /// Id of the type.
        id: u32,
        /// Its name, if it has one.
        name: String,
        /// What doesn't fit.
        what: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Truncated { what, needs, has } => write!(
                f,
                "BTF is truncated: {what} needs {needs} bytes, {has} are there; rebuild the object \
                 or copy it again"
            ),
            Error::BadMagic { magic } => write!(
                f,
                "not BTF: it starts with {magic:#06x}, not with the magic 0xeb9f"
            ),
            Error::BadVersion { version } => write!(
                f,
                "BTF version {version} is unknown (only version 1 exists)"
            ),
            Error::Malformed { what } => write!(f, "malformed BTF: {what}"),
            Error::UnknownKind { id, kind } => write!(
                f,
                "BTF type [{id}] is of kind {kind}, unknown to this version of Hachi (it knows 1 \
                 to 19); update Hachi, or build with a matching compiler"
            ),
            Error::NoSuchType { id, last } => {
                write!(f, "BTF has no type [{id}] (its ids go up to {last})")
            }
            Error::BadString { offset, what } => {
                write!(f, "BTF string at offset {offset} is {what}")
            }
            Error::Encode { id, name, what } => {
                write!(f, "cannot encode BTF type [{id}] '{name}': {what}")
            }
        }
    }
}

impl std::error::Error for Error {}

impl Error {
    pub(crate) fn malformed(what: impl Into<String>) -> Error {
        Error::Malformed { what: what.into() }
    }
}
