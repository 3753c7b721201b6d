//! What programs read from packets and write to them is what is there, in release and in debug
//! builds.

use hachi::maps::{Array, RingBuf};
use hachi::programs::{TestRun, TestRunOptions, Xdp};
use hachi::{Ebpf, KernelVersion};
use hachi_test::require_bpf;
use hachi_tests::{fixture, fixture_with};

/// 02:05:…:02 from 02:…:01; IPv4 from 10.0.0.1 to 10.0.0.2, with this protocol and payload.
fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![2, 5, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0];
    packet.extend(u16::try_from(20 + payload.len()).unwrap().to_be_bytes());
    packet.extend([0, 1, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    packet.extend(payload);
    packet
}

/// A TCP header with the options no-operation, an unknown one, and a segment size of 1400.
fn tcp() -> Vec<u8> {
    let mut header = [1234u16.to_be_bytes(), 80u16.to_be_bytes()].concat();
    header.extend([0, 0, 0, 1, 0, 0, 0, 2, 8 << 4, 2, 1, 0, 0, 0, 0, 0]);
    header.extend([1, 254, 5, 9, 9, 9, 2, 4]);
    header.extend(1400u16.to_be_bytes());
    header.extend([1, 0]);
    ipv4(6, &header)
}

/// A question for the address of www.hachi.rs.
fn dns() -> Vec<u8> {
    let mut datagram = [5353u16.to_be_bytes(), 53u16.to_be_bytes()].concat();
    datagram.extend([0, 38, 0, 0, 0, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    datagram.extend(b"\x03www\x05hachi\x02rs\0\0\x01\0\x01");
    ipv4(17, &datagram)
}

fn u16_at(packet: &[u8], at: usize) -> u32 {
    u16::from_be_bytes([packet[at], packet[at + 1]]).into()
}

fn u32_at(packet: &[u8], at: usize) -> u32 {
    u16_at(packet, at) << 16 | u16_at(packet, at + 2)
}

/// What a program makes of a packet.
type Answer = fn(&[u8]) -> u32;

/// What each program that leaves the packet alone returns for it.
const ANSWERS: &[(&str, Answer)] = &[
    ("constants", |p| {
        u32::from(p[13]) ^ u32_at(p, 26) ^ u32_at(p, 38)
    }),
    ("tcp_options", |p| if p[23] == 6 { 1400 } else { 2 }),
    ("references", |p| {
        u16_at(p, 34)
            + u16_at(p, 36)
            + u32::from(p[29])
            + u32::from(p[33])
            + u32::from(p[p.len() - 1])
    }),
    ("from_settings", |p| u32_at(p, 14) ^ u16_at(p, 21)),
    ("from_map", |p| u32_at(p, 0) ^ u16_at(p, 7)),
    ("anywhere", |_| 0),
    ("slice", |p| {
        p[14..34].iter().map(|&byte| u32::from(byte)).sum::<u32>() + u32::from(p[17])
    }),
    ("checksum", |p| {
        let sum: u32 = (14..34).step_by(2).map(|at| u16_at(p, at)).sum();
        let folded = (sum & 0xffff) + (sum >> 16);
        !folded & 0xffff
    }),
    ("payload", |p| {
        p[42..].iter().fold(0u32, |hash, &byte| {
            hash.wrapping_mul(31).wrapping_add(byte.into())
        })
    }),
    ("lengths", |p| {
        2 * p.len() as u32 + u32::from((p.len() * 3) as u8)
    }),
    ("fields", |_| 1),
    ("buffers", |p| p[14].into()),
    ("metadata", |_| 75),
    ("maps", |p| 8 * p.len() as u32 + 10),
    ("panics", |_| 33 + 100 / 5),
];

/// The programs that need more than Linux 5.10, and the first version that has it:
/// `bpf_xdp_get_buff_len` and its kind, packets in fragments, and numbers read by all programs.
const NEWER: &[(&str, KernelVersion)] = &[
    ("lengths", KernelVersion::new(5, 18, 0)),
    ("buffers", KernelVersion::new(5, 18, 0)),
    ("parts", KernelVersion::new(5, 18, 0)),
    ("words", KernelVersion::new(5, 18, 0)),
    ("numbers", KernelVersion::new(6, 0, 0)),
];

/// Whether the running kernel has what the program needs.
fn runs_here(name: &str) -> bool {
    let newer = NEWER.iter().find(|(newer, _)| *newer == name);
    newer.is_none_or(|(_, since)| KernelVersion::current() >= Some(*since))
}

#[track_caller]
fn load(ebpf: &mut Ebpf, name: &str) {
    let program: &mut Xdp = ebpf.program_mut(name).unwrap().try_into().unwrap();
    program.load().unwrap();
}

#[track_caller]
fn run(ebpf: &mut Ebpf, name: &str, packet: &[u8]) -> TestRun {
    let program = ebpf.program(name).unwrap();
    let options = TestRunOptions::new().data(packet).data_out(512);
    program.test_run(&options).unwrap()
}

fn check(object: &std::path::Path) {
    let mut ebpf = Ebpf::load_file(object).unwrap();
    let (tcp, dns) = (tcp(), dns());
    for (name, answer) in ANSWERS.iter().filter(|(name, _)| runs_here(name)) {
        load(&mut ebpf, name);
        for packet in [&tcp, &dns] {
            assert_eq!(
                run(&mut ebpf, name, packet).return_value,
                answer(packet),
                "{name}"
            );
        }
    }

    load(&mut ebpf, "labels");
    assert_eq!(run(&mut ebpf, "labels", &dns).return_value, 3 << 16 | 1);

    // Too short for what they want.
    let short = &tcp[..30];
    for name in [
        "constants",
        "tcp_options",
        "references",
        "slice",
        "checksum",
        "labels",
    ] {
        assert_eq!(run(&mut ebpf, name, short).return_value, 0, "{name}");
    }
    // The other branch of each.
    if runs_here("lengths") {
        assert_eq!(run(&mut ebpf, "lengths", short).return_value, 30);
    }
    assert_eq!(run(&mut ebpf, "fields", short).return_value, 0);
    // Beyond the table: a panic.
    let mut beyond = tcp.clone();
    beyond[0] = 9;
    assert_eq!(run(&mut ebpf, "panics", &beyond).return_value, 0);

    // The same offset from the map, then one that no packet has.
    let mut offsets = Array::<_, u64>::try_from(ebpf.map_mut("OFFSETS").unwrap()).unwrap();
    offsets.set(0, 14, 0).unwrap();
    assert_eq!(
        run(&mut ebpf, "from_map", &tcp).return_value,
        u32_at(&tcp, 14) ^ u16_at(&tcp, 21)
    );
    let mut offsets = Array::<_, u64>::try_from(ebpf.map_mut("OFFSETS").unwrap()).unwrap();
    offsets.set(0, u64::MAX - 1, 0).unwrap();
    assert_eq!(run(&mut ebpf, "from_map", &tcp).return_value, 0);

    // Packets that come back changed.
    load(&mut ebpf, "swap");
    let swapped = run(&mut ebpf, "swap", &dns).data;
    let expected = [
        &dns[6..12],
        &dns[..6],
        &dns[12..26],
        &dns[30..34],
        &dns[26..30],
        &dns[36..38],
        &dns[34..36],
        &dns[38..],
    ];
    assert_eq!(swapped, expected.concat());
    load(&mut ebpf, "moves");
    let moved = run(&mut ebpf, "moves", &dns);
    assert_eq!(moved.return_value, 7);
    let expected = [&dns[..12], &[0x81, 0, 0, 7], &dns[12..dns.len() - 1]];
    assert_eq!(moved.data, expected.concat());
    if runs_here("buffers") {
        let reversed = run(&mut ebpf, "buffers", &dns).data;
        assert!(reversed[14..22].iter().eq(dns[14..22].iter().rev()));
    }
    slices_of_any_length(&mut ebpf, &dns);

    ring(&mut ebpf, &dns);
}

/// What helpers take of a slice that may be empty, full, or longer than there is room for.
fn slices_of_any_length(ebpf: &mut Ebpf, packet: &[u8]) {
    const EINVAL: u32 = 22;
    let mut packet = packet.to_vec();
    for name in ["parts", "numbers", "words"] {
        if runs_here(name) {
            load(ebpf, name);
        }
    }
    for length in 0..=9 {
        packet[0] = length;
        let length = usize::from(length);
        if runs_here("parts") {
            let turned = run(ebpf, "parts", &packet);
            let mut expected = packet.clone();
            let answer = match expected[14..].get_mut(..length).filter(|_| length <= 8) {
                Some(part) => {
                    part.reverse();
                    length as u32 + 10
                }
                None => 0,
            };
            assert_eq!((turned.return_value, turned.data), (answer, expected));
        }
        let mut text = packet.clone();
        if runs_here("numbers") {
            text[1..9].copy_from_slice(b"90210123");
            let number = match length {
                0 => EINVAL,
                9.. => 0,
                _ => 90_210_123 / 10_u32.pow(8 - length as u32) * 10 + length as u32,
            };
            assert_eq!(run(ebpf, "numbers", &text).return_value, number);
        }
        if runs_here("words") {
            text[1..9].copy_from_slice(b"accepted");
            // The whole word is compared, or as much of it as there is.
            let answer = match length {
                0..=6 => 2,
                7..=8 => 1,
                _ => 0,
            };
            assert_eq!(run(ebpf, "words", &text).return_value, answer, "{length}");
        }
    }
}

/// Records that were submitted arrive, those discarded or dropped do not.
fn ring(ebpf: &mut Ebpf, packet: &[u8]) {
    load(ebpf, "ring");
    // Cut short before the source address: reserved, and dropped.
    assert_eq!(run(ebpf, "ring", &packet[..28]).return_value, 2 * 24);
    let before = 2 * 24;
    // 24 bytes for the record, 16 for each of the two short ones, all of it twice.
    let after = before + 2 * (24 + 16 + 16);
    assert_eq!(run(ebpf, "ring", packet).return_value, 1 + 2 + after);
    let mut records = Vec::new();
    let mut ring = RingBuf::try_from(ebpf.map_mut("RING").unwrap()).unwrap();
    while let Some(record) = ring.next() {
        records.push(record.to_vec());
    }
    let source = packet[26..30].to_vec();
    let mut record = (packet.len() as u64).to_ne_bytes().to_vec();
    record.extend(2u32.to_ne_bytes());
    record.extend(&source);
    let half = source[..2].to_vec();
    assert_eq!(
        records,
        [source.clone(), half.clone(), record, source, half]
    );
}

#[test]
fn programs_see_the_fields_of_packets() {
    require_bpf!();
    check(&fixture("packets"));
}

#[test]
fn programs_of_a_debug_build_see_the_same() {
    require_bpf!();
    check(&fixture_with("packets", &["--debug"]));
}

#[test]
fn programs_for_old_processors_see_the_same() {
    require_bpf!();
    check(&fixture_with("packets", &["--cpu", "v2"]));
}
