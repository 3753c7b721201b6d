//! `hachi btf dump`: all types, in a language of choice.

use std::collections::BTreeSet;

use hachi_btf::rust::Bindings;
use hachi_btf::{Btf, Types as _, print};

use super::source;
use crate::failure::{Failure, Result};
use crate::output::Output;
use hachi_btf::rust::matches;

/// Print types: as C, as Rust, as they are encoded, or as JSON
///
/// C compiles, and gives structs the layouts they have; it serves as vmlinux.h. Rust is what
/// `hachi bindgen` prints. Raw and JSON are what bpftool prints.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi btf dump --format c > vmlinux.h
  hachi btf dump firewall.o
  hachi btf dump running --type sock --type 'tcp_*' --format c
  hachi btf dump veth.ko --base vmlinux.btf --format json")]
pub struct Args {
    /// Whose types: `running`, a file (raw BTF, or ELF with a .BTF section), or the id of a BTF
    /// object
    #[arg(value_name = "FILE|running|ID", default_value = "running")]
    btf: String,
    /// The types that those of a kernel module continue
    #[arg(long, value_name = "FILE|running")]
    base: Option<String>,
    /// How to print them
    #[arg(long, value_name = "FORMAT", default_value = "raw")]
    format: Language,
    /// Only types whose name matches (* stands for anything), and in C what they need; repeatable
    #[arg(long = "type", value_name = "NAME")]
    names: Vec<String>,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Language {
    Raw,
    C,
    Rust,
    Json,
}

pub fn run(args: Args, out: &mut Output) -> Result {
    let btf = source::open(&args.btf, args.base.as_deref())?;
    let types = btf.types();
    let failed = |error: hachi_btf::Error| Failure::because(&args.btf, &error);
    types.check_index().map_err(failed)?;
    let language = match args.json {
        true => Language::Json,
        false => args.format,
    };
    let ids = || select(types, &args.names).map(Vec::into_iter);
    let text = match language {
        Language::Raw => print::raw(types, ids()?).map_err(failed)?,
        Language::Json => {
            return out.json_text(&print::json(types, ids()?).map_err(failed)?);
        }
        Language::C => print::header(types, ids()?, "__VMLINUX_H__").map_err(failed)?,
        Language::Rust => {
            rust(types, &args.names).map_err(|error| Failure::because(&args.btf, &error))?
        }
    };
    out.document(&text)
}

/// What `hachi bindgen` prints for these names, or for all.
fn rust(types: &Btf<'_>, names: &[String]) -> std::result::Result<String, hachi_btf::rust::Error> {
    let bindings = match names {
        [] => Bindings::new().ask_all(),
        names => names
            .iter()
            .fold(Bindings::new(), |bindings, name| bindings.ask(name)),
    };
    bindings.generate(types)
}

/// The ids to print: of one part alone if there is a base.
fn select(types: &Btf<'_>, names: &[String]) -> Result<Vec<u32>> {
    let all = types.first_id()..=types.last_id();
    if names.is_empty() {
        return Ok(all.collect());
    }
    let mut missing: BTreeSet<&String> = names.iter().collect();
    let mut ids = Vec::new();
    for id in all {
        let name = types.shape(id).map_or("", |shape| shape.name);
        if name.is_empty() {
            continue;
        }
        let wanted: Vec<_> = names.iter().filter(|n| matches(n, name)).collect();
        if !wanted.is_empty() {
            ids.push(id);
        }
        for name in wanted {
            missing.remove(name);
        }
    }
    match missing.first() {
        None => Ok(ids),
        Some(name) => Err(Failure::new(format!("there is no type {name}"))
            .help(format!("look for similar names: hachi btf find '*{name}*'"))),
    }
}
