//! `hachi btf find`: which types there are.

use hachi_btf::rust::matches;
use hachi_btf::{Kind, Types as _};
use serde_json::{Value, json};

use super::source::Source;
use crate::failure::{Failure, Kind as FailureKind, Result};
use crate::output::{self, DIM, Format, Output, Text, bold, dim, say};

/// Find types by name
///
/// Prints the declarations of all types, functions and variables whose name matches, and of those
/// that have such a member or enum value if asked.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi btf find task_struct
  hachi btf find 'bpf_*' --kind func
  hachi btf find 'sk_*' --members --btf vmlinux-6.1.btf --json")]
pub struct Args {
    /// A name, in which * stands for anything and ? for one character
    name: String,
    /// Only this kind: int, struct, union, enum, fwd, typedef, func, var, datasec, float, ...
    #[arg(long)]
    kind: Option<String>,
    /// Look for members of structs and values of enums instead
    #[arg(long)]
    members: bool,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    format: Format,
}

struct Found {
    id: u32,
    kind: Kind,
    name: String,
    declaration: String,
    size: Option<u32>,
    /// The member or value that matches.
    member: Option<String>,
}

pub fn run(args: Args, out: &mut Output) -> Result {
    let kind = args.kind.as_deref().map(parse_kind).transpose()?;
    let btf = args.source.open()?;
    let found = find(&btf, &args.name, kind, args.members)?;
    let document = || {
        let types: Vec<Value> = found
            .iter()
            .map(|found| {
                json!({
                    "id": found.id,
                    "kind": found.kind.name(),
                    "name": found.name,
                    "declaration": found.declaration,
                    "size": found.size,
                    "member": found.member,
                })
            })
            .collect();
        json!({ "types": types })
    };
    args.format.print(out, document, |out| {
        for found in &found {
            let id = format!("[{}]", found.id);
            let mut rest = Text::default();
            if let Some(member) = &found.member {
                rest = rest.and("  ").and(member);
            }
            if let Some(size) = found.size {
                rest = rest
                    .and("  ")
                    .and_in(DIM, output::count(size as usize, "byte"));
            }
            let id = dim(format!("{id:>7}"));
            say!(out, id, " ", bold(&found.declaration), rest)?;
        }
        Ok(())
    })?;
    match found.is_empty() {
        false => Ok(()),
        true if args.format.json => Err(Failure::silent(FailureKind::Failed)),
        true => Err(Failure::new(format!("nothing is named {}", args.name))
            .help("* stands for anything: hachi btf find '*name*'")),
    }
}

fn parse_kind(text: &str) -> Result<Kind> {
    (1..)
        .map_while(Kind::from_number)
        .find(|kind| kind.name().eq_ignore_ascii_case(text))
        .ok_or_else(|| {
            let all: Vec<_> = (1..).map_while(Kind::from_number).map(Kind::name).collect();
            Failure::usage(format!("there is no kind {text}"))
                .help(format!("one of: {}", all.join(", ").to_lowercase()))
        })
}

fn find(btf: &hachi::Btf, pattern: &str, kind: Option<Kind>, members: bool) -> Result<Vec<Found>> {
    let types = btf.types();
    let failed = |error: hachi_btf::Error| Failure::because("reading the types", &error);
    let mut found = Vec::new();
    for item in types.iter().map_err(failed)? {
        let (id, ty) = item.map_err(failed)?;
        if kind.is_some_and(|kind| kind != ty.kind()) {
            continue;
        }
        let name = ty.name().copied().unwrap_or_default();
        let mut add = |member: Option<String>| {
            found.push(Found {
                id,
                kind: ty.kind(),
                name: name.to_owned(),
                declaration: match &ty {
                    hachi_btf::Type::Func(func) => types.declaration(func.type_id, name),
                    hachi_btf::Type::Var(var) => types.declaration(var.type_id, name),
                    hachi_btf::Type::Typedef(typedef) => {
                        format!("typedef {}", types.declaration(typedef.type_id, name))
                    }
                    _ => types.type_name(id),
                },
                size: types.size_of(id).ok().filter(|_| has_size(ty.kind())),
                member,
            });
        };
        if !members {
            if !name.is_empty() && matches(pattern, name) {
                add(None);
            }
            continue;
        }
        match &ty {
            hachi_btf::Type::Struct(t) | hachi_btf::Type::Union(t) => t
                .members
                .iter()
                .filter(|m| matches(pattern, m.name))
                .for_each(|m| add(Some(types.declaration(m.type_id, m.name)))),
            hachi_btf::Type::Enum(t) => t
                .variants
                .iter()
                .filter(|v| matches(pattern, v.name))
                .for_each(|v| {
                    add(Some(match t.signed {
                        true => format!("{} = {}", v.name, v.value),
                        false => format!("{} = {}", v.name, v.value as u32),
                    }));
                }),
            hachi_btf::Type::Enum64(t) => t
                .variants
                .iter()
                .filter(|v| matches(pattern, v.name))
                .for_each(|v| {
                    add(Some(match t.signed {
                        true => format!("{} = {}", v.name, v.value as i64),
                        false => format!("{} = {}", v.name, v.value),
                    }));
                }),
            _ => {}
        }
    }
    Ok(found)
}

fn has_size(kind: Kind) -> bool {
    !matches!(kind, Kind::Func | Kind::DeclTag | Kind::Fwd)
}
