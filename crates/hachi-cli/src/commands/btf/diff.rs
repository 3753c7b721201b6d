//! `hachi btf diff`: what changed between two kernels.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use hachi_btf::print::{self, Change};
use hachi_btf::{Btf, Kind, Types as _};
use serde_json::{Value, json};

use super::{source, used};
use crate::failure::{Failure, Result};
use crate::object;
use crate::output::{self, BAD, Format, GOOD, Output, Styled, WARN, bold, say};
use hachi_btf::rust::matches;

/// Show what changed between two kernels' types
///
/// Of structs: members added, removed, moved, of another type or size. Of enums: values. Of
/// functions and typedefs: the type. Members of anonymous members count as the struct's own.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi btf diff vmlinux-5.10.btf running task_struct 'sk_*'
  hachi btf diff vmlinux-6.1.btf vmlinux-6.12.btf --object firewall.o
  hachi btf diff vmlinux-6.1.btf running --json")]
pub struct Args {
    /// The types as they were
    #[arg(value_name = "FILE|running|ID")]
    old: String,
    /// The types as they are
    #[arg(value_name = "FILE|running|ID")]
    new: String,
    /// Only types with these names (* stands for anything); all if there are none
    #[arg(value_name = "TYPE", conflicts_with = "object")]
    types: Vec<String>,
    /// Only what the CO-RE relocations of this object ask for
    #[arg(long, value_name = "OBJ")]
    object: Option<PathBuf>,
    #[command(flatten)]
    format: Format,
}

/// A type that changed.
struct Changed {
    name: String,
    kind: Kind,
    changes: Vec<Change>,
}

pub fn run(args: Args, out: &mut Output) -> Result {
    let (old, new) = (
        source::open(&args.old, None)?,
        source::open(&args.new, None)?,
    );
    let (old, new) = (old.types(), new.types());
    for (name, types) in [(&args.old, old), (&args.new, new)] {
        types
            .check_index()
            .map_err(|error| Failure::because(name, &error))?;
    }
    let wanted = match &args.object {
        Some(path) => Wanted::Used(used::parts(&object::open(path)?.spec)),
        None if args.types.is_empty() => Wanted::All,
        None => Wanted::Named(&args.types),
    };
    let (changed, same) = compare(old, new, &wanted)?;
    let document = || {
        json!({
            "types": changed.iter().map(describe).collect::<Vec<_>>(),
            "unchanged": same,
        })
    };
    args.format.print(out, document, |out| {
        for changed in &changed {
            show(changed, out)?;
        }
        if matches!(&wanted, Wanted::Used(parts) if parts.is_empty()) {
            say!(
                out,
                "the object has no CO-RE relocations, so nothing of this concerns it"
            )?;
        }
        let changed = output::count(changed.len(), "type");
        say!(out, format_args!("{changed} changed, {same} did not"))
    })
}

enum Wanted<'a> {
    All,
    Named(&'a [String]),
    /// Parts of types by name of the type.
    Used(BTreeMap<String, BTreeSet<String>>),
}

impl Wanted<'_> {
    fn has(&self, name: &str) -> bool {
        match self {
            Wanted::All => true,
            Wanted::Named(patterns) => patterns.iter().any(|pattern| matches(pattern, name)),
            Wanted::Used(parts) => parts.contains_key(name),
        }
    }

    /// Whether a change is to something that is asked about.
    fn concerns(&self, name: &str, change: &Change) -> bool {
        let Wanted::Used(parts) = self else {
            return true;
        };
        let used = |part: &String| parts.get(name).is_some_and(|parts| parts.contains(part));
        match change {
            Change::Added
            | Change::Removed
            | Change::Kind(..)
            | Change::Size(..)
            | Change::Type(..) => true,
            Change::MemberAdded(part, _)
            | Change::MemberRemoved(part, _)
            | Change::MemberMoved(part, ..)
            | Change::MemberType(part, ..)
            | Change::MemberSize(part, ..)
            | Change::ValueAdded(part, _)
            | Change::ValueRemoved(part, _)
            | Change::ValueChanged(part, ..) => used(part),
        }
    }
}

/// Kinds that can be distinguished by name. Announcements and the kernel's variables are left out.
fn is_compared(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 | Kind::Typedef | Kind::Func
    )
}

/// The first type of each name and kind.
fn named<'t>(types: &'t Btf<'_>, wanted: &Wanted<'_>) -> BTreeMap<(&'t str, Kind), u32> {
    let mut named = BTreeMap::new();
    for id in types.first_id()..=types.last_id() {
        if let Ok(shape) = types.shape(id)
            && is_compared(shape.kind)
            && !shape.name.is_empty()
            && wanted.has(shape.name)
        {
            // An enum is the same type however wide its values are written.
            let kind = match shape.kind {
                Kind::Enum64 => Kind::Enum,
                kind => kind,
            };
            named.entry((shape.name, kind)).or_insert(id);
        }
    }
    named
}

