//! Shows each program that is started, with its arguments.

use clap::Parser;
use hachi::Ebpf;
use tools::{attach, follow, object, text};
use tools_common::execsnoop::Event;

/// Shows each program that is started, until Ctrl-C.
#[derive(Parser)]
struct Args {
    /// Only programs whose name has this in it
    #[arg(long, short)]
    name: Option<String>,
    /// Only programs of this user
    #[arg(long, short)]
    uid: Option<u32>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut ebpf = Ebpf::load(object!("execsnoop"))?;
    attach(&mut ebpf)?;
    println!("{:16} {:>7} {:>7} {:>6} ARGS", "COMM", "PID", "PPID", "UID");
    follow(&mut ebpf, |event: &Event| {
        let comm = text(&event.comm);
        let other = args.name.as_ref().is_some_and(|name| !comm.contains(name));
        if other || args.uid.is_some_and(|uid| uid != event.uid) {
            return;
        }
        println!(
            "{comm:16} {:>7} {:>7} {:>6} {}",
            event.pid,
            event.parent,
            event.uid,
            command_line(event)
        );
    })
}

/// The arguments with spaces between them; `…` where they were cut off.
fn command_line(event: &Event) -> String {
    let args = &event.args[..event.args.len().min(event.args_len as usize)];
    let whole = args.strip_suffix(&[0]);
    let line = String::from_utf8_lossy(whole.unwrap_or(args)).replace('\0', " ");
    if whole.is_some() { line } else { line + "…" }
}
