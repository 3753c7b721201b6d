//! Sending images to a registry and fetching them, by the distribution specification.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use http::HeaderValue;
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::manifest::OciDescriptor;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference, RegistryOperation};
use oci_spec::image::{Descriptor, ImageIndex, ImageManifest};

use super::blob::{self, Image, LARGEST_BLOB, is_index};
use super::{Error, Part, Result, Transfer, credentials};

/// The documents that may stand at the root of an image.
const ROOTS: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// No index or manifest is as large; registries refuse 4 MiB.
const LARGEST_DOCUMENT: u64 = 4 << 20;

/// A registry, for images of one name.
pub struct Registry {
    client: Client,
    auth: RegistryAuth,
    runtime: tokio::runtime::Runtime,
}

impl Registry {
    /// The registry that an image's name begins with. Credentials are those that `docker login` or
    /// `podman login` stored. A registry on this machine's own loopback is spoken to without TLS,
    /// as is any with `plain_http`.
    ///
    /// # Errors
    /// If stored credentials cannot be read.
    ///
    /// # Panics
    /// If the system gives no event queue.
    pub fn new(reference: &Reference, plain_http: PlainHttp) -> Result<Registry> {
        // Fails where a provider has been installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let registry = reference.resolve_registry();
        let protocol = match plain_http == PlainHttp::Allowed || is_loopback(registry) {
            true => ClientProtocol::HttpsExcept(vec![registry.to_owned()]),
            false => ClientProtocol::Https,
        };
        let client = Client::new(ClientConfig {
            protocol,
            read_timeout: Some(Duration::from_secs(60)),
            connect_timeout: Some(Duration::from_secs(20)),
            ..ClientConfig::default()
        });
        Ok(Registry {
            client,
            auth: credentials::find(registry)?,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("an event loop starts"),
        })
    }

    /// Sends an image: what the registry lacks of its blobs, then its documents, the root last, so
    /// that the name never leads to half an image.
    ///
    /// # Errors
    /// If the registry refuses, or the image is not whole.
    pub fn push(&self, reference: &Reference, image: &Image) -> Result<()> {
        let failed = |error| failed(Transfer::Push, reference, error);
        self.runtime.block_on(async {
            self.client
                .auth(reference, &self.auth, RegistryOperation::Push)
                .await
                .map_err(failed)?;
            let mut sent = BTreeSet::new();
            for content in image.contents()? {
                let blobs = std::iter::once(content.manifest.config());
                for descriptor in blobs.chain(content.manifest.layers()) {
                    let digest = descriptor.digest();
                    if !sent.insert(digest.to_string()) {
                        continue;
                    }
                    let known = self.client.blob_exists(reference, digest.as_ref()).await;
                    if !known.map_err(failed)? {
                        let bytes = image.blob(digest)?.to_vec();
                        self.client
                            .push_blob(reference, bytes, digest.as_ref())
                            .await
                            .map_err(failed)?;
                    }
                }
                if content.digest.as_ref() != image.digest().as_ref() {
                    let own = reference.clone_with_digest(content.digest.to_string());
                    let media_type = content.manifest.media_type().clone();
                    let media_type = media_type.map_or(ROOTS[2].to_owned(), |m| m.to_string());
                    let bytes = image.blob(&content.digest)?.to_vec();
                    self.push_document(&own, bytes, &media_type).await?;
                }
            }
            let bytes = image.blob(image.digest())?.to_vec();
            let media_type = image.root.media_type().to_string();
            self.push_document(reference, bytes, &media_type).await
        })
    }

    async fn push_document(&self, to: &Reference, bytes: Vec<u8>, media_type: &str) -> Result<()> {
        let media_type = HeaderValue::from_str(media_type).map_err(|error| Error::Malformed {
            part: Part::MediaType(media_type.to_owned()),
            error: error.into(),
        })?;
        self.client
            .push_manifest_raw(to, bytes, media_type)
            .await
            .map(drop)
            .map_err(|error| failed(Transfer::Push, to, error))
    }

    /// Fetches an image, for all its platforms. Every blob is checked against its digest.
    ///
    /// # Errors
    /// If there is none, the registry refuses, or what comes is not what was announced.
    pub fn pull(&self, reference: &Reference) -> Result<Image> {
        self.runtime.block_on(self.pull_image(reference))
    }

    /// The same; `None` where the registry has no such image.
    ///
    /// # Errors
    /// As [`Registry::pull`], except for an image that is not there.
    pub fn pull_if_there(&self, reference: &Reference) -> Result<Option<Image>> {
        match self.pull(reference) {
            Err(Error::Registry { error, .. }) if is_not_found(&error) => Ok(None),
            other => other.map(Some),
        }
    }