/// The types that changed, and how many did not.
fn compare(old: &Btf<'_>, new: &Btf<'_>, wanted: &Wanted<'_>) -> Result<(Vec<Changed>, usize)> {
    let (before, after) = (named(old, wanted), named(new, wanted));
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    if keys.is_empty() && matches!(wanted, Wanted::Named(_)) {
        return Err(Failure::new("neither has any of these types")
            .help("`hachi btf find '*name*'` looks for similar names"));
    }
    let mut changed = Vec::new();
    let mut same = 0;
    for &&(name, kind) in &keys {
        let ids = (before.get(&(name, kind)), after.get(&(name, kind)));
        let mut changes = print::diff((old, ids.0.copied()), (new, ids.1.copied()))
            .map_err(|error| Failure::because(format!("comparing {name}"), &error))?;
        changes.retain(|change| wanted.concerns(name, change));
        match changes.is_empty() {
            true => same += 1,
            false => changed.push(Changed {
                name: name.to_owned(),
                kind,
                changes,
            }),
        }
    }
    Ok((changed, same))
}

fn show(changed: &Changed, out: &mut Output) -> Result {
    let keyword = match changed.kind {
        Kind::Struct => "struct ",
        Kind::Union => "union ",
        Kind::Enum => "enum ",
        Kind::Typedef => "typedef ",
        _ => "",
    };
    let (added, removed, other) = (Styled(GOOD, "+"), Styled(BAD, "-"), Styled(WARN, "~"));
    let name = bold(format!("{keyword}{}", changed.name));
    match &changed.changes[..] {
        [Change::Added] => return say!(out, added, " ", name),
        [Change::Removed] => return say!(out, removed, " ", name),
        _ => say!(out, other, " ", name)?,
    }
    for change in &changed.changes {
        let add = |text: String| (added, text);
        let remove = |text: String| (removed, text);
        let note = |text: String| (other, text);
        let (mark, text) = match change {
            Change::Added => add("new".into()),
            Change::Removed => remove("gone".into()),
            Change::Kind(old, new) => note(format!("{old} has become {new}")),
            Change::Size(old, new) => note(format!("size {old} -> {new}")),
            Change::Type(old, new) => {
                say!(out, "    ", removed, " ", old)?;
                add(new.clone())
            }
            Change::MemberAdded(_, declaration) => add(declaration.clone()),
            Change::MemberRemoved(_, declaration) => remove(declaration.clone()),
            Change::MemberMoved(name, old, new) => {
                note(format!("{name} moved: {} -> {}", place(*old), place(*new)))
            }
            Change::MemberType(name, old, new) => note(format!("{name}: {old} -> {new}")),
            Change::MemberSize(name, old, new) => {
                note(format!("{name}: {} -> {}", bits(*old), bits(*new)))
            }
            Change::ValueAdded(name, value) => add(format!("{name} = {value}")),
            Change::ValueRemoved(name, value) => remove(format!("{name} = {value}")),
            Change::ValueChanged(name, old, new) => note(format!("{name} = {old} -> {new}")),
        };
        say!(out, "    ", mark, " ", text)?;
    }
    Ok(())
}

fn place(bits: u32) -> String {
    match bits % 8 {
        0 => format!("byte {}", bits / 8),
        bit => format!("byte {} bit {bit}", bits / 8),
    }
}

fn bits(bits: u64) -> String {
    match bits % 8 {
        0 => output::count((bits / 8) as usize, "byte"),
        _ => output::count(bits as usize, "bit"),
    }
}

fn describe(changed: &Changed) -> Value {
    let changes: Vec<Value> = changed.changes.iter().map(describe_change).collect();
    json!({ "name": changed.name, "kind": changed.kind.name(), "changes": changes })
}

fn describe_change(change: &Change) -> Value {
    // JSON readers keep 53 bits at least; enum values beyond 64 do not exist.
    let number = |value: i128| match u64::try_from(value) {
        Ok(value) => json!(value),
        Err(_) => json!(value as i64),
    };
    match change {
        Change::Added => json!({ "change": "added" }),
        Change::Removed => json!({ "change": "removed" }),
        Change::Kind(old, new) => json!({ "change": "kind", "old": old, "new": new }),
        Change::Size(old, new) => json!({ "change": "size", "old": old, "new": new }),
        Change::Type(old, new) => json!({ "change": "type", "old": old, "new": new }),
        Change::MemberAdded(name, declaration) => {
            json!({ "change": "member_added", "member": name, "new": declaration })
        }
        Change::MemberRemoved(name, declaration) => {
            json!({ "change": "member_removed", "member": name, "old": declaration })
        }
        Change::MemberMoved(name, old, new) => {
            json!({ "change": "member_moved", "member": name, "old": old, "new": new })
        }
        Change::MemberType(name, old, new) => {
            json!({ "change": "member_type", "member": name, "old": old, "new": new })
        }
        Change::MemberSize(name, old, new) => {
            json!({ "change": "member_size", "member": name, "old": old, "new": new })
        }
        Change::ValueAdded(name, value) => {
            json!({ "change": "value_added", "value": name, "new": number(*value) })
        }
        Change::ValueRemoved(name, value) => {
            json!({ "change": "value_removed", "value": name, "old": number(*value) })
        }
        Change::ValueChanged(name, old, new) => json!({
            "change": "value_changed", "value": name, "old": number(*old), "new": number(*new),
        }),
    }
}
