//! The user side: loads the XDP program, attaches it, and shows what it does until Ctrl-C.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use hachi::maps::{HashMap, PerCpuArray};
use hachi::programs::{Xdp, XdpFlags};
use hachi::{Ebpf, EbpfLogger, include_bytes_aligned};
use signal_hook::consts::{SIGINT, SIGTERM};

use first_xdp_common::{Counter, DROPPED, PASSED};

/// The eBPF side, as the build script left it.
static OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/first-xdp-ebpf"));

const HELP: &str = "\
Attaches the XDP program to an interface, and shows its log and counters until Ctrl-C.

Usage: first-xdp --iface IFACE [--block ADDRESS]...

  --iface IFACE     the interface, such as eth0
  --block ADDRESS   drop packets from this IPv4 address; may be given several times
  --help            print this

Needs root. `cargo run` asks sudo for it.";

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let asks_for_help = |argument: &String| argument == "--help" || argument == "-h";
    if arguments.iter().any(asks_for_help) {
        println!("{HELP}");
        return Ok(());
    }
    let args = Args::parse(arguments.into_iter())?;
    run(&args).map_err(|error| match error.to_string().contains("EPERM") {
        true => error.context("this needs root: use `cargo run`, which asks sudo for it"),
        false => error,
    })
}

fn run(args: &Args) -> anyhow::Result<()> {
    let mut ebpf = Ebpf::load(OBJECT)?;
    let mut blocklist: HashMap<_, [u8; 4], u8> = HashMap::try_from(ebpf.map_mut("BLOCKLIST")?)?;
    for address in &args.block {
        blocklist.insert(address.octets(), 1, 0)?;
    }
    let mut logger = EbpfLogger::init(&mut ebpf)?;

    let program: &mut Xdp = ebpf.program_mut("first_xdp")?.try_into()?;
    program.load()?;
    // The program owns the link; it is detached when `ebpf` goes away.
    program.attach(&args.iface, XdpFlags::default())?;
    println!("attached to {}; Ctrl-C detaches", args.iface);

    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, stop.clone())?;
    }
    while !stop.load(Ordering::Relaxed) {
        if logger.wait(Some(Duration::from_millis(100)))? {
            logger.read(|message| match message {
                Ok(message) => println!("{message}"),
                Err(error) => eprintln!("{error}"),
            });
        }
    }

    let counters: PerCpuArray<_, Counter> = PerCpuArray::try_from(ebpf.map("COUNTERS")?)?;
    for (name, index) in [("passed", PASSED), ("dropped", DROPPED)] {
        let (mut packets, mut bytes) = (0, 0);
        for counter in counters.get(&index, 0)?.iter() {
            packets += counter.packets;
            bytes += counter.bytes;
        }
        println!("{name}: {packets} packets, {bytes} bytes");
    }
    Ok(())
}

/// The command line.
#[derive(Debug, PartialEq)]
struct Args {
    iface: String,
    block: Vec<Ipv4Addr>,
}

impl Args {
    fn parse(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<Args> {
        let (mut iface, mut block) = (None, Vec::new());
        while let Some(option) = arguments.next() {
            let mut value = || {
                let value = arguments.next();
                value.with_context(|| format!("{option} needs a value; see --help"))
            };
            match option.as_str() {
                "--iface" => iface = Some(value()?),
                "--block" => {
                    let value = value()?;
                    let address = value.parse();
                    block.push(address.with_context(|| format!("`{value}` is no IPv4 address"))?);
                }
                _ => anyhow::bail!("unknown option {option}; see --help"),
            }
        }
        let iface = iface.context("--iface IFACE is missing; see --help")?;
        Ok(Args { iface, block })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hachi::obj::Spec;
    use hachi::programs::TestRunOptions;

    /// Needs no root: looks into the object only.
    #[test]
    fn the_object_has_the_program_and_its_maps() {
        let spec = Spec::parse(OBJECT).unwrap();
        assert_eq!(spec.program("first_xdp").unwrap().section, "xdp");
        assert_eq!(spec.map("BLOCKLIST").unwrap().key_size, 4);
        assert_eq!(spec.map("COUNTERS").unwrap().value_size, 16);
    }

    /// Runs the program in the kernel, on a packet that no wire has seen.
    #[test]
    fn a_blocked_source_is_dropped() {
        let mut ebpf = match Ebpf::load(OBJECT) {
            Ok(ebpf) => ebpf,
            Err(error) => {
                eprintln!("skipped, since bpf(2) cannot be used: {error}");
                return;
            }
        };
        let mut blocklist: HashMap<_, [u8; 4], u8> =
            HashMap::try_from(ebpf.map_mut("BLOCKLIST").unwrap()).unwrap();
        blocklist.insert([192, 0, 2, 7], 1, 0).unwrap();
        let program: &mut Xdp = ebpf.program_mut("first_xdp").unwrap().try_into().unwrap();
        program.load().unwrap();
        let verdict = |source| {
            let packet = packet_from(source);
            let options = TestRunOptions::new().data(&packet);
            program.test_run(&options).unwrap().return_value
        };
        assert_eq!(verdict([192, 0, 2, 7]), XDP_DROP);
        assert_eq!(verdict([192, 0, 2, 8]), XDP_PASS);
    }

    const XDP_DROP: u32 = 1;
    const XDP_PASS: u32 = 2;

    /// An Ethernet frame with the start of an IPv4 header in it.
    fn packet_from(source: [u8; 4]) -> [u8; 64] {
        let mut packet = [0; 64];
        packet[12..14].copy_from_slice(&0x0800u16.to_be_bytes());
        packet[26..30].copy_from_slice(&source);
        packet
    }

    #[test]
    fn reads_the_command_line() {
        let parse = |line: &str| Args::parse(line.split_whitespace().map(str::to_string));
        let args = parse("--iface lo --block 192.0.2.7").unwrap();
        assert_eq!(args.iface, "lo");
        assert_eq!(args.block, [Ipv4Addr::new(192, 0, 2, 7)]);
        assert!(parse("").is_err());
        assert!(parse("--iface").is_err());
        let unknown = parse("--sideways").unwrap_err().to_string();
        assert!(unknown.starts_with("unknown option"), "{unknown}");
        assert!(parse("--iface lo --block everything").is_err());
    }
}
