//! The firewall's kernel side: looks at each packet as it arrives, lets it through or drops it.

#![cfg_attr(not(test), no_std, no_main)]
#![forbid(unsafe_code)]

mod packet;
#[cfg(test)]
mod tests;

use hachi_ebpf::{
    Global,
    bindings::xdp_action,
    macros::{map, xdp},
    maps::{HashMap, LpmTrie, PerCpuArray, RingBuf},
    programs::XdpContext,
};
use packet::{Packet, Source};
use xdp_firewall_common::{Counter, DROP, Event, Key, MAX_PORTS, MAX_SOURCES, Port, Verdict};

// ANCHOR: maps
/// Rules for IPv4 sources. Of several prefixes that cover an address the longest decides.
#[map]
static SOURCES_V4: LpmTrie<[u8; 4], u32> = LpmTrie::with_max_entries(MAX_SOURCES, 0);

/// Rules for IPv6 sources.
#[map]
static SOURCES_V6: LpmTrie<[u8; 16], u32> = LpmTrie::with_max_entries(MAX_SOURCES, 0);

/// Rules for destination ports.
#[map]
static PORTS: HashMap<Port, u32> = HashMap::with_max_entries(MAX_PORTS, 0);

/// Packets and bytes by verdict.
#[map]
static COUNTERS: PerCpuArray<Counter> = PerCpuArray::with_max_entries(Verdict::ALL.len() as u32, 0);

/// What was dropped.
#[map]
static EVENTS: RingBuf = RingBuf::with_byte_size(256 * 1024, 0);
// ANCHOR_END: maps

// ANCHOR: settings
/// Not 0: packets whose headers are cut short are dropped.
static DROP_MALFORMED: Global<u8> = Global::new(1);
// ANCHOR_END: settings

// ANCHOR: program
#[xdp]
pub fn xdp_firewall(ctx: XdpContext) -> u32 {
    let (verdict, packet) = match packet::parse(&ctx) {
        // Neither IPv4 nor IPv6, ARP for instance.
        Ok(None) => (Verdict::Passed, Packet::UNKNOWN),
        Ok(Some(packet)) => (judge(&packet), packet),
        Err(packet::CutShort) if DROP_MALFORMED.load() == 0 => (Verdict::Passed, Packet::UNKNOWN),
        Err(packet::CutShort) => (Verdict::Malformed, Packet::UNKNOWN),
    };
    let length = ctx.len() as u32;
    COUNTERS.update(verdict as u32, |counter| Counter {
        packets: counter.packets + 1,
        bytes: counter.bytes + u64::from(length),
    });
    if verdict == Verdict::Passed {
        return xdp_action::XDP_PASS;
    }
    report(verdict, &packet, length);
    xdp_action::XDP_DROP
}

fn judge(packet: &Packet) -> Verdict {
    let rule = match packet.source {
        Source::V4(address) => SOURCES_V4.get(Key::new(32, address)),
        Source::V6(address) => SOURCES_V6.get(Key::new(128, address)),
        Source::Unknown => None,
    };
    if rule == Some(DROP) {
        return Verdict::BlockedSource;
    }
    if packet.port != 0 && PORTS.get(Port::new(packet.protocol, packet.port)) == Some(DROP) {
        return Verdict::BlockedPort;
    }
    Verdict::Passed
}
// ANCHOR_END: program

/// Tells user space of a packet that is dropped.
fn report(verdict: Verdict, packet: &Packet, length: u32) {
    let (ip_version, source) = match packet.source {
        Source::V4([a, b, c, d]) => (4, [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        Source::V6(address) => (6, address),
        Source::Unknown => (0, [0; 16]),
    };
    let &Packet { protocol, port, .. } = packet;
    // ANCHOR: event
    if let Some(mut event) = EVENTS.reserve::<Event>(0) {
        event.write(Event {
            source,
            length,
            port,
            ip_version,
            protocol,
            verdict: verdict.into(),
        });
        event.submit(0);
    }
    // ANCHOR_END: event
}

hachi_ebpf::license!("GPL");
