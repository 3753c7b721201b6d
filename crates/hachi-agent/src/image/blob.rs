//! An image in memory, and what its layers hold.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

use flate2::read::GzDecoder;
use hachi_btf::Endian;
use oci_spec::image::{Descriptor, Digest, ImageIndex, ImageManifest, MediaType};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::build::{GADGET_BTF, GADGET_OBJECT};
use super::{Error, Metadata, Part, Platform, Result};

/// No blob of an image of eBPF objects is as large, and no file in one.
pub const LARGEST_BLOB: u64 = 256 << 20;

/// The four bytes that every object begins with.
const ELF_MAGIC: &[u8] = b"\x7fELF";

/// The digest that names these bytes.
pub fn digest(bytes: &[u8]) -> Digest {
    let hash = Sha256::digest(bytes);
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
        .parse()
        .expect("a SHA-256 digest is one")
}

/// A document with its keys in order, so that equal documents are equal bytes. The types of
/// `oci-spec` keep labels and annotations in hash maps.
pub fn canonical(document: &impl Serialize) -> Vec<u8> {
    fn sorted(value: serde_json::Value) -> serde_json::Value {
        match value {
            serde_json::Value::Object(map) => {
                let map: BTreeMap<_, _> = map.into_iter().collect();
                map.into_iter()
                    .map(|(key, value)| (key, sorted(value)))
                    .collect()
            }
            serde_json::Value::Array(items) => items.into_iter().map(sorted).collect(),
            other => other,
        }
    }
    let value = serde_json::to_value(document).expect("these documents have text keys");
    serde_json::to_vec(&sorted(value)).expect("a value is printable")
}

/// An image: a root document and all that it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The index, or the only manifest.
    pub root: Descriptor,
    /// Every blob by its digest: the index, manifests, configurations, layers.
    pub blobs: BTreeMap<String, Vec<u8>>,
}

/// One platform's part of an image.
#[derive(Debug, Clone)]
pub struct Content {
    /// The manifest's digest.
    pub digest: Digest,
    /// What the index says it is for; `None` for an image without an index.
    pub platform: Option<Platform>,
    /// What it consists of.
    pub manifest: ImageManifest,
}

/// What a layer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LayerKind {
    /// An eBPF object.
    Object,
    /// The types of a kernel.
    Btf,
}

/// A layer's one file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Layer {
    /// The layer's digest.
    pub digest: String,
    /// What it is.
    pub kind: LayerKind,
    /// The file's name: of an object, or `5.10.0-30-amd64.btf`.
    pub name: String,
    /// The file.
    pub bytes: Vec<u8>,
}

impl Image {
    /// An empty image with this root.
    pub(super) fn new(root: Descriptor) -> Image {
        Image {
            root,
            blobs: BTreeMap::new(),
        }
    }

    /// The digest that names the whole image.
    pub fn digest(&self) -> &Digest {
        self.root.digest()
    }

    /// Puts a blob where its digest says.
    pub(super) fn add(&mut self, bytes: Vec<u8>) -> Digest {
        let digest = digest(&bytes);
        self.blobs.insert(digest.to_string(), bytes);
        digest
    }

    /// A blob, after its digest has been checked.
    ///
    /// # Errors
    /// If it is missing or not what its digest says.
    pub fn blob(&self, digest: &Digest) -> Result<&[u8]> {
        let bytes = self
            .blobs
            .get(digest.as_ref())
            .ok_or_else(|| Error::MissingBlob {
                digest: digest.to_string(),
            })?;
        check(digest, bytes)?;
        Ok(bytes)
    }

    fn document<T: DeserializeOwned>(
        &self,
        part: fn(String) -> Part,
        digest: &Digest,
    ) -> Result<T> {
        parse(self.blob(digest)?, || part(digest.to_string()))
    }

    /// The parts of the image, one for each platform.
    ///
    /// # Errors
    /// If a document is missing, has been changed or is not valid.
    pub fn contents(&self) -> Result<Vec<Content>> {
        if !is_index(self.root.media_type()) {
            return Ok(vec![Content {
                digest: self.root.digest().clone(),
                platform: None,
                manifest: self.document(Part::Manifest, self.root.digest())?,
            }]);
        }
        let index: ImageIndex = self.document(Part::Index, self.root.digest())?;
        index
            .manifests()
            .iter()
            .map(|descriptor| {
                let platform = descriptor.platform().as_ref();
                Ok(Content {
                    digest: descriptor.digest().clone(),
                    platform: platform.and_then(|p| p.architecture().to_string().parse().ok()),
                    manifest: self.document(Part::Manifest, descriptor.digest())?,
                })
            })
            .collect()
    }

