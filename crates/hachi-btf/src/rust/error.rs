//! Why there are no bindings.

use std::fmt;

use crate::Error as BtfError;

/// Why there are no bindings.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// Nothing has that name.
    Unknown {
        /// What was asked for.
        pattern: String,
        /// Names that are similar, best first.
        near: Vec<String>,
    },
    /// Something has that name, but only as another one for a number, a pointer or the like.
    OnlyName {
        /// What was asked for.
        pattern: String,
        /// The first name that it fits.
        name: String,
    },
    /// There is no such kind of thing.
    UnknownKind {
        /// What was asked for.
        pattern: String,
        /// What stands before its colon.
        kind: String,
    },
    /// Nothing was asked for.
    Nothing,
    /// The BTF is damaged.
    Btf(BtfError),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Unknown { pattern, near } => write!(
                f,
                "nothing is named `{pattern}` in this BTF{}",
                suggestion(near)
            ),
            Error::OnlyName { pattern, name } => write!(
                f,
                "`{pattern}`: `{name}` is only a name for something that is not a \
                 structure, union or enum, so that there is nothing to generate"
            ),
            Error::UnknownKind { pattern, kind } => write!(
                f,
                "`{pattern}`: there is no kind `{kind}`; write `fn:`, `tp:`, `lsm:`, `iter:`, \
                 `kfunc:` or `struct_ops:` before a name, or nothing for types"
            ),
            Error::Nothing => {
                f.write_str("nothing was asked for: name a type, such as `task_struct`")
            }
            Error::Btf(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<BtfError> for Error {
    fn from(error: BtfError) -> Self {
        Error::Btf(error)
    }
}

fn suggestion(near: &[String]) -> String {
    match near {
        [] => String::new(),
        near => format!("; similar: {}", near.join(", ")),
    }
}
