//! From objects to an image.

use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};
use hachi_obj::{ProgramType, Spec};
use oci_spec::image::{
    ANNOTATION_TITLE, ConfigBuilder, Descriptor, DescriptorBuilder, History,
    ImageConfigurationBuilder, ImageIndex, ImageIndexBuilder, ImageManifestBuilder, MediaType,
    PlatformBuilder, RootFsBuilder,
};

use super::blob::{Image, canonical, digest};
use super::metadata::{self, Metadata, Object};
use super::{Error, Platform, Result};

/// Inspektor Gadget's type of image.
pub(super) const GADGET: &str = "application/vnd.gadget.v1+binary";
/// Its configuration.
pub(super) const GADGET_CONFIG: &str = "application/vnd.gadget.config.v1+yaml";
/// Its object.
pub(super) const GADGET_OBJECT: &str = "application/vnd.gadget.ebpf.program.v1+binary";
/// Its types of kernels.
pub(super) const GADGET_BTF: &str = "application/vnd.gadget.btfgen.v1+binary";

/// Who reads the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Layout {
    /// Hachi and bpfman: layers are archives, labels say what is in them.
    #[default]
    Bytecode,
    /// Inspektor Gadget: a layer is the object itself, the configuration a YAML file.
    Gadget,
}

/// Layers by where their file is in memory: the archive's digest, and the archive compressed.
type Packed = HashMap<*const u8, (String, Vec<u8>)>;

/// Makes an image.
#[derive(Debug, Default)]
pub struct Builder {
    layout: Layout,
    objects: Vec<Source>,
    btf: Vec<(String, Vec<u8>)>,
}

#[derive(Debug)]
struct Source {
    /// The file's name in its layer.
    name: String,
    bytes: Vec<u8>,
    spec: Spec,
    platforms: Vec<Platform>,
}

impl Builder {
    /// An image without anything in it.
    pub fn new(layout: Layout) -> Builder {
        Builder {
            layout,
            ..Builder::default()
        }
    }

    /// Adds an object for these platforms; with none, for each platform that it runs on: all of its
    /// byte order, or this machine's alone if it reads a processor's registers (kprobes and
    /// uprobes).
    ///
    /// # Errors
    /// If it is not an object, or of another byte order than a platform.
    pub fn object(&mut self, path: &Path, bytes: Vec<u8>, platforms: &[Platform]) -> Result<()> {
        let spec = Spec::parse(&bytes).map_err(|error| Error::Object {
            path: path.to_owned(),
            error,
        })?;
        if let Some(platform) = platforms.iter().find(|p| p.order() != spec.endian) {
            return Err(Error::ByteOrder {
                path: path.to_owned(),
                order: spec.endian,
                platform: *platform,
            });
        }
        let own =
            Platform::current().filter(|p| reads_registers(&spec) && p.order() == spec.endian);
        let platforms = match (platforms, own) {
            ([], Some(own)) => vec![own],
            ([], None) => Platform::of_order(spec.endian).collect(),
            (given, _) => given.to_vec(),
        };
        self.objects.push(Source {
            name: file_name(path),
            bytes,
            spec,
            platforms,
        });
        Ok(())
    }

    /// Adds the types of a kernel that has none of its own, cut down to what the objects ask for.
    /// Its file will be called `RELEASE.btf`.
    pub fn btf(&mut self, release: &str, bytes: Vec<u8>) {
        self.btf.push((format!("{release}.btf"), bytes));
    }

    /// The objects that were added: name, platforms, contents.
    pub fn objects(&self) -> impl Iterator<Item = (&str, &[Platform], &Spec)> {
        self.objects.iter().map(|object| {
            (
                object.name.as_str(),
                object.platforms.as_slice(),
                &object.spec,
            )
        })
    }