    /// The part for a platform: its own, or that of an image that does not tell platforms apart.
    ///
    /// # Errors
    /// If there is none, or a document is not valid.
    pub fn content_for(&self, platform: Platform) -> Result<Content> {
        let contents = self.contents()?;
        let available = contents.iter().filter_map(|content| content.platform);
        let available: Vec<Platform> = available.collect();
        contents
            .into_iter()
            .find(|content| content.platform.is_none_or(|of| of == platform))
            .ok_or(Error::NoPlatform {
                platform,
                available,
            })
    }

    /// What a part says about itself; `None` for an image that Hachi did not build.
    ///
    /// # Errors
    /// If the configuration is missing, or its label is not valid.
    pub fn metadata(&self, content: &Content) -> Result<Option<Metadata>> {
        let config = content.manifest.config();
        if config.media_type() != &MediaType::ImageConfig {
            return Ok(None);
        }
        let digest = config.digest();
        let config: oci_spec::image::ImageConfiguration =
            self.document(Part::Configuration, digest)?;
        let labels = config.config().as_ref().and_then(|c| c.labels().as_ref());
        let Some(text) = labels.and_then(|labels| labels.get(Metadata::LABEL)) else {
            return Ok(None);
        };
        parse(text.as_bytes(), || Part::Label(digest.to_string())).map(Some)
    }

    /// The files of a part's layers.
    ///
    /// # Errors
    /// If a layer is missing, has been changed, is too large, or holds no file.
    pub fn layers(&self, content: &Content) -> Result<Vec<Layer>> {
        content
            .manifest
            .layers()
            .iter()
            .map(|descriptor| self.layer(descriptor))
            .collect()
    }

    fn layer(&self, descriptor: &Descriptor) -> Result<Layer> {
        let digest = descriptor.digest().to_string();
        let bytes = self.blob(descriptor.digest())?;
        let title = descriptor
            .annotations()
            .as_ref()
            .and_then(|all| all.get(oci_spec::image::ANNOTATION_TITLE));
        let plain = |kind, name: &str| Layer {
            digest: digest.clone(),
            kind,
            name: title.map_or(name, String::as_str).to_owned(),
            bytes: bytes.to_vec(),
        };
        match descriptor.media_type().to_string().as_str() {
            GADGET_OBJECT => return Ok(plain(LayerKind::Object, "program.o")),
            GADGET_BTF => return Ok(plain(LayerKind::Btf, "btf.tar.gz")),
            _ => {}
        }
        let (name, bytes) = only_file(&digest, bytes)?;
        let kind = match bytes.starts_with(ELF_MAGIC) {
            true => LayerKind::Object,
            false => LayerKind::Btf,
        };
        Ok(Layer {
            digest,
            kind,
            name,
            bytes,
        })
    }
}

/// Whether a document names others for different platforms.
pub fn is_index(media_type: &MediaType) -> bool {
    *media_type == MediaType::ImageIndex
        || media_type.to_string() == oci_client::manifest::IMAGE_MANIFEST_LIST_MEDIA_TYPE
}

/// Whether bytes are what their digest says.
pub fn check(expected: &Digest, bytes: &[u8]) -> Result<()> {
    let found = digest(bytes);
    match found.as_ref() == expected.as_ref() {
        true => Ok(()),
        false => Err(Error::Digest {
            expected: expected.to_string(),
            found: found.to_string(),
        }),
    }
}

/// A JSON document.
pub fn parse<T: DeserializeOwned>(bytes: &[u8], part: impl FnOnce() -> Part) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| Error::Malformed {
        part: part(),
        error: error.into(),
    })
}

/// The first regular file of a gzipped tar archive, which is where bpfman looks for the object.
fn only_file(digest: &str, bytes: &[u8]) -> Result<(String, Vec<u8>)> {
    let malformed = |error: std::io::Error| Error::Malformed {
        part: Part::Layer(digest.to_owned()),
        error: error.into(),
    };
    // One byte more than may be there, so that too much is seen. Headers add a few blocks.
    let unpacked = GzDecoder::new(bytes).take(LARGEST_BLOB + (1 << 20));
    let mut archive = tar::Archive::new(unpacked);
    for entry in archive.entries().map_err(malformed)? {
        let entry = entry.map_err(malformed)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path: PathBuf = entry.path().map_err(malformed)?.into_owned();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let mut file = Vec::new();
        entry
            .take(LARGEST_BLOB + 1)
            .read_to_end(&mut file)
            .map_err(malformed)?;
        if file.len() as u64 > LARGEST_BLOB {
            return Err(Error::TooLarge {
                part: Part::FileOfLayer {
                    name,
                    layer: digest.to_owned(),
                },
                limit: LARGEST_BLOB,
            });
        }
        return Ok((name, file));
    }
    Err(Error::NotAnObjectLayer {
        digest: digest.to_owned(),
    })
}

/// The byte order in words.
pub fn order_name(order: Endian) -> &'static str {
    match order {
        Endian::Little => "little-endian",
        Endian::Big => "big-endian",
    }
}
