//! What goes wrong with images.

use std::path::PathBuf;
use std::{fmt, io};

use hachi_btf::Endian;
use oci_client::errors::OciDistributionError;
use oci_client::{ParseError, Reference};

/// Why an image could not be built, read, sent, fetched, signed or verified.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is not the name of an image.
    #[error("{text:?} is not the name of an image")]
    Reference {
        /// What was given.
        text: String,
        /// What is wrong with it.
        #[source]
        error: ParseError,
    },
    /// A file could not be read or written.
    #[error("{doing} {}", path.display())]
    File {
        /// What was to be done with it.
        doing: FileOperation,
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// An object cannot be read.
    #[error("object {}", path.display())]
    Object {
        /// The file, or the name of its layer.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        error: hachi_obj::Error,
    },
    /// An image needs an object.
    #[error("an image holds at least one object")]
    NoObject,
    /// An object was asked to run where its byte order is another.
    #[error(
        "{}: the object is {}, and {platform} is not",
        path.display(),
        super::blob::order_name(*order)
    )]
    ByteOrder {
        /// The object.
        path: PathBuf,
        /// Its byte order.
        order: Endian,
        /// The platform asked for.
        platform: super::Platform,
    },
    /// Two layers of one manifest would have the same file name.
    #[error("two objects for {platform} are called {name}")]
    SameName {
        /// Their file name.
        name: String,
        /// The platform.
        platform: super::Platform,
    },
    /// The layout holds one object a platform.
    #[error(
        "Inspektor Gadget's layout holds one object for each platform, and {platform} has {count}"
    )]
    OneObject {
        /// The platform.
        platform: super::Platform,
        /// How many it has.
        count: usize,
    },
    /// A platform that is not known.
    #[error("there is no architecture {text:?} for eBPF objects")]
    Architecture {
        /// What was given.
        text: String,
    },
    /// Not as the specification of images wants it.
    #[error("{part} is not valid")]
    Malformed {
        /// The part of the image.
        part: Part,
        /// How it is not.
        #[source]
        error: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The content is not what its digest says.
    #[error("blob {expected} has been changed: its digest is {found}")]
    Digest {
        /// The digest that names it.
        expected: String,
        /// The digest that it has.
        found: String,
    },
    /// The image names a blob that is not there.
    #[error("blob {digest} is missing")]
    MissingBlob {
        /// Its digest.
        digest: String,
    },
    /// A blob, a file in it, or all files of a layer are larger than anything real.
    #[error("{part} is larger than {limit} bytes")]
    TooLarge {
        /// The part of the image.
        part: Part,
        /// The most that is read.
        limit: u64,
    },
    /// A layer holds no object.
    #[error("layer {digest} holds no file that is an object")]
    NotAnObjectLayer {
        /// The layer.
        digest: String,
    },
    /// The image has nothing for this machine.
    #[error("the image has nothing for {platform}, only for {}", names(available))]
    NoPlatform {
        /// What was asked for.
        platform: super::Platform,
        /// What there is.
        available: Vec<super::Platform>,
    },
    /// The store has no such image.
    #[error("there is no image {name} in {}", store.display())]
    NotStored {
        /// The image's name.
        name: String,
        /// The store's directory.
        store: PathBuf,
        /// The name that was meant, perhaps.
        near: Option<String>,
    },
    /// The registry did not do it.
    #[error("{doing} {reference}")]
    Registry {
        /// What was asked of it.
        doing: Transfer,
        /// The image.
        reference: Box<Reference>,
        /// What went wrong.
        #[source]
        error: Box<OciDistributionError>,
    },
    /// The stored credentials for a registry cannot be had.
    #[error("credentials for {registry}")]
    Credentials {
        /// The registry.
        registry: String,
        /// Why.
        #[source]
        error: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file is not a key.
    #[error("{}: not a key", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What it should be, or why not.
        #[source]
        problem: KeyProblem,
    },
    /// Nobody signed the image, as far as the store or registry knows.
    #[error("{name} ({digest}) is not signed")]
    Unsigned {
        /// The image.
        name: String,
        /// Its digest.
        digest: String,
    },
    /// No signature was made with the key, or for this image.
    #[error("{name} ({digest}): no signature is by that key")]
    WrongSignature {
        /// The image.
        name: String,
        /// Its digest.
        digest: String,
    },
}

/// What is done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileOperation {
    /// It is read.
    Read,
    /// It is written.
    Write,
    /// It is removed.
    Remove,
    /// The directory is made.
    Make,
    /// It is locked.
    Lock,
}

impl fmt::Display for FileOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FileOperation::Read => "reading",
            FileOperation::Write => "writing",
            FileOperation::Remove => "removing",
            FileOperation::Make => "making",
            FileOperation::Lock => "locking",
        })
    }
}

