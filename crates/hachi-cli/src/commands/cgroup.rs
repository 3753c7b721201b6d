//! `hachi cgroup`: what is attached to cgroups.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use hachi::links::Attachments;
use hachi::programs::{AttachType, CgroupAttachMode};
use serde_json::{Value, json};

use crate::commands::link::seen;
use crate::failure::{Failure, Result};
use crate::kernel;
use crate::output::{Format, Output, bold, dim, path_text, say};

/// Show what is attached to cgroups, as a tree
///
/// With --effective, what runs for the processes of each: also what is attached above.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi cgroup
  hachi cgroup /sys/fs/cgroup/system.slice --effective
  hachi cgroup --json")]
pub struct Args {
    /// Only this cgroup and those below: a directory
    #[arg(value_name = "DIR")]
    below: Option<PathBuf>,
    /// Show what is in effect, not only what is attached
    #[arg(long)]
    effective: bool,
    #[command(flatten)]
    format: Format,
}

/// What one cgroup has.
struct Group {
    path: PathBuf,
    id: u64,
    attached: Vec<Attached>,
}

struct Attached {
    attach_type: AttachType,
    program_id: u32,
    link_id: Option<u32>,
    mode: Option<CgroupAttachMode>,
}

pub fn run(args: Args, out: &mut Output) -> Result {
    if let Some(dir) = &args.below {
        check(dir)?;
    }
    let mut groups: Vec<Group> = Vec::new();
    let mut refused = None;
    for (id, path) in seen::cgroups()? {
        if args
            .below
            .as_deref()
            .is_some_and(|dir| !path.starts_with(dir))
        {
            continue;
        }
        match attached(&path, args.effective) {
            Ok(attached) if attached.is_empty() => {}
            Ok(attached) => groups.push(Group { path, id, attached }),
            Err(failure) => refused = Some(failure),
        }
    }
    if let (true, Some(failure)) = (groups.is_empty(), refused) {
        return Err(failure);
    }
    groups.sort_by(|a, b| a.path.cmp(&b.path));
    let document = || {
        let groups = groups.iter().map(|group| {
            let programs = group.attached.iter().map(|attached| {
                json!({
                    "attach_type": attached.attach_type.name(),
                    "program_id": attached.program_id,
                    "program": kernel::program_name(attached.program_id),
                    "link_id": attached.link_id,
                    "mode": attached.mode.map(mode_name),
                })
            });
            json!({
                "path": path_text(&group.path),
                "id": group.id,
                "programs": programs.collect::<Vec<Value>>(),
            })
        });
        json!({ "effective": args.effective, "cgroups": groups.collect::<Vec<Value>>() })
    };
    args.format.print(out, document, |out| {
        if groups.is_empty() {
            return say!(out, "nothing is attached to a cgroup");
        }
        for group in &groups {
            say!(out, bold(group.path.display()))?;
            for attached in &group.attached {
                let program = kernel::program_name(attached.program_id);
                let program = format!("{program} (id {})", attached.program_id);
                let mode = attached.mode.map_or("", mode_name);
                let link = match attached.link_id {
                    Some(id) => format!("link {id}"),
                    None => String::new(),
                };
                let kind = attached.attach_type.name();
                say!(
                    out,
                    format_args!("  {kind:<24} {program}  {mode}  "),
                    dim(link)
                )?;
            }
        }
        Ok(())
    })
}

fn mode_name(mode: CgroupAttachMode) -> &'static str {
    match mode {
        CgroupAttachMode::Single => "single",
        CgroupAttachMode::AllowOverride => "override",
        CgroupAttachMode::AllowMultiple => "multi",
        _ => "other",
    }
}

/// Whether the directory is of a cgroup.
fn check(dir: &Path) -> Result {
    let known = seen::cgroups()?.into_values().any(|path| path == dir);
    match known {
        true => Ok(()),
        false => Err(Failure::new(format_args!(
            "{} is not a cgroup of version 2",
            dir.display()
        ))
        .help("they are directories below the mount of the cgroup2 file system")),
    }
}

fn attached(path: &Path, effective: bool) -> Result<Vec<Attached>> {
    let dir = match File::open(path) {
        // It is gone by now.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        dir => dir.map_err(|error| Failure::because(path.display(), &error))?,
    };
    let mut all = Vec::new();
    for attach_type in seen::cgroup_types() {
        let found = match effective {
            true => Attachments::effective_at(&dir, attach_type),
            false => Attachments::at(&dir, attach_type),
        };
        match found {
            Ok(found) => all.extend(found.programs.iter().map(|program| Attached {
                attach_type,
                program_id: program.program_id,
                link_id: program.link_id,
                mode: found.mode,
            })),
            Err(error) => {
                let failure = Failure::because("", &error);
                // What the kernel does not know has nothing attached to it.
                if failure.kind == crate::failure::Kind::Missing && !crate::machine::is_root() {
                    return Err(failure);
                }
            }
        }
    }
    Ok(all)
}
