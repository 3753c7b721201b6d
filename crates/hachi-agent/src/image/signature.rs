//! Signatures of images, as cosign makes and checks them with a key pair.
//!
//! What is signed is a small document that names the image's digest. It is stored as an image of
//! its own, under a tag made of that digest.

use std::collections::HashMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use oci_client::Reference;
use oci_spec::image::{
    Descriptor, Digest, ImageConfigurationBuilder, ImageManifestBuilder, MediaType, RootFsBuilder,
};
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use p256::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _};
use serde_json::json;

use super::blob::{Image, canonical, digest};
use super::error::KeyProblem;
use super::store::read_file;
use super::{Error, Result};

/// The type of what is signed.
pub const SIGNATURE_MEDIA_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// Where the signature stands.
const ANNOTATION: &str = "dev.cosignproject.cosign/signature";
/// What the signed document says it is.
const KIND: &str = "cosign container image signature";

/// No key file is as large.
const LARGEST_KEY: u64 = 64 << 10;

/// The name under which an image's signatures are kept: `NAME:sha256-….sig`.
pub fn signature_tag(reference: &Reference, image: &Digest) -> Reference {
    Reference::with_tag(
        reference.registry().to_owned(),
        reference.repository().to_owned(),
        format!("{}.sig", image.as_ref().replace(':', "-")),
    )
}

/// The key that signs.
pub struct PrivateKey(SigningKey);

impl PrivateKey {
    /// Reads a P-256 key in PEM (PKCS #8), as `openssl genpkey` writes it.
    ///
    /// # Errors
    /// If the file cannot be read or is not such a key.
    pub fn read(path: &Path) -> Result<PrivateKey> {
        let text = read_text(path)?;
        let key = SigningKey::from_pkcs8_pem(&text).map_err(|_| Error::Key {
            path: path.to_owned(),
            problem: match text.contains("ENCRYPTED") {
                true => KeyProblem::Encrypted,
                false => KeyProblem::NotPrivate,
            },
        })?;
        Ok(PrivateKey(key))
    }

    /// The key that checks what this one signs.
    pub fn public(&self) -> PublicKey {
        PublicKey(*self.0.verifying_key())
    }

    /// The image's signatures with one more: `known` are those that it has already.
    ///
    /// # Errors
    /// If what is known is not valid.
    pub fn sign(&self, name: &Reference, image: &Image, known: Option<&Image>) -> Result<Image> {
        let payload = canonical(&json!({
            "critical": {
                "identity": {
                    "docker-reference": format!("{}/{}", name.registry(), name.repository()),
                },
                "image": { "docker-manifest-digest": image.digest().as_ref() },
                "type": KIND,
            },
            "optional": null,
        }));
        let signature: Signature = self.0.sign(&payload);
        let mut layer = Descriptor::new(
            MediaType::Other(SIGNATURE_MEDIA_TYPE.to_owned()),
            payload.len() as u64,
            digest(&payload),
        );
        let text = BASE64.encode(signature.to_der());
        layer.set_annotations(Some(HashMap::from([(ANNOTATION.to_owned(), text)])));
        let mut layers = Vec::new();
        let mut blobs = vec![payload];
        if let Some(known) = known {
            for content in known.contents()? {
                for descriptor in content.manifest.layers() {
                    blobs.push(known.blob(descriptor.digest())?.to_vec());
                    layers.push(descriptor.clone());
                }
            }
        }
        // Signing is deterministic: the same key signs the same image once.
        layers.retain(|known| known.annotations() != layer.annotations());
        layers.push(layer);
        Ok(signature_image(layers, blobs))
    }
}

/// An image of signatures.
fn signature_image(layers: Vec<Descriptor>, blobs: Vec<Vec<u8>>) -> Image {
    let diff_ids: Vec<String> = layers.iter().map(|l| l.digest().to_string()).collect();
    let config = ImageConfigurationBuilder::default()
        .architecture("")
        .os("")
        .rootfs(
            RootFsBuilder::default()
                .typ("layers")
                .diff_ids(diff_ids)
                .build()
                .expect("both fields are set"),
        )
        .build()
        .expect("all fields are set");
    let config = canonical(&config);
    let manifest = ImageManifestBuilder::default()
        .schema_version(2u32)
        .media_type(MediaType::ImageManifest)
        .config(Descriptor::new(
            MediaType::ImageConfig,
            config.len() as u64,
            digest(&config),
        ))
        .layers(layers)
        .build()
        .expect("all fields are set");
    let manifest = canonical(&manifest);
    let mut image = Image::new(Descriptor::new(
        MediaType::ImageManifest,
        manifest.len() as u64,
        digest(&manifest),
    ));
    for blob in blobs.into_iter().chain([config, manifest]) {
        image.add(blob);
    }
    image
}

/// The key that checks signatures.
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Reads a P-256 key in PEM, as `cosign` and `openssl pkey -pubout` write it.
    ///
    /// # Errors
    /// If the file cannot be read or is not such a key.
    pub fn read(path: &Path) -> Result<PublicKey> {
        let text = read_text(path)?;
        let key = VerifyingKey::from_public_key_pem(&text).map_err(|_| Error::Key {
            path: path.to_owned(),
            problem: KeyProblem::NotPublic,
        })?;
        Ok(PublicKey(key))
    }

    /// Whether one of an image's signatures is by this key and for that very image.
    ///
    /// # Errors
    /// If there is none, or none that holds.
    pub fn verify(
        &self,
        name: &Reference,
        image: &Image,
        signatures: Option<&Image>,
    ) -> Result<()> {
        let Some(signatures) = signatures else {
            return Err(Error::Unsigned {
                name: name.to_string(),
                digest: image.digest().to_string(),
            });
        };
        for content in signatures.contents()? {
            for layer in content.manifest.layers() {
                if self.holds(signatures, layer, image.digest())? {
                    return Ok(());
                }
            }
        }
        Err(Error::WrongSignature {
            name: name.to_string(),
            digest: image.digest().to_string(),
        })
    }

    fn holds(&self, signatures: &Image, layer: &Descriptor, image: &Digest) -> Result<bool> {
        if layer.media_type().to_string() != SIGNATURE_MEDIA_TYPE {
            return Ok(false);
        }
        let payload = signatures.blob(layer.digest())?;
        let annotations = layer.annotations().as_ref();
        let signature = annotations
            .and_then(|all| all.get(ANNOTATION))
            .and_then(|text| BASE64.decode(text).ok())
            .and_then(|der| Signature::from_der(&der).ok());
        let Some(signature) = signature else {
            return Ok(false);
        };
        if self.0.verify(payload, &signature).is_err() {
            return Ok(false);
        }
        // It is signed: which image does it name?
        let document: serde_json::Value = serde_json::from_slice(payload).unwrap_or_default();
        let signed = &document["critical"];
        Ok(signed["type"] == KIND && signed["image"]["docker-manifest-digest"] == image.as_ref())
    }
}

fn read_text(path: &Path) -> Result<String> {
    let bytes = read_file(path, LARGEST_KEY)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
