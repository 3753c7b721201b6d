//! `hachi link`: attachments of the running system.

pub mod seen;

use hachi::Held;
use hachi::links::{FdLink, PinnedLink, XdpAttachment, xdp_attachments};
use hachi::pin::ObjectKind;
use serde_json::{Value, json};

use crate::failure::{Failure, Result};
use crate::kernel::{self, Pids};
use crate::output::{Format, Output, Styled, WARN, dim, path_text, say};
use crate::{pins, select};

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
    List(ListArgs),
    Show(ShowArgs),
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

/// Show all about one link: its program, where it is attached, pins, who holds it
///
/// Without a name, all are listed, as by `hachi link list`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi link show 12
  hachi link show /sys/fs/bpf/firewall/links/firewall-eth0 --json")]
struct ShowArgs {
    /// Its id, the name of its program, or where it is pinned
    #[arg(value_name = "LINK")]
    #[arg(add = clap_complete::ArgValueCandidates::new(crate::complete::links))]
    link: Option<String>,
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
    #[arg(add = clap_complete::ArgValueCandidates::new(crate::complete::interfaces))]
    iface: Option<String>,
}

pub fn run(args: Args, out: &mut Output) -> Result {
    match args.command {
        Command::List(args) => list(args, out),
        Command::Show(args) => show(args, out),
        Command::Detach(args) => detach(args, out),
    }
}

/// An attachment in a document.
pub fn describe(link: &seen::Attachment) -> Value {
    json!({
        "id": link.id,
        "type": link.kind,
        "program_id": link.program_id,
        "program": link.program,
        "attach_type": link.attach_type.map(|kind| kind.name()),
        "target": link.target,
    })
}

fn show(args: ShowArgs, out: &mut Output) -> Result {
    let Some(wanted) = &args.link else {
        let format = args.format;
        return list(ListArgs { format }, out);
    };
    let info = select::link(wanted)?;
    let link = seen::of_link(&info)?;
    let pins = pins::of(ObjectKind::Link, info.id())?;
    let pids = holders()?;
    let document = || {
        let mut document = describe(&link);
        document["pins"] = pins.iter().map(|path| path_text(path)).collect();
        document["pids"] = pids.json(info.id());
        document
    };
    args.format.print(out, document, |out| {
        let attach_type = link.attach_type.map_or("-", |kind| kind.name());
        let pinned: Vec<String> = pins.iter().map(|path| path.display().to_string()).collect();
        out.fields([
            ("link", info.id().to_string()),
            ("type", link.kind.clone()),
            (
                "program",
                format!("{} (id {})", link.program, link.program_id),
            ),
            ("attach type", attach_type.to_owned()),
            ("target", link.shown.clone()),
            (
                "pins",
                if pinned.is_empty() {
                    "-".to_owned()
                } else {
                    pinned.join(", ")
                },
            ),
            ("pids", pids.text(info.id())),
        ])
    })
}

/// The processes that hold links.
fn holders() -> Result<Pids> {
    Pids::of(|held| match held {
        Held::Link { id, .. } => Some(*id),
        _ => None,
    })
}

fn list(args: ListArgs, out: &mut Output) -> Result {
    let all = seen::all()?;
    let pids = holders()?;
    let unfinished = pins::unfinished_dirs()?;
    let document = || {
        let links: Vec<Value> = all
            .iter()
            .map(|link| {
                let mut entry = describe(link);
                entry["pids"] = json!(link.id.map(|id| pids.json(id)));
                entry
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
    let index = hachi::util::interface_index(iface)
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
