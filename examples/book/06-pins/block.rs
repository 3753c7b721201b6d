//! Blocks a sender of the firewall that is pinned, no matter who has loaded it.

use std::net::Ipv4Addr;

use anyhow::Context;
use hachi::maps::MapData;
use hachi::maps::lpm_trie::{Key, LpmTrie};

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let usage = "block PINS ADDRESS: the directory of the pins, and whom to block";
    let pins = arguments.next().context(usage)?;
    let address: Ipv4Addr = arguments.next().context(usage)?.parse()?;
    let map = MapData::from_pin(format!("{pins}/NETWORKS"))?;
    // Checked: the types and sizes are those of the map in the kernel.
    let mut networks: LpmTrie<_, [u8; 4], u32> = LpmTrie::new(map)?;
    networks.insert(&Key::new(32, address.octets()), 1, 0)?;
    println!("{address} is blocked");
    Ok(())
}
