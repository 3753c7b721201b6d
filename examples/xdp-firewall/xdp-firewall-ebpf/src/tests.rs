//! The program as an ordinary function, on packets made here.

use super::*;
use hachi_ebpf::test::{Input, Kernel};
use xdp_firewall_common::{TCP, UDP};

const STRANGER: [u8; 4] = [192, 0, 2, 7];

/// An Ethernet frame with these headers.
fn frame(ether_type: u16, headers: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; 12];
    frame.extend(ether_type.to_be_bytes());
    frame.extend(headers);
    frame
}

/// An IPv4 packet to a port.
fn ipv4(source: [u8; 4], protocol: u8, port: u16) -> Vec<u8> {
    let mut headers = vec![0; 40];
    headers[0] = 0x45;
    headers[9] = protocol;
    headers[12..16].copy_from_slice(&source);
    headers[22..24].copy_from_slice(&port.to_be_bytes());
    frame(0x0800, &headers)
}

fn verdict(packet: Vec<u8>) -> u32 {
    Input::new(packet).run(xdp_firewall)
}

#[test]
fn drops_blocked_prefixes_except_allowed_ones() {
    const ALLOW: u32 = DROP + 1;
    SOURCES_V4.insert(Key::new(24, STRANGER), DROP, 0).unwrap();
    SOURCES_V4.insert(Key::new(32, STRANGER), ALLOW, 0).unwrap();
    assert_eq!(verdict(ipv4(STRANGER, TCP, 80)), xdp_action::XDP_PASS);
    assert_eq!(verdict(ipv4([192, 0, 2, 8], TCP, 80)), xdp_action::XDP_DROP);
    assert_eq!(verdict(ipv4([192, 0, 3, 8], TCP, 80)), xdp_action::XDP_PASS);
}

#[test]
fn reports_blocked_ports() {
    let kernel = Kernel::new();
    PORTS.insert(Port::new(UDP, 53), DROP, 0).unwrap();
    assert_eq!(verdict(ipv4(STRANGER, TCP, 53)), xdp_action::XDP_PASS);
    assert_eq!(verdict(ipv4(STRANGER, UDP, 53)), xdp_action::XDP_DROP);
    // Behind a VLAN tag as well.
    let mut tagged = frame(0x8100, &[0, 7]);
    tagged.extend(&ipv4(STRANGER, UDP, 53)[12..]);
    assert_eq!(verdict(tagged), xdp_action::XDP_DROP);

    let events = kernel.records::<Event>(&EVENTS);
    assert_eq!(events.len(), 2);
    assert_eq!(events[0].source[..4], STRANGER);
    assert_eq!((events[0].port, events[0].length), (53, 54));
    let blocked = COUNTERS.get(Verdict::BlockedPort as u32).unwrap();
    assert_eq!((blocked.packets, blocked.bytes), (2, 54 + 58));
}

#[test]
fn truncated_packets_follow_the_setting() {
    let kernel = Kernel::new();
    let packet = || frame(0x0800, &[0x45, 0, 0]);
    assert_eq!(verdict(packet()), xdp_action::XDP_DROP);
    kernel.set_global(&DROP_MALFORMED, 0);
    assert_eq!(verdict(packet()), xdp_action::XDP_PASS);
}

#[test]
fn ipv6_has_a_table_of_its_own() {
    let mut headers = vec![0x60; 48];
    headers[6] = TCP;
    headers[8..24].fill(0xfd);
    let packet = frame(0x86dd, &headers);
    assert_eq!(verdict(packet.clone()), xdp_action::XDP_PASS);
    SOURCES_V6.insert(Key::new(8, [0xfd; 16]), DROP, 0).unwrap();
    assert_eq!(verdict(packet), xdp_action::XDP_DROP);
}
