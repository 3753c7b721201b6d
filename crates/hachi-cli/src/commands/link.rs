//! `hachi link`: attachments of the running system.

use hachi::Held;
use hachi::links::{
    FdLink, LinkInfo, LinkTarget, PinnedLink, XdpAttachment, loaded_links, xdp_attachments,
};
use serde_json::{Value, json};

use crate::failure::{Failure, Result};
use crate::kernel::{self, Pids};
use crate::output::{Format, Output, say};
use crate::sys;

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
/// Shows all BPF links, with the processes that have them open, and the XDP programs of this
/// network namespace that were attached without one.
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
  hachi link detach /sys/fs/bpf/xdp-firewall/link
  hachi link detach --iface eth0")]
struct DetachArgs {
    /// The link's id, or where it is pinned
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

/// One line of the list.
struct Attachment {
    /// None for attachments that are no link.
    id: Option<u32>,
    kind: String,
    program_id: u32,
    program: String,
    target: Value,
    shown: String,
}

fn list(args: ListArgs, out: &mut Output) -> Result {
    let links: Vec<LinkInfo> = loaded_links()
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| Failure::because("listing links", &error))?;
    let xdp =
        xdp_attachments().map_err(|error| Failure::because("listing XDP programs", &error))?;
    let mut all: Vec<Attachment> = links.iter().map(|link| from_link(link, &xdp)).collect();
    all.extend(
        xdp.iter()
            .filter(|xdp| xdp.link_id().is_none())
            .map(from_netlink),
    );
    let pids = Pids::of(|held| match held {
        Held::Link { id, .. } => Some(*id),
        _ => None,
    });
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
        json!({ "links": links })
    };
    args.format.print(out, document, |out| {
        if all.is_empty() {
            say!(out, "nothing is attached")?;
        }
        let rows = all.iter().map(|link| {
            [
                link.id.map_or_else(|| "-".to_string(), |id| id.to_string()),
                link.kind.clone(),
                format!("{} (id {})", link.program, link.program_id),
                link.shown.clone(),
                link.id.map_or_else(|| "-".to_string(), |id| pids.text(id)),
            ]
        });
        out.table(["id", "type", "program", "target", "pids"], rows)
    })
}

fn from_link(link: &LinkInfo, xdp: &[XdpAttachment]) -> Attachment {
    let (target, shown) = match link.target() {
        LinkTarget::Interface { index: 0 } => (
            json!({ "kind": "interface", "index": 0 }),
            "an interface that is gone".to_string(),
        ),
        LinkTarget::Interface { index } => {
            // An index means something in its own network namespace only, and a link does not say
            // which that is. The programs that are on interfaces of ours tell.
            let here = xdp
                .iter()
                .find(|xdp| xdp.if_index == index && xdp.program_id == link.program_id());
            let mode = here.map(|xdp| xdp.mode.to_string());
            let name = here.map(|xdp| xdp.if_name.clone());
            let shown = match (&name, &mode) {
                (Some(name), Some(mode)) => format!("{name}, {mode} mode"),
                _ if link.type_name() == "xdp" => {
                    format!("interface {index}, of another network namespace")
                }
                _ => format!("interface {index}"),
            };
            (
                json!({ "kind": "interface", "index": index, "name": name, "mode": mode }),
                shown,
            )
        }
        LinkTarget::Cgroup { id } => (
            json!({ "kind": "cgroup", "id": id }),
            format!("cgroup {id}"),
        ),
        LinkTarget::Netns { inode } => (
            json!({ "kind": "netns", "inode": inode }),
            format!("network namespace {inode}"),
        ),
        _ => (Value::Null, "-".to_string()),
    };
    Attachment {
        id: Some(link.id()),
        kind: link.type_name(),
        program_id: link.program_id(),
        program: kernel::program_name(link.program_id()),
        target,
        shown,
    }
}

fn from_netlink(xdp: &XdpAttachment) -> Attachment {
    Attachment {
        id: None,
        kind: "xdp".into(),
        program_id: xdp.program_id,
        program: kernel::program_name(xdp.program_id),
        target: json!({
            "kind": "interface",
            "index": xdp.if_index,
            "name": xdp.if_name,
            "mode": xdp.mode.to_string(),
        }),
        shown: format!("{}, {} mode, by netlink", xdp.if_name, xdp.mode),
    }
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
    let failed = |error: &dyn std::error::Error| {
        Failure::because(format!("detaching link {link}"), error)
            .help("`hachi link list` prints the links there are")
    };
    if link.contains('/') {
        let pinned = PinnedLink::from_pin(&link).map_err(|error| Failure::because("", &error))?;
        let link = pinned.unpin().map_err(|error| failed(&error))?;
        link.detach().map_err(|error| failed(&error))?;
    } else {
        let id = link.parse().map_err(|_| {
            Failure::usage(format!("`{link}` is neither an id nor the path of a pin"))
                .help("hachi link list")
        })?;
        let link = FdLink::from_id(id).map_err(|error| failed(&error))?;
        link.detach().map_err(|error| failed(&error))?;
    }
    say!(out, "detached ", link)
}

fn detach_iface(iface: &str, out: &mut Output) -> Result {
    if sys::interface_index(iface).is_none() {
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
