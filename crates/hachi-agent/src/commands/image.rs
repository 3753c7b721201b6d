//! `hachi image`: objects as images.

use std::path::{Path, PathBuf};
use std::process::Command as Process;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::console::Console;
use crate::failure::{Failure, Kind, Result};
use crate::image::{
    self, Builder, Content, Error, Image, Layer, LayerKind, Layout, PlainHttp, Platform,
    PrivateKey, PublicKey, Reference, Registry, Store, signature_tag,
};

/// No object that is put into an image is as large.
const LARGEST_OBJECT: u64 = 256 << 20;

/// Build, ship, sign and verify images of eBPF objects
#[derive(Debug, Subcommand)]
pub enum Command {
    Build(Build),
    List(List),
    Inspect(Inspect),
    Extract(Extract),
    Sign(Sign),
    Verify(Verify),
    Push(Push),
    Pull(Pull),
    Remove(Remove),
}

/// Where images are kept.
#[derive(Debug, Args)]
struct StoreOption {
    /// The directory of images, an OCI image layout [default: the user's]
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
}

impl StoreOption {
    fn open(&self) -> Store {
        self.store.as_ref().map_or_else(Store::of_user, Store::at)
    }
}

/// Put objects into an image
///
/// An object runs on every platform of its byte order, unless its programs read a processor's
/// registers (kprobes, uprobes, perf events): then it runs on this machine's kind alone. The same
/// objects always give the same image.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hachi image build firewall.o -t registry.example/firewall:1.0
  hachi image build . -t registry.example/firewall:1.0
  hachi image build --arch amd64=x86.o --arch arm64=arm.o -t registry.example/tracer:2")]
pub struct Build {
    /// Objects, or sources that `hachi build` makes objects of
    #[arg(value_name = "OBJ|PATH", required_unless_present = "arch")]
    objects: Vec<PathBuf>,
    /// The image's name
    #[arg(short, long, value_name = "NAME:TAG")]
    tag: String,
    /// An object for these architectures, with commas; can be repeated
    #[arg(long, value_name = "ARCH[,ARCH]=OBJ")]
    arch: Vec<String>,
    /// The types of a kernel that has none, for its release, cut down to what the objects need
    #[arg(long, value_name = "RELEASE=FILE")]
    btf: Vec<String>,
    /// Lay it out for Inspektor Gadget
    #[arg(long)]
    gadget: bool,
    /// Print one JSON document on stdout instead of text
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    store: StoreOption,
}

/// List the images that are stored
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  hachi image list")]
pub struct List {
    /// Print one JSON document on stdout instead of text
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    store: StoreOption,
}

/// Say what is in an image
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  hachi image inspect registry.example/firewall:1.0")]
pub struct Inspect {
    /// The image
    #[arg(value_name = "NAME:TAG")]
    name: String,
    /// Print one JSON document on stdout instead of text
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    store: StoreOption,
}

/// Write an image's objects for a platform as files
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  hachi image extract registry.example/firewall:1.0 --out objects")]
pub struct Extract {
    /// The image
    #[arg(value_name = "NAME:TAG")]
    name: String,
    /// The directory to write to
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// The platform [default: this machine's]
    #[arg(long, value_name = "ARCH")]
    arch: Option<Platform>,
    #[command(flatten)]
    store: StoreOption,
}

/// Sign an image with a private key
///
/// The signature is stored beside the image and pushed with it. `cosign verify --key` accepts it.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  hachi image sign --key key.pem registry.example/firewall:1.0")]
pub struct Sign {
    /// The image
    #[arg(value_name = "NAME:TAG")]
    name: String,
    /// A P-256 private key in PEM (PKCS #8, not encrypted)
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    #[command(flatten)]
    store: StoreOption,
}

/// Check that an image is whole and was signed with a key
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  hachi image verify --key key.pub registry.example/firewall:1.0")]
pub struct Verify {
    /// The image
    #[arg(value_name = "NAME:TAG")]
    name: String,
    /// The public key in PEM
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    #[command(flatten)]
    store: StoreOption,
}

