//! `hachi btf min`: as few types of a kernel as objects need.

use std::path::PathBuf;

use hachi_btf::core::Minimizer;
use hachi_obj::CoreReloKind;
use serde_json::json;

use super::source;
use crate::failure::{Failure, Result};
use crate::object;
use crate::output::{self, Format, Output, grouped, say};

/// Cut a kernel's types down to what objects need
///
/// The result takes the place of the whole: the objects become the same programs with it. Ship it
/// for kernels that do not show their types, and give it to `EbpfLoader::btf`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi btf min vmlinux-4.19.btf firewall-4.19.btf firewall.o
  hachi btf min running small.btf trace.o execsnoop.o")]
pub struct Args {
    /// The kernel's types: a file (raw BTF, or ELF with a .BTF section) or `running`
    #[arg(value_name = "BTF")]
    btf: String,
    /// The file to write
    out: PathBuf,
    /// The objects that will be loaded with it
    #[arg(required = true, value_name = "OBJ")]
    objects: Vec<PathBuf>,
    #[command(flatten)]
    format: Format,
}

pub fn run(args: Args, out: &mut Output) -> Result {
    let kernel = source::open(&args.btf, None)?;
    let kernel = kernel.types();
    let mut needed = Minimizer::new(kernel);
    let mut records = 0;
    for path in &args.objects {
        let spec = object::open(path)?.spec;
        let failed =
            |error: &(dyn std::error::Error + 'static)| Failure::because(path.display(), error);
        let Some(local) = spec.types() else {
            continue;
        };
        let mut ids = 0;
        for program in &spec.programs {
            let code = program.code().map_err(|error| failed(&error))?;
            for relo in code.core_relos() {
                let relo = relo.map_err(|error| failed(&error))?;
                needed.add(&local, relo).map_err(|error| failed(&error))?;
                records += 1;
                ids += usize::from(relo.kind == CoreReloKind::TypeIdTarget);
            }
        }
        if ids > 0 {
            out.warn(format_args!(
                "{} asks for the id of a type in the kernel's own BTF {}: what it gets is the id \
                 in the file, of which the kernel knows nothing",
                path.display(),
                match ids {
                    1 => "once".to_owned(),
                    _ => format!("{ids} times"),
                }
            ))?;
        }
    }
    let failed = |error| Failure::because("cutting down the types", &error);
    let types = needed.finish().map_err(failed)?;
    let bytes = types.encode(kernel.endian()).map_err(failed)?;
    output::write_file(&args.out, &bytes)?;
    let document = || {
        json!({
            "out": output::path_text(&args.out),
            "bytes": bytes.len(),
            "types": types.len(),
            "relocations": records,
        })
    };
    args.format.print(out, document, |out| {
        let types = output::count(types.len(), "type");
        let bytes = grouped(bytes.len() as u64);
        let records = output::count(records, "CO-RE relocation");
        say!(
            out,
            args.out.display(),
            format_args!(": {types}, {bytes} bytes, for {records}")
        )
    })
}
