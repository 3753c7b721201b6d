//! A packet filter in XDP: blocks sources and ports, counts, tells what it dropped.
//!
//! One program with two lives. `run` and `pin` load the kernel side and attach it; the other
//! commands talk to one that is pinned, which any process with the right may do.

mod args;
mod report;
mod rules;
mod tables;

use anyhow::{Context, bail};
use args::{Args, USAGE};
use hachi::links::PinnedLink;
use hachi::programs::{Xdp, XdpFlags};
use hachi::{Ebpf, EbpfLoader};
use rules::{Prefix, parse_ports, protocol_name};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tables::{NAMES, Tables};
use xdp_firewall_common::{DROP, Event, PASS};

/// The kernel side, as `build.rs` built it.
static OBJECT: &[u8] = hachi::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/xdp-firewall"));

fn main() -> ExitCode {
    let result = Args::parse(std::env::args().skip(1)).and_then(|args| run(&args));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> anyhow::Result<()> {
    match args.command.as_str() {
        "run" => run_firewall(args),
        "pin" => {
            let directory = args.directory();
            load_or_tidy(args)?;
            println!(
                "filtering on {}, pinned in {}",
                args.iface()?,
                directory.display()
            );
            Ok(())
        }
        "stats" => {
            let counters = Tables::pinned(&args.directory())?.counters()?;
            match args.json {
                true => println!("{}", report::json(&counters)),
                false => print!("{}", report::table(&counters)),
            }
            Ok(())
        }
        "events" => watch(&mut Tables::pinned(&args.directory())?),
        "list" => list(&Tables::pinned(&args.directory())?),
        "block" | "allow" | "unblock" => {
            let mut tables = Tables::pinned(&args.directory())?;
            for prefix in parse_all(args.some_operands()?)? {
                match args.command.as_str() {
                    "block" => tables.set_source(prefix, DROP)?,
                    "allow" => tables.set_source(prefix, PASS)?,
                    _ => tables.remove_source(prefix)?,
                }
                println!("{} {prefix}", args.command);
            }
            Ok(())
        }
        "block-port" | "unblock-port" => {
            let mut tables = Tables::pinned(&args.directory())?;
            for text in args.some_operands()? {
                for port in parse_ports(text)? {
                    match args.command.as_str() {
                        "block-port" => tables.block_port(port)?,
                        _ => tables.remove_port(port)?,
                    }
                    let protocol = protocol_name(port.protocol);
                    println!("{} {protocol}/{}", args.command, port.number);
                }
            }
            Ok(())
        }
        "unpin" => unpin(&args.directory()),
        "" | "help" => {
            print!("{USAGE}");
            Ok(())
        }
        other => bail!("unknown command `{other}`; see `xdp-firewall help`"),
    }
}

// ANCHOR: load
/// Loads the firewall with the rules of `args`, attaches it, and pins it if a directory is given.
/// It filters for as long as the returned value lives, or the pins.
fn load(args: &Args, pin: Option<&Path>) -> anyhow::Result<(Ebpf, Tables)> {
    let iface = args.iface()?;
    let flags = match args.mode.as_deref() {
        None => XdpFlags::default(),
        Some("skb") => XdpFlags::SKB_MODE,
        Some("driver") => XdpFlags::DRV_MODE,
        Some(other) => bail!("--mode is skb or driver, not `{other}`"),
    };
    let drop_malformed = u8::from(!args.pass_malformed);
    let mut ebpf = EbpfLoader::new()
        .override_global("DROP_MALFORMED", &drop_malformed, true)
        .load(OBJECT)?;
    if let Some(directory) = pin {
        for name in NAMES {
            ebpf.map(name)?.data().pin(directory.join(name))?;
        }
    }
    let mut tables = Tables::of(&mut ebpf)?;
    for prefix in parse_all(&args.block)? {
        tables.set_source(prefix, DROP)?;
    }
    for text in &args.block_port {
        for port in parse_ports(text)? {
            tables.block_port(port)?;
        }
    }
    // The rules are there before the first packet is looked at.
    let program: &mut Xdp = ebpf.program_mut("xdp_firewall")?.try_into()?;
    program.load()?;
    let link = program.attach(iface, flags)?;
    if let Some(directory) = pin {
        program.pin(directory.join("program"))?;
        program.take_link(link)?.pin(directory.join("link"))?;
    }
    Ok((ebpf, tables))
}
// ANCHOR_END: load

/// As [`load`], but what was pinned is unpinned again when a later step fails.
fn load_or_tidy(args: &Args) -> anyhow::Result<(Ebpf, Tables)> {
    let directory = match args.command.as_str() {
        "pin" => Some(args.directory()),
        _ => args.pin.clone(),
    };
    if let Some(directory) = directory.as_deref().filter(|directory| directory.exists()) {
        bail!(
            "{} exists: a firewall is pinned there; `xdp-firewall unpin` removes it",
            directory.display()
        );
    }
    load(args, directory.as_deref()).inspect_err(|_| {
        if let Some(directory) = directory {
            // What is missing was not pinned yet.
            let _ = remove_pins(&directory);
        }
    })
}

/// Loads and shows what happens until Ctrl-C.
fn run_firewall(args: &Args) -> anyhow::Result<()> {
    let (ebpf, mut tables) = load_or_tidy(args)?;
    println!("filtering on {}; Ctrl-C ends this", args.iface()?);
    if args.quiet {
        let running = stop_at_interrupt()?;
        while running.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(50));
        }
    } else {
        watch(&mut tables)?;
    }
    drop(ebpf);
    match &args.pin {
        Some(directory) => println!("still filtering, pinned in {}", directory.display()),
        None => println!("no longer filtering"),
    }
    Ok(())
}