/// What is asked of a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transfer {
    /// It is sent an image.
    Push,
    /// An image is fetched from it.
    Pull,
}

impl fmt::Display for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Transfer::Push => "pushing",
            Transfer::Pull => "pulling",
        })
    }
}

/// A part of an image, or of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// The index with this digest.
    Index(String),
    /// The manifest with this digest.
    Manifest(String),
    /// The configuration with this digest.
    Configuration(String),
    /// The label that Hachi sets, of the configuration with this digest.
    Label(String),
    /// The layer with this digest.
    Layer(String),
    /// A file of a layer.
    FileOfLayer {
        /// Its name.
        name: String,
        /// The layer's digest.
        layer: String,
    },
    /// A blob of any kind with this digest.
    Blob(String),
    /// A digest itself.
    Digest(String),
    /// A media type.
    MediaType(String),
    /// A file.
    File(PathBuf),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Index(digest) => write!(f, "index {digest}"),
            Part::Manifest(digest) => write!(f, "manifest {digest}"),
            Part::Configuration(digest) => write!(f, "configuration {digest}"),
            Part::Label(digest) => {
                write!(
                    f,
                    "label {} of configuration {digest}",
                    super::Metadata::LABEL
                )
            }
            Part::Layer(digest) => write!(f, "layer {digest}"),
            Part::FileOfLayer { name, layer } => write!(f, "{name} in layer {layer}"),
            Part::Blob(digest) => write!(f, "blob {digest}"),
            Part::Digest(text) => write!(f, "digest {text}"),
            Part::MediaType(text) => write!(f, "media type {text:?}"),
            Part::File(path) => path.display().fmt(f),
        }
    }
}

/// Platforms in a list.
fn names(platforms: &[super::Platform]) -> String {
    let names: Vec<&str> = platforms.iter().map(|platform| platform.name()).collect();
    names.join(", ")
}

/// What is wrong with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyProblem {
    /// It is not a private key in the form that is read.
    #[error("it is not a PEM file with an unencrypted P-256 private key (PKCS #8)")]
    NotPrivate,
    /// It is not a public key in the form that is read.
    #[error("it is not a PEM file with a P-256 public key")]
    NotPublic,
    /// It is encrypted.
    #[error("it is encrypted, which is not read")]
    Encrypted,
}

impl Error {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Error::NoPlatform { platform, .. } => {
                format!("build it with an object for {platform}: --arch {platform}=OBJECT")
            }
            Error::Architecture { .. } => {
                format!("there are {}", super::Platform::names().join(", "))
            }
            Error::NotStored {
                near: Some(near), ..
            } => format!("is it {near}?"),
            Error::NotStored { name, .. } => {
                format!(
                    "`hachi image pull {name}` fetches it, `hachi image build -t {name}` makes it"
                )
            }
            Error::Key { problem, .. } => {
                let pair =
                    "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem";
                match problem {
                    KeyProblem::NotPublic => {
                        "openssl pkey -in key.pem -pubout -out key.pub writes it".to_owned()
                    }
                    KeyProblem::NotPrivate | KeyProblem::Encrypted => {
                        format!("{pair} makes one")
                    }
                }
            }
            Error::Unsigned { name, .. } => {
                format!("`hachi image sign --key FILE {name}` signs it")
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_made_of_the_fields() {
        let platform = |name: &str| name.parse::<super::super::Platform>().unwrap();
        let errors = [
            (
                Error::NoPlatform {
                    platform: platform("s390x"),
                    available: vec![platform("amd64"), platform("arm64")],
                },
                "the image has nothing for s390x, only for amd64, arm64",
            ),
            (
                Error::ByteOrder {
                    path: "a.o".into(),
                    order: Endian::Big,
                    platform: platform("amd64"),
                },
                "a.o: the object is big-endian, and amd64 is not",
            ),
            (
                Error::TooLarge {
                    part: Part::FileOfLayer {
                        name: "a.o".to_owned(),
                        layer: "sha256:12".to_owned(),
                    },
                    limit: 5,
                },
                "a.o in layer sha256:12 is larger than 5 bytes",
            ),
            (
                Error::File {
                    doing: FileOperation::Lock,
                    path: "store/lock".into(),
                    error: io::Error::from_raw_os_error(libc::EACCES),
                },
                "locking store/lock",
            ),
        ];
        for (error, text) in errors {
            assert_eq!(error.to_string(), text);
        }
        assert_eq!(Transfer::Pull.to_string(), "pulling");
        assert_eq!(
            Part::Manifest("sha256:12".into()).to_string(),
            "manifest sha256:12"
        );
    }
}