/// Send an image, and its signatures, to its registry
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  hachi image push registry.example/firewall:1.0")]
pub struct Push {
    /// The image
    #[arg(value_name = "NAME:TAG")]
    name: String,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    store: StoreOption,
}

/// Fetch an image, and its signatures, from its registry
///
/// With a key, an image that is not signed with it is refused, and what is stored stays.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  hachi image pull --key key.pub registry.example/firewall:1.0")]
pub struct Pull {
    /// The image
    #[arg(value_name = "NAME:TAG")]
    name: String,
    /// Refuse an image that was not signed with this key
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    store: StoreOption,
}

/// Remove an image from the store
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  hachi image remove registry.example/firewall:1.0")]
pub struct Remove {
    /// The image
    #[arg(value_name = "NAME:TAG")]
    name: String,
    #[command(flatten)]
    store: StoreOption,
}

/// How a registry is spoken to.
#[derive(Debug, Args)]
struct Remote {
    /// Speak HTTP without TLS to the registry; one on this machine's loopback needs no option
    #[arg(long)]
    plain_http: bool,
}

impl Remote {
    fn registry(&self, name: &Reference) -> Result<Registry> {
        let plain = match self.plain_http {
            true => PlainHttp::Allowed,
            false => PlainHttp::LoopbackOnly,
        };
        Ok(Registry::new(name, plain)?)
    }
}

pub fn run(command: Command, console: &mut Console) -> Result {
    match command {
        Command::Build(args) => build(args, console),
        Command::List(args) => list(args, console),
        Command::Inspect(args) => inspect(args, console),
        Command::Extract(args) => extract(args, console),
        Command::Sign(args) => sign(args, console),
        Command::Verify(args) => verify(args, console),
        Command::Push(args) => push(args, console),
        Command::Pull(args) => pull(args, console),
        Command::Remove(args) => remove(args, console),
    }
}

/// The full name: with the registry and the tag that are meant where none is given.
fn full_name(text: &str) -> Result<Reference> {
    Ok(image::parse_reference(text)?)
}

fn build(args: Build, console: &mut Console) -> Result {
    let name = full_name(&args.tag)?;
    let mut builder = Builder::new(match args.gadget {
        true => Layout::Gadget,
        false => Layout::Bytecode,
    });
    for path in &args.objects {
        for object in objects_of(path)? {
            builder.object(&object, read_object(&object)?, &[])?;
        }
    }
    for option in &args.arch {
        let (platforms, path) = assignment("--arch", option, "amd64,arm64=firewall.o")?;
        let platforms: Vec<Platform> = platforms
            .split(',')
            .map(|name| name.trim().parse())
            .collect::<image::Result<_>>()?;
        builder.object(path, read_object(path)?, &platforms)?;
    }
    for option in &args.btf {
        let (release, path) = assignment("--btf", option, "5.4.0-150-generic=5.4.btf")?;
        builder.btf(release, read_object(path)?);
    }
    let image = builder.build()?;
    args.store.open().save(&name.whole(), &image)?;
    if args.json {
        return console.json(&document(&name, &image)?);
    }
    for (object, platforms, spec) in builder.objects() {
        let platforms: Vec<&str> = platforms.iter().map(|p| p.name()).collect();
        let (programs, maps) = (spec.programs.len(), spec.maps.len());
        console.line(format_args!(
            "{object}: {programs} programs, {maps} maps, for {}",
            platforms.join(", ")
        ))?;
    }
    console.line(format_args!("{} {}", name.whole(), image.digest()))
}

/// `WHAT=FILE`.
fn assignment<'a>(option: &str, text: &'a str, example: &str) -> Result<(&'a str, &'a Path)> {
    match text.split_once('=') {
        Some((what, path)) if !what.is_empty() && !path.is_empty() => Ok((what, Path::new(path))),
        _ => Err(
            Failure::usage(format_args!("{option} {text}: a = is missing"))
                .help(format_args!("as in {option} {example}")),
        ),
    }
}

fn read_object(path: &Path) -> Result<Vec<u8>> {
    Ok(image::read_file(path, LARGEST_OBJECT)?)
}

