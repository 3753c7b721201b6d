//! eBPF objects as OCI images.
//!
//! An image is an index with a manifest for each platform. A manifest's configuration carries
//! labels that say what is in the objects; each layer is a gzipped tar archive of one file: an
//! object, or types (BTF) for a kernel without its own. This is what bpfman reads; Inspektor
//! Gadget's layout ([`Layout::Gadget`]) holds the same object as it is.
//!
//! Building is pure: the same objects give the same bytes, on every machine.

mod blob;
mod build;
mod credentials;
mod error;
mod metadata;
mod platform;
mod registry;
mod signature;
mod store;

pub use blob::{Content, Image, Layer, LayerKind};
pub use build::{Builder, Layout};
pub use error::{Error, FileOperation, Part, Transfer};
pub use metadata::Metadata;
pub use oci_client::Reference;
pub use oci_spec::image::Digest;
pub use platform::Platform;
pub use registry::{PlainHttp, Registry};
pub use signature::{PrivateKey, PublicKey, SIGNATURE_MEDIA_TYPE, signature_tag};
pub use store::{Store, read_file, write_file};

/// What these functions return.
pub type Result<T> = std::result::Result<T, Error>;

/// Reads the name of an image: `registry.example/team/firewall:1.2`, or with a digest.
///
/// # Errors
/// Says what is wrong with the name.
pub fn parse_reference(text: &str) -> Result<Reference> {
    text.parse().map_err(|error| Error::Reference {
        text: text.to_owned(),
        error,
    })
}
