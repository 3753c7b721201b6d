//! Where type information comes from: the running kernel, files, the kernel's table of BTF objects.

use std::io;
use std::path::Path;

use hachi::Btf;
use object::{Object as _, ObjectSection as _};

use crate::failure::{Failure, Result};

/// The options of commands that look into one set of types.
#[derive(Debug, clap::Args)]
pub struct Source {
    /// Whose types: `running`, a file (raw BTF, or ELF with a .BTF section), or the id of a BTF object
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

/// Opens types by what the user says: `running` for the running kernel's, an id if it is a number, else a file. `base` is
/// what split BTF continues.
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
                .help("`hachi prog list --json` and `hachi map list --json` name the ids in use")
        });
    }
    let bytes = read(Path::new(wanted))?;
    let parsed = match base {
        Some(base) => Btf::parse_split(&bytes, &open(base, None)?),
        None => Btf::parse(&bytes),
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

/// The raw BTF in a file: all of it, or the `.BTF` section of an ELF file.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let shown = path.display();
    let bytes = std::fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Failure::new(format!("there is no file {shown}")),
        _ => Failure::because(format!("reading {shown}"), &error),
    })?;
    if !bytes.starts_with(b"\x7fELF") {
        return Ok(bytes);
    }
    let elf = object::File::parse(&*bytes)
        .map_err(|error| Failure::because(format!("reading {shown}"), &error))?;
    let section = elf.section_by_name(".BTF").ok_or_else(|| {
        Failure::new(format!("{shown} has no section .BTF"))
            .help("objects get one with `hachi build`, or `clang -g -target bpf`")
    })?;
    let data = section
        .data()
        .map_err(|error| Failure::because(format!("section .BTF of {shown}"), &error))?;
    Ok(data.to_vec())
}