/// The object itself, or those that `hachi build` makes of a directory, a manifest or a source.
fn objects_of(path: &Path) -> Result<Vec<PathBuf>> {
    let is_source = path.is_dir()
        || path.extension().is_some_and(|extension| extension == "rs")
        || path.file_name().is_some_and(|name| name == "Cargo.toml");
    if !is_source {
        return Ok(vec![path.to_owned()]);
    }
    let hachi = hachi_command();
    let output = Process::new(&hachi)
        .arg("build")
        .arg(path)
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|error| Failure {
            kind: Kind::Missing,
            ..Failure::new(format_args!("starting {} build: {error}", hachi.display()))
                .help("install the hachi command, which builds objects")
        })?;
    if !output.status.success() {
        return Err(Failure::new(format_args!(
            "{} was not built",
            path.display()
        )));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().map(PathBuf::from).collect())
}

/// The `hachi` beside this program, or the one on the path.
fn hachi_command() -> PathBuf {
    let beside = std::env::current_exe().map(|own| own.with_file_name("hachi"));
    match beside {
        Ok(beside) if beside.is_file() => beside,
        _ => PathBuf::from("hachi"),
    }
}

fn list(args: List, console: &mut Console) -> Result {
    let images = args.store.open().list()?;
    if args.json {
        let images: Vec<Value> = images
            .iter()
            .map(|(name, root)| json!({ "name": name, "digest": root.digest().as_ref() }))
            .collect();
        return console.json(&json!({ "images": images }));
    }
    for (name, root) in images {
        console.line(format_args!("{name} {}", root.digest()))?;
    }
    Ok(())
}

/// What is in an image, with stable keys.
fn document(name: &Reference, image: &Image) -> Result<Value> {
    let mut platforms = Vec::new();
    for content in image.contents()? {
        let layers: Vec<Value> = image
            .layers(&content)?
            .iter()
            .map(|layer| {
                json!({
                    "digest": layer.digest,
                    "kind": kind_name(layer.kind),
                    "name": layer.name,
                    "size": layer.bytes.len(),
                })
            })
            .collect();
        platforms.push(json!({
            "architecture": content.platform.map(Platform::name),
            "digest": content.digest.as_ref(),
            "layers": layers,
            "objects": image.metadata(&content)?.map(|metadata| metadata.objects),
        }));
    }
    Ok(json!({
        "name": name.whole(),
        "digest": image.digest().as_ref(),
        "platforms": platforms,
    }))
}

fn kind_name(kind: LayerKind) -> &'static str {
    match kind {
        LayerKind::Object => "object",
        LayerKind::Btf => "btf",
    }
}

fn inspect(args: Inspect, console: &mut Console) -> Result {
    let name = full_name(&args.name)?;
    let image = args.store.open().load(&name.whole())?;
    if args.json {
        return console.json(&document(&name, &image)?);
    }
    console.line(format_args!("{} {}", name.whole(), image.digest()))?;
    for content in image.contents()? {
        let platform = content.platform.map_or("any platform", Platform::name);
        console.line(format_args!("{platform}: {}", content.digest))?;
        for Layer {
            kind, name, bytes, ..
        } in image.layers(&content)?
        {
            let kind = kind_name(kind);
            console.line(format_args!("  {kind} {name}: {} bytes", bytes.len()))?;
        }
        let metadata = image.metadata(&content)?;
        for object in metadata.iter().flat_map(|metadata| &metadata.objects) {
            console.line(format_args!(
                "  {}: Linux {} or later, licence {}",
                object.name, object.kernel, object.license
            ))?;
            for program in &object.programs {
                let (name, section) = (&program.name, &program.section);
                console.line(format_args!(
                    "    program {name} ({section}): {}",
                    program.kind
                ))?;
            }
            for map in &object.maps {
                let (name, entries) = (&map.name, map.max_entries);
                console.line(format_args!(
                    "    map {name}: {}, {entries} entries",
                    map.kind
                ))?;
            }
            for global in &object.globals {
                let value = global.default.as_deref().unwrap_or("0");
                let (name, kind) = (&global.name, &global.kind);
                console.line(format_args!("    global {name}: {kind} = {value}"))?;
            }
        }
    }
    Ok(())
}

