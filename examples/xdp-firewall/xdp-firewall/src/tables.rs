//! The firewall's maps: its rules, its counters, and what it has to tell.

use crate::rules::Prefix;
use anyhow::Context;
use hachi::Ebpf;
use hachi::maps::{HashMap, LpmTrie, MapData, PerCpuArray, RingBuf};
use std::net::IpAddr;
use std::path::Path;
use xdp_firewall_common::{Counter, DROP, Key, PASS, Port, Verdict};

/// Their names, which are the names of their pins too.
pub const NAMES: [&str; 5] = ["SOURCES_V4", "SOURCES_V6", "PORTS", "COUNTERS", "EVENTS"];

/// The maps of one firewall, whether loaded by this process or long ago by another.
pub struct Tables {
    sources_v4: LpmTrie<MapData, [u8; 4], u32>,
    sources_v6: LpmTrie<MapData, [u8; 16], u32>,
    ports: HashMap<MapData, Port, u32>,
    counters: PerCpuArray<MapData, Counter>,
    /// One record for each packet dropped.
    pub events: RingBuf<MapData>,
}

impl Tables {
    /// Those of a firewall that this process loaded.
    pub fn of(ebpf: &mut Ebpf) -> anyhow::Result<Self> {
        Self::new(|name| Ok(ebpf.take_map(name)?.into_data()))
    }

    // ANCHOR: pinned
    /// Those of a firewall that is pinned in `directory`, no matter who loaded it.
    pub fn pinned(directory: &Path) -> anyhow::Result<Self> {
        Self::new(|name| {
            MapData::from_pin(directory.join(name)).with_context(|| {
                let directory = directory.display();
                format!("no firewall is pinned in {directory}; `xdp-firewall pin` would")
            })
        })
    }
    // ANCHOR_END: pinned

    fn new(mut map: impl FnMut(&str) -> anyhow::Result<MapData>) -> anyhow::Result<Self> {
        Ok(Self {
            sources_v4: map("SOURCES_V4")?.try_into()?,
            sources_v6: map("SOURCES_V6")?.try_into()?,
            ports: map("PORTS")?.try_into()?,
            counters: map("COUNTERS")?.try_into()?,
            events: map("EVENTS")?.try_into()?,
        })
    }

    // ANCHOR: set_source
    /// Makes `rule` ([`DROP`] or [`PASS`]) the one for what comes from `prefix`.
    pub fn set_source(&mut self, prefix: Prefix, rule: u32) -> anyhow::Result<()> {
        let Prefix { address, length } = prefix;
        match address {
            IpAddr::V4(address) => {
                let key = Key::new(length, address.octets());
                self.sources_v4.insert(&key, rule, 0)?;
            }
            IpAddr::V6(address) => {
                let key = Key::new(length, address.octets());
                self.sources_v6.insert(&key, rule, 0)?;
            }
        }
        Ok(())
    }
    // ANCHOR_END: set_source

    /// Removes the rule for exactly `prefix`.
    pub fn remove_source(&mut self, prefix: Prefix) -> anyhow::Result<()> {
        let Prefix { address, length } = prefix;
        match address {
            IpAddr::V4(address) => self.sources_v4.remove(&Key::new(length, address.octets())),
            IpAddr::V6(address) => self.sources_v6.remove(&Key::new(length, address.octets())),
        }
        .with_context(|| format!("there is no rule for {prefix}"))
    }

    /// Drops what goes to `port` from now on.
    pub fn block_port(&mut self, port: Port) -> anyhow::Result<()> {
        Ok(self.ports.insert(port, DROP, 0)?)
    }

    /// Removes the rule for `port`.
    pub fn remove_port(&mut self, port: Port) -> anyhow::Result<()> {
        self.ports
            .remove(&port)
            .with_context(|| format!("there is no rule for port {}", port.number))
    }

    /// All rules for sources, sorted: the prefix, and whether it is blocked.
    pub fn sources(&self) -> anyhow::Result<Vec<(Prefix, bool)>> {
        let mut rules = Vec::new();
        for entry in self.sources_v4.iter() {
            let (key, rule) = entry?;
            rules.push((
                Prefix::new(key.data().into(), key.prefix_len()),
                rule != PASS,
            ));
        }
        for entry in self.sources_v6.iter() {
            let (key, rule) = entry?;
            rules.push((
                Prefix::new(key.data().into(), key.prefix_len()),
                rule != PASS,
            ));
        }
        rules.sort();
        Ok(rules)
    }

    /// All ports that are blocked, sorted by number.
    pub fn ports(&self) -> anyhow::Result<Vec<Port>> {
        let mut ports = Vec::new();
        for entry in self.ports.iter() {
            let (port, rule) = entry?;
            if rule != PASS {
                ports.push(port);
            }
        }
        ports.sort_by_key(|port| (port.number, port.protocol));
        Ok(ports)
    }

    // ANCHOR: counters
    /// What was counted, in the order of [`Verdict::ALL`]: each the sum over all CPUs.
    pub fn counters(&self) -> anyhow::Result<[Counter; Verdict::ALL.len()]> {
        let mut sums = [Counter::default(); Verdict::ALL.len()];
        for (sum, verdict) in sums.iter_mut().zip(Verdict::ALL) {
            for on_cpu in self.counters.get(&(verdict as u32), 0)?.iter() {
                sum.packets += on_cpu.packets;
                sum.bytes += on_cpu.bytes;
            }
        }
        Ok(sums)
    }
    // ANCHOR_END: counters
}
