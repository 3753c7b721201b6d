//! The images on this machine: a directory that is an OCI image layout, which skopeo and umoci read
//! and write too.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use oci_spec::image::{
    ANNOTATION_REF_NAME, Descriptor, Digest, ImageIndex, ImageIndexBuilder, ImageManifest,
    MediaType,
};
use rustix::fs::{FlockOperation, flock};

use super::blob::{self, Image, LARGEST_BLOB, canonical, is_index};
use super::{Error, FileOperation, Part, Result};

/// The file that makes a directory an image layout.
const LAYOUT: (&str, &[u8]) = ("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);

/// A directory of images.
#[derive(Debug, Clone)]
pub struct Store {
    path: PathBuf,
}

impl Store {
    /// The store of this user: `$HACHI_IMAGES`, or `hachi/images` where data belongs
    /// (`/var/lib` for root, `$XDG_DATA_HOME` or `~/.local/share` for others).
    pub fn of_user() -> Store {
        let data = || {
            let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
            let home = || set("HOME").map(|home| PathBuf::from(home).join(".local/share"));
            match rustix::process::geteuid().is_root() {
                true => PathBuf::from("/var/lib"),
                false => set("XDG_DATA_HOME")
                    .map(PathBuf::from)
                    .or_else(home)
                    .unwrap_or_else(std::env::temp_dir),
            }
        };
        let set = std::env::var_os("HACHI_IMAGES").filter(|value| !value.is_empty());
        Store::at(set.map_or_else(|| data().join("hachi/images"), PathBuf::from))
    }

    /// The store in this directory, which need not be there yet.
    pub fn at(path: impl Into<PathBuf>) -> Store {
        Store { path: path.into() }
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The images in it, by name.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn list(&self) -> Result<BTreeMap<String, Descriptor>> {
        let named = |descriptor: &Descriptor| {
            let annotations = descriptor.annotations().as_ref()?;
            Some((
                annotations.get(ANNOTATION_REF_NAME)?.clone(),
                descriptor.clone(),
            ))
        };
        Ok(self.index()?.manifests().iter().filter_map(named).collect())
    }

    fn index(&self) -> Result<ImageIndex> {
        let path = self.path.join("index.json");
        match read_file(&path, LARGEST_BLOB) {
            Ok(bytes) => blob::parse(&bytes, || Part::File(path.clone())),
            Err(Error::File { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
                Ok(ImageIndexBuilder::default()
                    .schema_version(2u32)
                    .media_type(MediaType::ImageIndex)
                    .manifests(Vec::new())
                    .build()
                    .expect("all fields are set"))
            }
            Err(error) => Err(error),
        }
    }

    /// An image by its full name, whole.
    ///
    /// # Errors
    /// If there is none, or a blob is missing or has been changed.
    pub fn load(&self, name: &str) -> Result<Image> {
        let list = self.list()?;
        let root = list.get(name).ok_or_else(|| Error::NotStored {
            name: name.to_owned(),
            store: self.path.clone(),
            near: near(name, list.keys()),
        })?;
        let mut root = root.clone();
        // The name is the store's, not the image's.
        root.set_annotations(None);
        let mut image = Image::new(root.clone());
        let document = self.take(&mut image, root.digest())?;
        let mut manifests = vec![root.clone()];
        if is_index(root.media_type()) {
            let index: ImageIndex =
                blob::parse(&document, || Part::Index(root.digest().to_string()))?;
            manifests = index.manifests().clone();
        }
        for descriptor in manifests {
            let document = self.take(&mut image, descriptor.digest())?;
            let part = || Part::Manifest(descriptor.digest().to_string());
            let manifest: ImageManifest = blob::parse(&document, part)?;
            for blob in std::iter::once(manifest.config()).chain(manifest.layers()) {
                self.take(&mut image, blob.digest())?;
            }
        }
        Ok(image)
    }

    fn take(&self, image: &mut Image, digest: &Digest) -> Result<Vec<u8>> {
        if let Some(bytes) = image.blobs.get(digest.as_ref()) {
            return Ok(bytes.clone());
        }
        let bytes = match read_file(&self.blob_path(digest), LARGEST_BLOB) {
            Err(Error::File { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::MissingBlob {
                    digest: digest.to_string(),
                });
            }
            other => other?,
        };
        blob::check(digest, &bytes)?;
        image.add(bytes.clone());
        Ok(bytes)
    }

    fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.path
            .join("blobs")
            .join(digest.algorithm().as_ref())
            .join(digest.digest())
    }

    /// Stores an image under a name, in place of what had the name. The name leads to the new image
    /// only when all of it is there.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn save(&self, name: &str, image: &Image) -> Result<()> {
        let _lock = self.lock()?;
        for (text, bytes) in &image.blobs {
            let path = self.blob_path(&parse_digest(text)?);
            if !path.exists() {
                write_file(&path, bytes)?;
            }
        }
        let mut root = image.root.clone();
        let annotations = HashMap::from([(ANNOTATION_REF_NAME.to_owned(), name.to_owned())]);
        root.set_annotations(Some(annotations));
        self.change(name, Some(root))
    }

    /// Takes a name away, with the blobs that no other image has.
    ///
    /// # Errors
    /// If there is no such image, or a file cannot be written.
    pub fn remove(&self, name: &str) -> Result<()> {
        let _lock = self.lock()?;
        let image = self.load(name)?;
        self.change(name, None)?;
        let mut kept: Vec<String> = Vec::new();
        for other in self.list()?.keys() {
            kept.extend(self.load(other)?.blobs.into_keys());
        }
        for text in image.blobs.keys().filter(|digest| !kept.contains(digest)) {
            let path = self.blob_path(&parse_digest(text)?);
            fs::remove_file(&path).map_err(|error| file(FileOperation::Remove, &path, error))?;
        }
        Ok(())
    }

    /// Writes the index with another image, or none, under a name.
    fn change(&self, name: &str, root: Option<Descriptor>) -> Result<()> {
        let mut index = self.index()?;
        let mut manifests = index.manifests().clone();
        manifests.retain(|descriptor| {
            let annotations = descriptor.annotations().as_ref();
            annotations
                .and_then(|all| all.get(ANNOTATION_REF_NAME))
                .map(String::as_str)
                != Some(name)
        });
        manifests.extend(root);
        index.set_manifests(manifests);
        write_file(&self.path.join(LAYOUT.0), LAYOUT.1)?;
        write_file(&self.path.join("index.json"), &canonical(&index))
    }

    /// One writer at a time.
    fn lock(&self) -> Result<File> {
        fs::create_dir_all(&self.path)
            .map_err(|error| file(FileOperation::Make, &self.path, error))?;
        let path = self.path.join("lock");
        let failed = |error| file(FileOperation::Lock, &path, error);
        let lock = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        flock(&lock, FlockOperation::LockExclusive).map_err(|error| failed(error.into()))?;
        Ok(lock)
    }
}

fn parse_digest(text: &str) -> Result<Digest> {
    text.parse()
        .map_err(|error: oci_spec::OciSpecError| Error::Malformed {
            part: Part::Digest(text.to_owned()),
            error: Box::new(error),
        })
}

/// A name that differs by a letter or two, or lacks the tag.
fn near<'n>(name: &str, names: impl Iterator<Item = &'n String>) -> Option<String> {
    let bare = |name: &str| {
        name.rsplit_once(':')
            .map_or(name, |(bare, _)| bare)
            .to_owned()
    };
    names
        .filter(|other| bare(other) == bare(name) || other.ends_with(name))
        .min()
        .cloned()
}

/// Reads a regular file of bounded size.
///
/// # Errors
/// If it cannot be read, is larger, or is a device, a pipe or a directory.
pub fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let failed = |error| file(FileOperation::Read, path, error);
    let source = File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
        .map_err(failed)?;
    if !source.metadata().map_err(failed)?.is_file() {
        return Err(failed(io::Error::other("it is not a regular file")));
    }
    let mut bytes = Vec::new();
    source
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    match bytes.len() as u64 > limit {
        true => Err(Error::TooLarge {
            part: Part::File(path.to_owned()),
            limit,
        }),
        false => Ok(bytes),
    }
}

/// Writes a file whole or not at all.
///
/// # Errors
/// If it cannot be written.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |error| file(FileOperation::Write, path, error);
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory).map_err(failed)?;
    let mut temporary = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
    temporary.write_all(bytes).map_err(failed)?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    temporary.as_file().set_permissions(mode).map_err(failed)?;
    temporary.as_file().sync_all().map_err(failed)?;
    temporary
        .persist(path)
        .map(drop)
        .map_err(|error| failed(error.error))
}

fn file(doing: FileOperation, path: &Path, error: io::Error) -> Error {
    Error::File {
        doing,
        path: path.to_owned(),
        error,
    }
}