    async fn pull_image(&self, reference: &Reference) -> Result<Image> {
        let (bytes, _) = self
            .client
            .pull_manifest_raw(reference, &self.auth, &ROOTS)
            .await
            .map_err(|error| failed(Transfer::Pull, reference, error))?;
        let digest = blob::digest(&bytes);
        if let Some(expected) = reference.digest()
            && expected != digest.as_ref()
        {
            return Err(Error::Digest {
                expected: expected.to_owned(),
                found: digest.to_string(),
            });
        }
        let media_type = media_type(&bytes, digest.as_ref())?;
        let mut image = Image::new(Descriptor::new(media_type, bytes.len() as u64, digest));
        image.add(bytes.to_vec());
        let mut manifests = vec![image.root.clone()];
        if is_index(image.root.media_type()) {
            let part = || Part::Index(image.digest().to_string());
            let index: ImageIndex = blob::parse(&bytes, part)?;
            manifests = index.manifests().clone();
            for descriptor in &manifests {
                let digest = descriptor.digest();
                let own = reference.clone_with_digest(digest.to_string());
                let (bytes, _) = self
                    .client
                    .pull_manifest_raw(&own, &self.auth, &ROOTS)
                    .await
                    .map_err(|error| failed(Transfer::Pull, &own, error))?;
                let size = bytes.len() as u64;
                limit(Part::Manifest, digest.as_ref(), size, LARGEST_DOCUMENT)?;
                blob::check(digest, &bytes)?;
                image.add(bytes.to_vec());
            }
        }
        for descriptor in manifests {
            let part = || Part::Manifest(descriptor.digest().to_string());
            let bytes = image.blob(descriptor.digest())?;
            let manifest: ImageManifest = blob::parse(bytes, part)?;
            let blobs = std::iter::once(manifest.config()).chain(manifest.layers());
            for descriptor in blobs {
                if !image.blobs.contains_key(descriptor.digest().as_ref()) {
                    let bytes = self.pull_blob(reference, descriptor).await?;
                    image.add(bytes);
                }
            }
        }
        Ok(image)
    }

    async fn pull_blob(&self, reference: &Reference, descriptor: &Descriptor) -> Result<Vec<u8>> {
        let digest = descriptor.digest();
        let announced = descriptor.size();
        limit(Part::Blob, digest.as_ref(), announced, LARGEST_BLOB)?;
        let failed = |error| failed(Transfer::Pull, reference, error);
        let asked = OciDescriptor {
            digest: digest.to_string(),
            size: announced as i64,
            media_type: descriptor.media_type().to_string(),
            ..OciDescriptor::default()
        };
        let answer = self.client.pull_blob_stream(reference, &asked).await;
        let mut stream = answer.map_err(failed)?.stream;
        let mut bytes = Vec::new();
        while let Some(part) = stream
            .try_next()
            .await
            .map_err(|error| failed(OciDistributionError::IoError(error)))?
        {
            bytes.extend_from_slice(&part);
            // More than was announced is not what was announced.
            limit(Part::Blob, digest.as_ref(), bytes.len() as u64, announced)?;
        }
        blob::check(digest, &bytes)?;
        Ok(bytes)
    }
}

/// Whether a registry may be spoken to without TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum PlainHttp {
    /// Only on this machine's own loopback.
    #[default]
    LoopbackOnly,
    /// Also elsewhere.
    Allowed,
}

fn limit(part: fn(String) -> Part, digest: &str, size: u64, limit: u64) -> Result<()> {
    match size > limit {
        true => Err(Error::TooLarge {
            part: part(digest.to_owned()),
            limit,
        }),
        false => Ok(()),
    }
}

fn is_loopback(registry: &str) -> bool {
    let host = match registry.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => registry.split(':').next().unwrap_or_default(),
    };
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn media_type(bytes: &[u8], digest: &str) -> Result<oci_spec::image::MediaType> {
    let document: serde_json::Value = blob::parse(bytes, || Part::Manifest(digest.to_owned()))?;
    let named = document.get("mediaType").and_then(|value| value.as_str());
    // The field is optional; an index has manifests, a manifest has layers.
    let shape = match document.get("manifests") {
        Some(_) => ROOTS[0],
        None => ROOTS[2],
    };
    Ok(named.unwrap_or(shape).into())
}

fn is_not_found(error: &OciDistributionError) -> bool {
    match error {
        OciDistributionError::ImageManifestNotFoundError(_) => true,
        OciDistributionError::ServerError { code, .. } => *code == 404,
        OciDistributionError::RegistryError { envelope, .. } => envelope.errors.iter().any(|e| {
            matches!(
                e.code,
                OciErrorCode::ManifestUnknown | OciErrorCode::NameUnknown | OciErrorCode::NotFound
            )
        }),
        _ => false,
    }
}

fn failed(doing: Transfer, reference: &Reference, error: OciDistributionError) -> Error {
    Error::Registry {
        doing,
        reference: Box::new(reference.clone()),
        error: Box::new(error),
    }
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn only_loopback_is_spoken_to_without_tls() {
        for registry in [
            "localhost",
            "localhost:5000",
            "127.0.0.1:5000",
            "[::1]:5000",
        ] {
            assert!(is_loopback(registry), "{registry}");
        }
        for registry in [
            "example.org",
            "10.0.0.1:5000",
            "localhost.example.org",
            "[fe80::1]:1",
        ] {
            assert!(!is_loopback(registry), "{registry}");
        }
    }
}
