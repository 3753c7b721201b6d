//! `hachi btf layout`: where the members of a struct lie.

use hachi_btf::print::{Field, Layout};
use hachi_btf::{Btf, Kind, Types as _};
use serde_json::{Value, json};

use super::source::Source;
use crate::failure::{Failure, Result};
use crate::output::{Format, Output, say};

/// Show the layout of a struct: offsets and sizes in bytes, holes, cache lines
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi btf layout task_struct
  hachi btf layout 'struct sock' --expand
  hachi btf layout event --btf target/bpf/firewall.o --json")]
pub struct Args {
    /// A struct, a union, or a typedef of one; `struct` or `union` before it makes it clear
    #[arg(value_name = "TYPE")]
    name: String,
    /// Open all members that are structs, not just anonymous ones
    #[arg(long)]
    expand: bool,
    /// Bytes of a cache line
    #[arg(long, value_name = "BYTES", default_value_t = 64)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    cache_line: u32,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    format: Format,
}

pub fn run(args: Args, out: &mut Output) -> Result {
    let btf = args.source.open()?;
    let types = btf.types();
    let layouts = find(types, &args.name)?
        .into_iter()
        .map(|id| match args.expand {
            true => Layout::expanded(types, id),
            false => Layout::new(types, id),
        })
        .collect::<std::result::Result<Vec<Layout>, _>>()
        .map_err(|error| Failure::because(format!("the layout of {}", args.name), &error))?;
    let document = || json!({ "layouts": layouts.iter().map(describe).collect::<Vec<_>>() });
    args.format.print(out, document, |out| {
        for (at, layout) in layouts.iter().enumerate() {
            if at > 0 {
                say!(out)?;
            }
            out.document(&layout.text(args.cache_line))?;
        }
        Ok(())
    })
}

/// All structs and unions of this name: a kernel can have several.
pub fn find(types: &Btf<'_>, wanted: &str) -> Result<Vec<u32>> {
    let (kinds, name): (&[Kind], &str) = match wanted.split_once(' ') {
        Some(("struct", name)) => (&[Kind::Struct], name),
        Some(("union", name)) => (&[Kind::Union], name),
        _ => (&[Kind::Struct, Kind::Union, Kind::Typedef], wanted),
    };
    let mut ids = Vec::new();
    for id in types.candidates(name) {
        let is_it = types
            .shape(id)
            .is_ok_and(|shape| kinds.contains(&shape.kind) && shape.name == name);
        let Ok(target) = types.resolve(id) else {
            continue;
        };
        let composite = types
            .shape(target)
            .is_ok_and(|shape| matches!(shape.kind, Kind::Struct | Kind::Union));
        if is_it && composite && !ids.contains(&target) {
            ids.push(target);
        }
    }
    match ids.is_empty() {
        false => Ok(ids),
        true => Err(
            Failure::new(format!("there is no struct or union {wanted}"))
                .help(format!("look for similar names: hachi btf find '*{name}*'")),
        ),
    }
}

fn describe(layout: &Layout) -> Value {
    json!({
        "id": layout.id,
        "name": layout.name,
        "size": layout.size,
        "alignment": layout.align,
        "union": layout.union,
        "members": layout.fields.iter().map(describe_field).collect::<Vec<_>>(),
        "holes": layout.holes.len(),
        "padding_bits": layout.padding,
    })
}

fn describe_field(field: &Field) -> Value {
    json!({
        "name": field.name,
        "declaration": field.declaration,
        "type_id": field.type_id,
        "bit_offset": field.bit_offset,
        "bits": field.bits,
        "bit_field": field.bit_field,
        "hole_before_bits": field.hole,
        "padding_bits": field.padding,
        "members": field.fields.iter().map(describe_field).collect::<Vec<_>>(),
    })
}