    /// The image. Equal objects give equal bytes.
    ///
    /// # Errors
    /// If there is no object, or two of one platform cannot be distinguished.
    pub fn build(&self) -> Result<Image> {
        let mut platforms: BTreeMap<Platform, Vec<&Source>> = BTreeMap::new();
        for object in &self.objects {
            for platform in &object.platforms {
                let of_platform = platforms.entry(*platform).or_default();
                if of_platform.iter().any(|other| other.name == object.name) {
                    return Err(Error::SameName {
                        name: object.name.clone(),
                        platform: *platform,
                    });
                }
                of_platform.push(object);
            }
        }
        if platforms.is_empty() {
            return Err(Error::NoObject);
        }
        let mut image = Image::new(descriptor(MediaType::ImageIndex, b""));
        let mut packed = Packed::new();
        let mut manifests = Vec::new();
        for (platform, objects) in platforms {
            let manifest = match self.layout {
                Layout::Bytecode => self.manifest(&mut image, &mut packed, platform, &objects),
                Layout::Gadget => self.gadget(&mut image, platform, &objects)?,
            };
            let mut descriptor = descriptor(MediaType::ImageManifest, &manifest);
            descriptor.set_platform(Some(oci_platform(platform)));
            image.add(manifest);
            manifests.push(descriptor);
        }
        let index = canonical(&index(manifests, self.layout));
        image.root = descriptor(MediaType::ImageIndex, &index);
        image.add(index);
        Ok(image)
    }

    fn manifest(
        &self,
        image: &mut Image,
        packed: &mut Packed,
        platform: Platform,
        objects: &[&Source],
    ) -> Vec<u8> {
        let files = objects.iter().map(|object| (&object.name, &object.bytes));
        let files = files.chain(self.btf.iter().map(|(name, bytes)| (name, bytes)));
        let mut layers = Vec::new();
        let mut diff_ids = Vec::new();
        for (name, bytes) in files {
            // Platforms share their layers: each is packed once.
            let (diff_id, layer) = packed.entry(bytes.as_ptr()).or_insert_with(|| {
                let archive = archive(name, bytes);
                (digest(&archive).to_string(), gzip(&archive))
            });
            diff_ids.push(diff_id.clone());
            layers.push(titled(descriptor(MediaType::ImageLayerGzip, layer), name));
            image.add(layer.clone());
        }
        let config = ConfigBuilder::default()
            .labels(labels(objects))
            .build()
            .expect("no field must be set");
        let config = ImageConfigurationBuilder::default()
            .architecture(platform.name())
            .os("linux")
            .config(config)
            .rootfs(
                RootFsBuilder::default()
                    .typ("layers")
                    .diff_ids(diff_ids)
                    .build()
                    .expect("both fields are set"),
            )
            .history(Vec::<History>::new())
            .build()
            .expect("all fields are set");
        let config = canonical(&config);
        let manifest = ImageManifestBuilder::default()
            .schema_version(2u32)
            .media_type(MediaType::ImageManifest)
            .config(descriptor(MediaType::ImageConfig, &config))
            .layers(layers)
            .build()
            .expect("all fields are set");
        image.add(config);
        canonical(&manifest)
    }

    fn gadget(
        &self,
        image: &mut Image,
        platform: Platform,
        objects: &[&Source],
    ) -> Result<Vec<u8>> {
        let [object] = objects else {
            return Err(Error::OneObject {
                platform,
                count: objects.len(),
            });
        };
        let config = gadget_config(object);
        let mut layers = vec![titled(
            descriptor(MediaType::Other(GADGET_OBJECT.to_owned()), &object.bytes),
            "program.o",
        )];
        if !self.btf.is_empty() {
            let archive = archive_all(self.btf.iter().map(|(name, bytes)| (name, bytes)));
            let layer = gzip(&archive);
            layers.push(titled(
                descriptor(MediaType::Other(GADGET_BTF.to_owned()), &layer),
                "btf.tar.gz",
            ));
            image.add(layer);
        }
        let manifest = ImageManifestBuilder::default()
            .schema_version(2u32)
            .media_type(MediaType::ImageManifest)
            .artifact_type(MediaType::Other(GADGET.to_owned()))
            .config(titled(
                descriptor(MediaType::Other(GADGET_CONFIG.to_owned()), &config),
                "config.yaml",
            ))
            .layers(layers)
            .build()
            .expect("all fields are set");
        image.add(config);
        image.add(object.bytes.clone());
        Ok(canonical(&manifest))
    }
}