// ANCHOR: watch
/// Prints each drop as it happens and the counters when they have changed, until Ctrl-C.
fn watch(tables: &mut Tables) -> anyhow::Result<()> {
    let running = stop_at_interrupt()?;
    let mut shown = tables.counters()?;
    let mut last = Instant::now();
    while running.load(Ordering::Relaxed) {
        if let Some(record) = tables.events.next_timeout(Duration::from_millis(100))?
            // A record of another size is no event of ours.
            && let Some(event) = hachi::read_bytes::<Event>(&record)
        {
            println!("{}", report::event(&event));
        }
        let counters = tables.counters()?;
        if counters != shown && last.elapsed() >= Duration::from_secs(1) {
            println!("{}", report::line(&counters));
            (shown, last) = (counters, Instant::now());
        }
    }
    Ok(())
}
// ANCHOR_END: watch

/// True until Ctrl-C.
fn stop_at_interrupt() -> anyhow::Result<Arc<AtomicBool>> {
    let running = Arc::new(AtomicBool::new(true));
    let handler = Arc::clone(&running);
    ctrlc::set_handler(move || handler.store(false, Ordering::Relaxed))?;
    Ok(running)
}

fn list(tables: &Tables) -> anyhow::Result<()> {
    for (prefix, blocked) in tables.sources()? {
        let rule = if blocked { "block" } else { "allow" };
        println!("{rule:10} {prefix}");
    }
    for port in tables.ports()? {
        let protocol = protocol_name(port.protocol);
        println!("block-port {protocol}/{}", port.number);
    }
    Ok(())
}

// ANCHOR: unpin
/// Ends the firewall that is pinned in `directory`, no matter who pinned it.
fn unpin(directory: &Path) -> anyhow::Result<()> {
    PinnedLink::from_pin(directory.join("link"))
        .with_context(|| format!("no firewall is pinned in {}", directory.display()))?
        .unpin()?
        .detach()?;
    remove_pins(directory)?;
    println!("no longer filtering");
    Ok(())
}
// ANCHOR_END: unpin

/// Removes the pins there are, the link's too if it is there.
fn remove_pins(directory: &Path) -> anyhow::Result<()> {
    for name in ["link", "program"].iter().chain(&NAMES) {
        let path = directory.join(name);
        if path.exists() {
            std::fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
        }
    }
    std::fs::remove_dir(directory).with_context(|| format!("removing {}", directory.display()))
}

fn parse_all(texts: &[String]) -> anyhow::Result<Vec<Prefix>> {
    texts.iter().map(|text| text.parse()).collect()
}
