//! Headers in packets, at offsets that other headers say.

use crate::prelude::*;

fn short(p: &XdpContext, at: usize) -> Option<u16> {
    p.read::<[u8; 2]>(at).map(u16::from_be_bytes)
}

/// Where what Ethernet carries begins, behind up to two VLAN tags, and what it is.
fn network(p: &XdpContext) -> Option<(u16, usize)> {
    let (mut kind, mut at) = (short(p, 12)?, 14);
    for _ in 0..2 {
        if kind != 0x8100 && kind != 0x88a8 {
            break;
        }
        kind = short(p, at + 2)?;
        at += 4;
    }
    Some((kind, at))
}

/// The protocol above IPv4 and where it begins.
fn ipv4(p: &XdpContext, at: usize) -> Option<(u8, usize)> {
    let length = usize::from(p.read::<u8>(at)? & 15) * 4;
    if length < 20 {
        return None;
    }
    Some((p.read::<u8>(at + 9)?, at + length))
}

programs! {
    packet fn a_port_behind_options(p) {
        let (protocol, at) = ipv4(p, 14)?;
        if protocol != 6 && protocol != 17 {
            return Some(0);
        }
        Some(u64::from(short(p, at)?) << 16 | u64::from(short(p, at + 2)?))
    }

    packet fn a_port_behind_vlans(p) {
        let (kind, at) = network(p)?;
        if kind != 0x0800 {
            return Some(u64::from(kind));
        }
        let (_, at) = ipv4(p, at)?;
        short(p, at + 2).map(u64::from)
    }

    packet fn options_of_tcp(p) {
        let (protocol, tcp) = ipv4(p, 14)?;
        if protocol != 6 {
            return Some(1);
        }
        let length = usize::from(p.read::<u8>(tcp + 12)? >> 4) * 4;
        let mut at = 20;
        for _ in 0..10 {
            if at >= length {
                break;
            }
            match p.read::<u8>(tcp + at)? {
                0 => break,
                1 => at += 1,
                8 => return p.read::<[u8; 4]>(tcp + at + 2).map(|b| u32::from_be_bytes(b).into()),
                _ => at += usize::from(p.read::<u8>(tcp + at + 1)?).max(2),
            }
        }
        Some(2)
    }

    packet fn a_name_of_dns(p) {
        let (_, udp) = ipv4(p, 14)?;
        let mut at = udp + 8 + 12;
        let mut hash = 7u64;
        for _ in 0..24 {
            let byte = p.read::<u8>(at)?;
            if byte == 0 {
                break;
            }
            hash = hash.wrapping_mul(31) + u64::from(byte);
            at += 1;
        }
        Some(hash)
    }

    packet fn labels_of_dns(p) {
        let (_, udp) = ipv4(p, 14)?;
        let mut at = udp + 20;
        let mut labels = 0u64;
        for _ in 0..6 {
            let length = usize::from(p.read::<u8>(at)? & 63);
            if length == 0 {
                break;
            }
            labels = labels << 4 | length as u64 & 15;
            at += length + 1;
        }
        Some(labels)
    }

    packet fn a_payload_by_its_offset(p) {
        let (_, tcp) = ipv4(p, 14)?;
        let at = tcp + usize::from(p.read::<u8>(tcp + 12)? >> 4) * 4;
        p.read::<[u8; 4]>(at).map(|b| u64::from(u32::from_le_bytes(b)))
    }

    packet fn headers_of_ipv6(p) {
        let (kind, at) = network(p)?;
        if kind != 0x86dd {
            return Some(1);
        }
        let mut next = p.read::<u8>(at + 6)?;
        let mut at = at + 40;
        for _ in 0..4 {
            match next {
                0 | 43 | 60 => {
                    next = p.read::<u8>(at)?;
                    at += (usize::from(p.read::<u8>(at + 1)?) + 1) * 8;
                }
                _ => break,
            }
        }
        Some(u64::from(next) << 8 | u64::from(p.read::<u8>(at)?))
    }

    packet fn the_last_byte(p) {
        p.read::<u8>(p.len() - 1).map(u64::from)
    }

    packet fn a_type_length_value_list(p) {
        let mut at = 0usize;
        let mut sum = 0u64;
        for _ in 0..8 {
            let Some([kind, length]) = p.read::<[u8; 2]>(at) else { break };
            if kind == 0 {
                break;
            }
            if let Some(value) = p.read::<u8>(at + 2 + usize::from(length)) {
                sum += u64::from(value);
            }
            at += 2 + usize::from(length);
        }
        Some(sum)
    }

    packet fn an_offset_of_sixteen_bits(p) {
        let at = usize::from(short(p, 20)?);
        Some(p.read::<u16>(at).map_or(77, u64::from))
    }

    packet fn an_offset_of_thirty_two_bits(p) {
        let at = u32::from_be_bytes(p.read::<[u8; 4]>(24)?);
        Some(p.read::<u8>(at as usize).map_or(78, u64::from))
    }

    packet fn offsets_added(p) {
        let (a, b) = (p.read::<u8>(1)?, p.read::<u8>(2)?);
        let at = usize::from(a & 31) + usize::from(b & 31);
        Some(u64::from(p.read::<u8>(at)?) + u64::from(p.read::<u8>(at + 3)?))
    }

    packet fn structures_in_place(p) {
        #[repr(C)]
        #[derive(Clone, Copy, hachi_ebpf::Pod)]
        #[pod(crate = hachi_ebpf)]
        struct Udp {
            source: [u8; 2],
            destination: [u8; 2],
            length: [u8; 2],
            checksum: [u8; 2],
        }
        let (_, at) = ipv4(p, 14)?;
        let udp = p.get::<Udp>(at)?;
        let length = u16::from_be_bytes(udp.length);
        Some(u64::from(length) << 16 | u64::from(u16::from_be_bytes(udp.checksum)))
    }

    packet fn a_part_in_place(p) {
        let mac = p.bytes(6, 6)?;
        Some(mac.iter().fold(0, |n: u64, b| n << 8 | u64::from(*b)))
    }

    packet fn bytes_one_by_one(p) {
        let end = p.len().min(100);
        let mut sum = 0u64;
        for at in 14..end {
            sum += u64::from(p.read::<u8>(at)?);
        }
        Some(sum)
    }

    packet fn a_checksum_over_options(p) {
        let length = usize::from(p.read::<u8>(14)? & 15) * 4;
        let mut sum = 0u64;
        let mut at = 0;
        while at < length && at < 60 {
            sum += u64::from(short(p, 14 + at)?);
            at += 2;
        }
        Some(sum)
    }
}
