//! The user side of a first XDP program as it was written for Aya in 2021; only `Cargo.toml` knows
//! that `aya` is Hachi now.
//!
//! Arguments: the object that `cargo xtask build-ebpf` made, and a network interface.

use aya::{
    programs::{Xdp, XdpFlags},
    Bpf,
};
use std::{
    convert::TryInto,
    env,
    sync::{
        atomic::{AtomicBool, Ordering},
        Arc,
    },
    thread,
    time::Duration,
};

fn main() {
    if let Err(e) = try_main() {
        eprintln!("error: {:#}", e);
        std::process::exit(1);
    }
}

// ANCHOR: try_main
fn try_main() -> Result<(), anyhow::Error> {
    let path = match env::args().nth(1) {
        Some(path) => path,
        None => anyhow::bail!("no path to an object given"),
    };
    let iface = match env::args().nth(2) {
        Some(iface) => iface,
        None => anyhow::bail!("no interface given"),
    };

    let mut bpf = Bpf::load_file(&path)?;
    let probe: &mut Xdp = bpf.program_mut("xdp")?.try_into()?;
    probe.load()?;
    probe.attach(&iface, XdpFlags::default())?;

    let running = Arc::new(AtomicBool::new(true));
    let r = running.clone();
    ctrlc::set_handler(move || r.store(false, Ordering::SeqCst))?;
    println!("Attached to {}. Waiting for Ctrl-C...", iface);
    while running.load(Ordering::SeqCst) {
        thread::sleep(Duration::from_millis(100));
    }
    println!("Exiting...");
    Ok(())
}
// ANCHOR_END: try_main
