//! `hachi link`: attachments of the running system.

pub mod seen;

use hachi::Held;
use hachi::links::{FdLink, PinnedLink, XdpAttachment, xdp_attachments};
use serde_json::{Value, json};

use crate::failure::{Failure, Result};
use crate::kernel::{self, Pids};
use crate::output::{Format, Output, Styled, WARN, dim, path_text, say};
use crate::{pins, sys};

/// List or end attachments of programs, BPF links (objects are linked by `hachi ld`)
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi link list
  hachi link detach 12")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    #[command(visible_alias = "show")]
    List(ListArgs),
    Detach(DetachArgs),
}

/// List what is attached where
///
/// Shows all BPF links, with the processes that have them open, and what is attached without one:
/// filters and XDP programs on interfaces of this network namespace, programs of cgroups, probes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  hachi link list")]
struct ListArgs {
    #[command(flatten)]
    format: Format,
}

/// End an attachment
#[derive(Debug, clap::Args)]
#[group(id = "which", required = true, multiple = false)]
#[command(after_help = "\
Examples:
  hachi link detach 12
  hachi link detach tc:eth0:ingress:49152:1
  hachi link detach /sys/fs/bpf/xdp-firewall/link
  hachi link detach --iface eth0")]
struct DetachArgs {
    /// What `hachi link list` prints as its id, or where it is pinned
    #[arg(value_name = "ID|PATH", group = "which")]
    link: Option<String>,
    /// Take all XDP programs off this interface, however they were attached
    #[arg(long, value_name = "IFACE", group = "which")]
    iface: Option<String>,
}

pub fn run(args: Args, out: &mut Output) -> Result {
    match args.command {
        Command::List(args) => list(args, out),
        Command::Detach(args) => detach(args, out),
    }
}

fn list(args: ListArgs, out: &mut Output) -> Result {
    let all = seen::all()?;
    let pids = Pids::of(|held| match held {
        Held::Link { id, .. } => Some(*id),
        _ => None,
    });
    let unfinished = pins::unfinished_dirs();
    let document = || {
        let links: Vec<Value> = all
            .iter()
            .map(|link| {
                json!({
                    "id": link.id,
                    "type": link.kind,
                    "program_id": link.program_id,
                    "program": link.program,
                    "target": link.target,
                    "pids": link.id.map(|id| pids.json(id)),
                })
            })
            .collect();
        let unfinished: Vec<Value> = unfinished
            .iter()
            .map(|dir| json!({ "dir": path_text(dir), "undo": pins::undo_command(dir) }))
            .collect();
        json!({ "links": links, "unfinished": unfinished })
    };
    args.format.print(out, document, |out| {
        if all.is_empty() {
            say!(out, "the kernel tells of nothing that is attached")?;
            let unseen = "filters of sockets, and what is attached without a link in other network \
                          namespaces, cannot be seen";
            say!(out, dim(unseen))?;
        }
        let rows = all.iter().map(|link| {
            [
                link.name().unwrap_or_else(|| "-".to_string()),
                link.kind.clone(),
                format!("{} (id {})", link.program, link.program_id),
                link.shown.clone(),
                link.id.map_or_else(|| "-".to_string(), |id| pids.text(id)),
            ]
        });
        if !all.is_empty() {
            out.table(["id", "type", "program", "target", "pids"], rows)?;
        }
        for dir in &unfinished {
            let dir = pins::unfinished_warning(dir);
            say!(out, Styled(WARN, "warning"), ": ", dir)?;
        }
        Ok(())
    })
}

fn detach(args: DetachArgs, out: &mut Output) -> Result {
    if let Some(iface) = args.iface {
        return detach_iface(&iface, out);
    }
    let Some(link) = args.link else {
        return Err(Failure::usage(
            "name a link by its id or its pin, or an interface",
        ));
    };
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Failure::because(format_args!("detaching link {link}"), error)
            .help("`hachi link list` prints the links there are")
    };
    if link.contains('/') {
        let pinned = PinnedLink::from_pin(&link).map_err(|error| Failure::because("", &error))?;
        let owned = pinned.unpin().map_err(|error| failed(&error))?;
        owned.detach().map_err(|error| failed(&error))?;
        return say!(out, "detached ", link);
    }
    let all = seen::all();
    // Afterwards there may be no program left to ask.
    let known = all
        .as_deref()
        .unwrap_or_default()
        .iter()
        .find(|other| other.name().as_deref() == Some(&link));
    let what = known.map_or_else(String::new, |known| {
        format!(": program {} from {}", known.program, known.shown)
    });
    match (known, link.parse()) {
        (Some(known), _) if known.without_link.is_some() => {
            known.end().map_err(|error| failed(&*error))?;
        }
        (_, Ok(id)) => {
            let link = FdLink::from_id(id).map_err(|error| failed(&error))?;
            link.detach().map_err(|error| failed(&error))?;
        }
        (_, Err(_)) if link.contains(':') => {
            all?;
            return Err(Failure::new(format_args!("nothing is attached at {link}"))
                .help("`hachi link list` prints what is"));
        }
        (_, Err(_)) => {
            return Err(Failure::usage(format_args!(
                "`{link}` is neither an id nor the path of a pin"
            ))
            .help("hachi link list"));
        }
    }
    say!(out, "detached ", link, what)
}

fn detach_iface(iface: &str, out: &mut Output) -> Result {
    let index = sys::interface_index(iface)
        .map_err(|error| Failure::because(format_args!("looking for interface {iface}"), &error))?;
    if index.is_none() {
        return Err(Failure::new(format!(
            "there is no interface {iface} in this network namespace"
        ))
        .help("`ip link` lists the interfaces"));
    }
    let all =
        xdp_attachments().map_err(|error| Failure::because("listing XDP programs", &error))?;
    let here: Vec<&XdpAttachment> = all.iter().filter(|xdp| xdp.if_name == iface).collect();
    if here.is_empty() {
        return Err(Failure::new(format!(
            "no XDP program is attached to {iface}"
        )));
    }
    for xdp in here {
        // Afterwards there may be no program left to ask.
        let name = kernel::program_name(xdp.program_id);
        xdp.detach().map_err(|error| {
            Failure::because(
                format!("taking program {} off {iface}", xdp.program_id),
                &error,
            )
        })?;
        say!(out, format_args!("detached program {name} from {iface}"))?;
    }
    Ok(())
}
