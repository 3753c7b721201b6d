//! Balances the packets to a service over several machines.

use anyhow::Context;
use clap::Parser;
use hachi::EbpfLoader;
use hachi::maps::{Array, PerCpuArray};
use hachi::programs::{Xdp, XdpFlags};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;
use tools::{Interrupt, maglev, object};
use tools_common::l4lb::{Backend, MAX_BACKENDS, Service, TABLE_SIZE, TCP, UDP};

/// Balances the packets to a service over several machines, until Ctrl-C.
///
/// Each packet is sent on as it is, wrapped into another (IP in IP). A machine unwraps it, has the
/// service's address itself, and answers the client directly.
#[derive(Parser)]
struct Args {
    /// The interface where packets arrive
    #[arg(long, short)]
    iface: String,
    /// Address and port
    #[arg(long, short)]
    service: SocketAddrV4,
    /// It is UDP, not TCP
    #[arg(long)]
    udp: bool,
    /// A machine: its address, and the hardware address of the next hop to it
    /// (10.0.0.2/02:00:00:00:00:02)
    #[arg(long, short, required = true, value_parser = backend)]
    backend: Vec<Backend>,
    /// Run in the kernel's network stack, where the driver cannot
    #[arg(long)]
    skb: bool,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let (machines, max) = (args.backend.len(), MAX_BACKENDS as usize);
    anyhow::ensure!(machines <= max, "at most {max} backends");
    let interrupt = Interrupt::new()?;
    let protocol = if args.udp { UDP } else { TCP };
    let service = Service::new(protocol, args.service.ip().octets(), args.service.port());
    let mut loader = EbpfLoader::new();
    loader.override_global("SERVICE", &service, true);
    let mut ebpf = loader.load(object!("l4lb"))?;

    let mut backends: Array<_, Backend> = Array::try_from(ebpf.map_mut("BACKENDS")?)?;
    for (index, backend) in args.backend.iter().enumerate() {
        backends.set(index as u32, backend, 0)?;
    }
    let addresses: Vec<_> = args.backend.iter().map(|backend| backend.address).collect();
    let mut table: Array<_, u32> = Array::try_from(ebpf.map_mut("TABLE")?)?;
    for (place, index) in maglev::table(&addresses, TABLE_SIZE).iter().enumerate() {
        table.set(place as u32, index, 0)?;
    }

    let program: &mut Xdp = ebpf.program_mut("l4lb")?.try_into()?;
    program.load()?;
    let flags = if args.skb {
        XdpFlags::SKB_MODE
    } else {
        XdpFlags::default()
    };
    program.attach(&args.iface, flags)?;
    println!("balancing {} over {machines} machines", args.service);
    while !interrupt.wait(Duration::from_secs(1)) {}

    let packets: PerCpuArray<_, u64> = PerCpuArray::try_from(ebpf.map("PACKETS")?)?;
    for (index, address) in addresses.into_iter().enumerate() {
        let count: u64 = packets.get(&(index as u32), 0)?.iter().sum();
        println!("{}: {count} packets", Ipv4Addr::from(address));
    }
    Ok(())
}

/// Reads `10.0.0.2/02:00:00:00:00:02`.
fn backend(text: &str) -> anyhow::Result<Backend> {
    let (address, mac) = text.split_once('/').context("ADDRESS/HARDWARE-ADDRESS")?;
    let address: Ipv4Addr = address.parse()?;
    let bytes: Result<Vec<u8>, _> = mac
        .split(':')
        .map(|byte| u8::from_str_radix(byte, 16))
        .collect();
    let mac = bytes.ok().and_then(|bytes| bytes.try_into().ok());
    let mac = mac.context("a hardware address is six bytes, as in 02:00:00:00:00:02")?;
    Ok(Backend::new(address.octets(), mac))
}
