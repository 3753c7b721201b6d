//! Where type information comes from: the running kernel, files, the kernel's table of BTF objects.

use std::io;
use std::path::Path;

use hachi::Btf;
use hachi_btf::edit::relocate;
use object::{Object as _, ObjectSection as _};

use crate::failure::{Failure, Result};

/// The options of commands that look into one set of types.
#[derive(Debug, clap::Args)]
pub struct Source {
    /// Whose types: `running`, a file (raw BTF, or ELF with a .BTF section), or the id of a BTF
    /// object
    #[arg(
        long,
        alias = "kernel",
        value_name = "FILE|running|ID",
        default_value = "running"
    )]
    btf: String,
    /// The types that those of a kernel module continue
    #[arg(long, value_name = "FILE|running")]
    base: Option<String>,
}

impl Source {
    /// Opens it.
    pub fn open(&self) -> Result<Btf> {
        open(&self.btf, self.base.as_deref())
    }
}

/// Opens types by what the user says: `running` for the running kernel's, an id if it is a number,
/// else a file. `base` is what split BTF continues.
pub fn open(wanted: &str, base: Option<&str>) -> Result<Btf> {
    if let (Some(_), true) = (base, wanted == "running" || wanted.parse::<u32>().is_ok()) {
        return Err(Failure::usage(format!("{wanted} needs no --base"))
            .help("it is for the types of a module, in a file"));
    }
    if wanted == "running" {
        return Btf::from_sys_fs().map_err(|error| {
            Failure::missing(format!("the running kernel's types: {error}"))
                .help("the kernel needs CONFIG_DEBUG_INFO_BTF; or name a file with its types")
        });
    }
    if let Ok(id) = wanted.parse() {
        return Btf::from_id(id).map_err(|error| {
            Failure::because(format!("opening BTF object {id}"), &error)
                .help("a number is the id of a BTF object, not that of a program or map")
        });
    }
    let file = read(Path::new(wanted))?;
    let parsed = match (base, file.base) {
        (None, None) => Btf::parse(&file.types),
        (Some(base), None) => Btf::parse_split(&file.types, &open(base, None)?),
        // A module's own small base stands in for the kernel's, or is exchanged for it.
        (None, Some(own)) => Btf::parse(&own).and_then(|own| Btf::parse_split(&file.types, &own)),
        (Some(base), Some(own)) => {
            let base = open(base, None)?;
            let moved = move_onto(&file.types, &own, base.types())
                .map_err(|error| Failure::because(wanted, &error))?;
            Btf::parse_split(&moved, &base)
        }
    };
    parsed.map_err(|error| {
        let failure = Failure::because(wanted, &error);
        match base {
            None if error.to_string().contains("empty string") => failure.help(
                "if these are the types of a kernel module, give the kernel's: --base running",
            ),
            _ => failure,
        }
    })
}

/// Distilled types on top of another base than their own.
fn move_onto(
    types: &[u8],
    own: &[u8],
    base: &hachi_btf::Btf<'_>,
) -> std::result::Result<Vec<u8>, hachi_btf::Error> {
    let own = hachi_btf::Btf::parse(own)?;
    let split = hachi_btf::Btf::parse_split(types, &own)?;
    relocate(&split, base)?.encode_split(base)
}

/// Raw BTF in a file.
struct File {
    types: Vec<u8>,
    /// The distilled base that modules bring along.
    base: Option<Vec<u8>>,
}

/// Reads raw BTF: all of a file, or the section `.BTF` of an ELF file and `.BTF.base` if it has
/// that.
fn read(path: &Path) -> Result<File> {
    let shown = path.display();
    let bytes = hachi_linker::read_file(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Failure::new(format!("there is no file {shown}")),
        _ => Failure::because(format!("reading {shown}"), &error),
    })?;
    if !bytes.starts_with(b"\x7fELF") {
        return Ok(File {
            types: bytes,
            base: None,
        });
    }
    let elf = object::File::parse(&*bytes)
        .map_err(|error| Failure::because(format!("reading {shown}"), &error))?;
    let section = |name: &str| match elf.section_by_name(name) {
        None => Ok(None),
        Some(section) => match section.data() {
            Ok(data) => Ok(Some(data.to_vec())),
            Err(error) => Err(Failure::because(
                format!("section {name} of {shown}"),
                &error,
            )),
        },
    };
    let types = section(".BTF")?.ok_or_else(|| {
        Failure::new(format!("{shown} has no section .BTF"))
            .help("objects get one with `hachi build`, or `clang -g -target bpf`")
    })?;
    Ok(File {
        types,
        base: section(".BTF.base")?,
    })
}