fn oci_platform(platform: Platform) -> oci_spec::image::Platform {
    PlatformBuilder::default()
        .architecture(platform.name())
        .os("linux")
        .build()
        .expect("both fields are set")
}

fn index(manifests: Vec<Descriptor>, layout: Layout) -> ImageIndex {
    let mut index = ImageIndexBuilder::default()
        .schema_version(2u32)
        .media_type(MediaType::ImageIndex)
        .manifests(manifests);
    if layout == Layout::Gadget {
        index = index.artifact_type(MediaType::Other(GADGET.to_owned()));
    }
    index.build().expect("all fields are set")
}

/// Whether a program is given a processor's registers, whose layout is the object's then.
fn reads_registers(spec: &Spec) -> bool {
    let of = |program: &hachi_obj::ProgramSpec| {
        matches!(
            program.program_type,
            ProgramType::Kprobe | ProgramType::PerfEvent
        )
    };
    spec.programs.iter().any(of)
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().map(PathBuf::from).unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// What registries and bpfman show. bpfman reads one object, so its labels have the first's.
fn labels(objects: &[&Source]) -> HashMap<String, String> {
    let all = Metadata {
        objects: objects
            .iter()
            .map(|object| Object::new(&object.name, &object.spec))
            .collect(),
    };
    let first = &objects[0].spec;
    let programs: BTreeMap<&str, String> = first
        .programs
        .iter()
        .map(|p| (p.name.as_str(), metadata::bpfman_program_type(p)))
        .collect();
    let maps: BTreeMap<&str, String> = first
        .maps
        .iter()
        .filter(|map| map.data.is_none())
        .map(|map| (map.name.as_str(), metadata::bpfman_map_type(map)))
        .collect();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("JSON is UTF-8");
    HashMap::from([
        ("io.ebpf.programs".to_owned(), text(canonical(&programs))),
        ("io.ebpf.maps".to_owned(), text(canonical(&maps))),
        (Metadata::LABEL.to_owned(), text(canonical(&all))),
    ])
}

/// What Inspektor Gadget must know. JSON is YAML.
fn gadget_config(object: &Source) -> Vec<u8> {
    let name = object.name.strip_suffix(".o").unwrap_or(&object.name);
    let about = Object::new(&object.name, &object.spec);
    canonical(&serde_json::json!({
        "name": name,
        "description": format!(
            "eBPF object {} (licence {}, Linux {} or later)",
            object.name, about.license, about.kernel
        ),
        "annotations": { Metadata::LABEL: about },
    }))
}

fn descriptor(media_type: MediaType, bytes: &[u8]) -> Descriptor {
    DescriptorBuilder::default()
        .media_type(media_type)
        .digest(digest(bytes))
        .size(bytes.len() as u64)
        .build()
        .expect("all fields are set")
}

fn titled(mut descriptor: Descriptor, title: &str) -> Descriptor {
    let annotations = HashMap::from([(ANNOTATION_TITLE.to_owned(), title.to_owned())]);
    descriptor.set_annotations(Some(annotations));
    descriptor
}

fn archive(name: &str, bytes: &[u8]) -> Vec<u8> {
    archive_all(std::iter::once((name, bytes)))
}

/// A tar archive of files that root owns, as old as time: nothing in it depends on the machine.
fn archive_all<N: AsRef<str>, B: AsRef<[u8]>>(files: impl Iterator<Item = (N, B)>) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.as_ref().len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        archive
            .append_data(&mut header, name.as_ref(), bytes.as_ref())
            .expect("memory takes what is written");
    }
    archive.into_inner().expect("memory takes what is written")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    // No name, no time, and no operating system (255 stands for none).
    let mut writer = GzBuilder::new()
        .operating_system(255)
        .write(Vec::new(), Compression::best());
    writer
        .write_all(bytes)
        .and_then(|()| writer.finish())
        .expect("memory takes what is written")
}
