/// Why BTF could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The data ends before its header, or its header claims more than there is.
    #[error(
        "BTF is truncated: {what} needs {needs} bytes, {has} are there; rebuild the object or copy it again"
    )]
    Truncated {
        /// Which part.
        what: &'static str,
        /// Bytes needed.
        needs: u64,
        /// Bytes present.
        has: u64,
    },
    /// Not BTF at all.
    #[error("not BTF: it starts with {magic:#06x}, not with the magic 0xeb9f")]
    BadMagic {
        /// What is there instead.
        magic: u16,
    },
    /// A version of the format nobody has defined yet.
    #[error("BTF version {version} is unknown (only version 1 exists)")]
    BadVersion {
        /// The version found.
        version: u8,
    },
    /// A section, record or header that contradicts itself.
    #[error("malformed BTF: {what}")]
    Malformed {
        /// What is wrong, and where.
        what: String,
    },
    /// A kind of type this version of Hachi doesn't know, so it cannot even skip it.
    #[error(
        "BTF type [{id}] is of kind {kind}, unknown to this version of Hachi (it knows 1 to 19); update Hachi, or build with a matching compiler"
    )]
    UnknownKind {
        /// Id of the type.
        id: u32,
        /// Its kind number.
        kind: u32,
    },
    /// A reference to a type that isn't there.
    #[error("BTF has no type [{id}] (its ids go up to {last})")]
    NoSuchType {
        /// Id asked for.
        id: u32,
        /// The highest id there is.
        last: u32,
    },
    /// A string offset outside the string section, or a string that isn't UTF-8.
    #[error("BTF string at offset {offset} is {what}")]
    BadString {
        /// Offset in the string section.
        offset: u32,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Something that doesn't fit the format's fields.
    #[error("cannot encode BTF type [{id}] '{name}': {what}")]
    Encode {
        /// Id of the type.
        id: u32,
        /// Its name, if it has one.
        name: String,
        /// What doesn't fit.
        what: String,
    },
}

impl Error {
    pub(crate) fn malformed(what: impl Into<String>) -> Error {
        Error::Malformed { what: what.into() }
    }
}
