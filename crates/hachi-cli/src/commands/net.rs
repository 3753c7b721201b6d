//! `hachi net`: what is attached to the network.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::commands::link::{describe, seen};
use crate::failure::{Failure, Kind, Result};
use crate::output::{Format, Output, bold, dim, say};
use crate::sys;

/// List the programs of the network: XDP, tc, TCX, netkit, netfilter, flow dissectors
///
/// By interface, in the order in which they run. An interface belongs to a network namespace, and
/// those of this one are shown, or of another.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi net
  hachi net --iface eth0
  hachi net --netns /run/netns/blue --json")]
pub struct Args {
    /// Only what is on this interface
    #[arg(long, value_name = "IFACE")]
    #[arg(add = clap_complete::ArgValueCandidates::new(crate::complete::interfaces))]
    iface: Option<String>,
    /// In another network namespace: its name (as of `ip netns`), its path, or a process's id
    #[arg(long, value_name = "NETNS")]
    netns: Option<String>,
    #[command(flatten)]
    format: Format,
}

/// The kinds of attachment of the network, in the order in which packets meet them.
const KINDS: [&str; 6] = ["xdp", "tc", "tcx", "netkit", "netfilter", "netns"];

pub fn run(args: Args, out: &mut Output) -> Result {
    if let Some(netns) = &args.netns {
        enter(netns)?;
    }
    if let Some(iface) = &args.iface {
        check_interface(iface)?;
    }
    let mut all = seen::all()?;
    all.retain(|link| KINDS.contains(&link.kind.as_str()));
    if let Some(iface) = &args.iface {
        all.retain(|link| link.target["name"] == iface.as_str());
    }
    // Links of other namespaces name interfaces that mean nothing here.
    all.retain(|link| link.target["kind"] != "interface" || !link.target["name"].is_null());
    let rank = |link: &seen::Attachment| {
        let kind = KINDS.iter().position(|kind| *kind == link.kind);
        let number = |name: &str| link.target[name].as_i64().unwrap_or(0);
        let text = |name: &str| link.target[name].as_str().unwrap_or_default().to_owned();
        let order = number("position") + number("priority");
        (number("index"), kind, text("direction"), order, link.id)
    };
    all.sort_by_key(rank);
    let document = || {
        let links: Vec<Value> = all.iter().map(describe).collect();
        json!({ "attachments": links })
    };
    args.format.print(out, document, |out| {
        if all.is_empty() {
            return say!(out, "nothing is attached");
        }
        let mut last = None;
        for link in &all {
            let place = match link.target["name"].as_str() {
                Some(name) if link.target["kind"] == "interface" => name.to_owned(),
                _ => "not at an interface".to_owned(),
            };
            if last.as_ref() != Some(&place) {
                say!(out, bold(&place))?;
                last = Some(place.clone());
            }
            let rest = link.shown.strip_prefix(&place).unwrap_or(&link.shown);
            let rest = rest.trim_start_matches([',', ' ']);
            let id = match link.id {
                Some(id) => format!("link {id}"),
                None => "no link".to_owned(),
            };
            let program = format!("{} (id {})", link.program, link.program_id);
            say!(
                out,
                format_args!("  {:<10} {program}  ", link.kind),
                rest,
                "  ",
                dim(id)
            )?;
        }
        Ok(())
    })
}

fn check_interface(name: &str) -> Result {
    let all = hachi::util::interfaces()
        .map_err(|error| Failure::because("listing interfaces", &error))?;
    if all.iter().any(|(_, other)| other == name) {
        return Ok(());
    }
    let names = all.iter().map(|(_, name)| name.as_str());
    let help = crate::near::did_you_mean(name, names)
        .unwrap_or_else(|| "`ip link` lists the interfaces".to_owned());
    Err(Failure::new(format_args!("there is no interface {name} here")).help(help))
}

/// Goes to another network namespace, for the rest of this process.
fn enter(wanted: &str) -> Result {
    let path = match wanted.parse::<u32>() {
        Ok(pid) => PathBuf::from(format!("/proc/{pid}/ns/net")),
        Err(_) if wanted.contains('/') => PathBuf::from(wanted),
        Err(_) => PathBuf::from("/run/netns").join(wanted),
    };
    sys::enter_netns(&path).map_err(|error| {
        let doing = format_args!("entering network namespace {}", path.display());
        let failure = Failure::because(doing, &error);
        match failure.kind {
            Kind::Missing => failure.help("this takes CAP_SYS_ADMIN; try it with sudo"),
            _ => failure,
        }
    })
}
