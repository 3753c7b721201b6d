//! `hachi perf`: programs at probes and tracepoints, and the processes that hold them.

use hachi::{Held, ProbeAt};
use serde_json::{Value, json};

use crate::failure::Result;
use crate::kernel;
use crate::output::{Format, Output, say};

/// List programs at perf events: tracepoints, kprobes, uprobes, and the processes that hold them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hachi perf
  hachi perf --json")]
pub struct Args {
    #[command(flatten)]
    format: Format,
}

pub fn run(args: Args, out: &mut Output) -> Result {
    // Says what is missing where nothing may be listed.
    kernel::programs()?;
    let held: Vec<_> = kernel::all_holders()?
        .into_iter()
        .filter_map(|holder| match holder.held {
            Held::Probe(ref probe) => Some((probe.clone(), holder)),
            _ => None,
        })
        .collect();
    let kind = |at: ProbeAt| match at {
        ProbeAt::RawTracepoint => "raw_tracepoint",
        ProbeAt::Tracepoint => "tracepoint",
        ProbeAt::Kprobe => "kprobe",
        ProbeAt::Kretprobe => "kretprobe",
        ProbeAt::Uprobe => "uprobe",
        ProbeAt::Uretprobe => "uretprobe",
        _ => "probe",
    };
    let document = || {
        let probes = held.iter().map(|(probe, holder)| {
            json!({
                "pid": holder.pid,
                "comm": holder.command,
                "fd": holder.fd,
                "program_id": probe.program_id,
                "program": kernel::program_name(probe.program_id),
                "kind": kind(probe.kind),
                "name": probe.name,
                "offset": probe.offset,
                "address": probe.address,
            })
        });
        json!({ "probes": probes.collect::<Vec<Value>>() })
    };
    args.format.print(out, document, |out| {
        if held.is_empty() {
            return say!(
                out,
                "no process that we may look at holds a program at a perf event"
            );
        }
        let rows = held.iter().map(|(probe, holder)| {
            let place = match (probe.name.as_str(), probe.offset) {
                ("", _) => format!("{:#x}", probe.address),
                (name, 0) => name.to_owned(),
                (name, offset) => format!("{name}+{offset:#x}"),
            };
            [
                format!("{}({})", holder.command, holder.pid),
                holder.fd.to_string(),
                kind(probe.kind).to_owned(),
                place,
                format!(
                    "{} (id {})",
                    kernel::program_name(probe.program_id),
                    probe.program_id
                ),
            ]
        });
        out.table(["process", "fd", "kind", "at", "program"], rows)
    })
}