fn extract(args: Extract, console: &mut Console) -> Result {
    let name = full_name(&args.name)?;
    let image = args.store.open().load(&name.whole())?;
    let platform = match args.arch.or_else(Platform::current) {
        Some(platform) => platform,
        None => {
            return Err(
                Failure::usage("images have no name for this machine's architecture")
                    .help("name one with --arch"),
            );
        }
    };
    let content: Content = image.content_for(platform)?;
    let layers = image.layers(&content)?;
    for layer in layers
        .iter()
        .filter(|layer| layer.kind == LayerKind::Object)
    {
        // A name from an image is a name, not a path.
        let plain = Path::new(&layer.name).file_name() == Some(layer.name.as_ref());
        if !plain || layer.name.starts_with('.') {
            return Err(Failure::new(format_args!(
                "layer {}: {:?} is not the name of a file",
                layer.digest, layer.name
            )));
        }
        let path = args.out.join(&layer.name);
        image::write_file(&path, &layer.bytes)?;
        console.line(path.display())?;
    }
    Ok(())
}

/// An image's signatures, if there are any in the store.
fn signatures(store: &Store, name: &Reference, image: &Image) -> Result<Option<Image>> {
    match store.load(&signature_tag(name, image.digest()).whole()) {
        Ok(signatures) => Ok(Some(signatures)),
        Err(Error::NotStored { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn sign(args: Sign, console: &mut Console) -> Result {
    let name = full_name(&args.name)?;
    let key = PrivateKey::read(&args.key)?;
    let store = args.store.open();
    let image = store.load(&name.whole())?;
    let known = signatures(&store, &name, &image)?;
    let signed = key.sign(&name, &image, known.as_ref())?;
    let tag = signature_tag(&name, image.digest());
    store.save(&tag.whole(), &signed)?;
    console.line(format_args!("{} {}", tag.whole(), signed.digest()))
}

fn verify(args: Verify, console: &mut Console) -> Result {
    let name = full_name(&args.name)?;
    let key = PublicKey::read(&args.key)?;
    let store = args.store.open();
    let image = store.load(&name.whole())?;
    let known = signatures(&store, &name, &image)?;
    key.verify(&name, &image, known.as_ref())?;
    console.line(format_args!("{} {}", name.whole(), image.digest()))
}

fn push(args: Push, console: &mut Console) -> Result {
    let name = full_name(&args.name)?;
    let store = args.store.open();
    let image = store.load(&name.whole())?;
    let registry = args.remote.registry(&name)?;
    registry.push(&name, &image)?;
    // After the image, so that a signature never stands alone.
    if let Some(signatures) = signatures(&store, &name, &image)? {
        registry.push(&signature_tag(&name, image.digest()), &signatures)?;
    }
    console.line(format_args!("{} {}", name.whole(), image.digest()))
}

fn pull(args: Pull, console: &mut Console) -> Result {
    let name = full_name(&args.name)?;
    let key = args.key.as_deref().map(PublicKey::read).transpose()?;
    let registry = args.remote.registry(&name)?;
    let image = registry.pull(&name)?;
    let tag = signature_tag(&name, image.digest());
    let signatures = registry.pull_if_there(&tag)?;
    if let Some(key) = key {
        key.verify(&name, &image, signatures.as_ref())?;
    }
    // An image whose layers cannot be read is not stored.
    for content in image.contents()? {
        image.layers(&content)?;
    }
    let store = args.store.open();
    store.save(&name.whole(), &image)?;
    if let Some(signatures) = signatures {
        store.save(&tag.whole(), &signatures)?;
    }
    console.line(format_args!("{} {}", name.whole(), image.digest()))
}

fn remove(args: Remove, console: &mut Console) -> Result {
    let name = full_name(&args.name)?;
    let store = args.store.open();
    let image = store.load(&name.whole())?;
    store.remove(&name.whole())?;
    if signatures(&store, &name, &image)?.is_some() {
        store.remove(&signature_tag(&name, image.digest()).whole())?;
    }
    console.line(format_args!("{} {}", name.whole(), image.digest()))
}
