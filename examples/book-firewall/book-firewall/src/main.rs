//! The user side of a firewall in the shape of 2021: `Bpf` finds the program by the name of its
//! section, the interface is `eth0` unless given, and after ten seconds it is over.

use aya::{
    include_bytes_aligned,
    programs::{Xdp, XdpFlags},
    Bpf,
};
use std::{convert::TryInto, env, thread, time::Duration};

fn main() {
    if let Err(e) = try_main() {
        eprintln!("error: {:#}", e);
        std::process::exit(1);
    }
}

fn try_main() -> Result<(), anyhow::Error> {
    let iface = env::args().nth(1).unwrap_or_else(|| "eth0".to_string());

    let mut bpf = Bpf::load(include_bytes_aligned!(concat!(
        env!("OUT_DIR"),
        "/book-firewall"
    )))?;
    let program: &mut Xdp = bpf.program_mut("xdp")?.try_into()?;
    program.load()?;
    program.attach(&iface, XdpFlags::default())?;

    println!("Attached to {}.", iface);
    thread::sleep(Duration::from_secs(10));
    println!("Exiting...");
    Ok(())
}
