//! What Rust's checks prove, the verifier finds in the instructions: ordinary checks load, on every
//! kernel and in release and debug, and compute what they compute here.

use std::env;
use std::path::Path;

use hachi::Ebpf;
use hachi::links::OwnedLink;
use hachi::maps::{Array, RingBuf};
use hachi::programs::{Program, TestRunOptions, UProbe, Xdp};
use hachi_test::require_bpf;
use hachi_tests::{fixture, fixture_with};

const NONE: u32 = u32::MAX;

/// Called by the test, watched by the programs. Not inlined, and under this name in the symbol
/// table.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn hachi_proved_text(start: *const u8, length: u64) -> u64 {
    std::hint::black_box(start as u64 + length)
}

/// Loads and runs everything in an object; all that went wrong.
fn check(object: &Path) -> Vec<String> {
    let mut ebpf = Ebpf::load_file(object).unwrap();
    let mut wrong = Vec::new();
    for (name, answer) in PACKETS {
        wrong.extend(check_packets(&mut ebpf, name, *answer).err());
    }
    for (name, answer) in TEXTS {
        wrong.extend(check_texts(&mut ebpf, name, *answer).err());
    }
    for name in ["length_between", "length_from_signed", "length_limited"] {
        wrong.extend(check_lengths(&mut ebpf, name).err());
    }
    wrong.extend(check_sent(&mut ebpf).err());
    wrong
}

fn load<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut Program, String> {
    let program = ebpf.program_mut(name).unwrap();
    program.load().map_err(|error| format!("{name}: {error}"))?;
    Ok(program)
}

fn equal<T: PartialEq + std::fmt::Debug>(
    what: String,
    found: T,
    expected: T,
) -> Result<(), String> {
    match found == expected {
        true => Ok(()),
        false => Err(format!("{what}: {found:?} instead of {expected:?}")),
    }
}

fn byte(packet: &[u8], at: usize) -> u32 {
    packet.get(at).map_or(NONE, |byte| (*byte).into())
}

/// What each program returns for a packet.
type OfPacket = fn(&[u8]) -> u32;

const PACKETS: &[(&str, OfPacket)] = &[
    ("last_byte", |p| byte(p, p.len() - 1)),
    ("last_byte_within_limits", |p| match p.len() {
        60..=1500 => byte(p, p.len() - 1),
        _ => NONE,
    }),
    ("last_word", |p| {
        u32::from_be_bytes(*p.last_chunk().unwrap())
    }),
    ("offset_in_the_packet", |p| {
        byte(p, u16::from_be_bytes([p[14], p[15]]).into())
    }),
    ("offset_through_casts", |p| {
        let wide = u64::from_be_bytes(p[14..22].try_into().unwrap());
        byte(p, wide as u32 as usize)
    }),
    ("signed_offset", |p| {
        match i16::from_be_bytes([p[14], p[15]]) {
            ..0 => NONE - 1,
            offset => byte(p, offset as usize),
        }
    }),
    ("part_of_a_buffer", |p| match p[14] {
        length @ 1..=64 => 7 + u32::from(length),
        _ => NONE - 1,
    }),
];

fn check_packets(ebpf: &mut Ebpf, name: &str, answer: OfPacket) -> Result<(), String> {
    let program: &mut Xdp = load(ebpf, name)?.try_into().unwrap();
    let mut packet: Vec<u8> = (1..=100).collect();
    for at_14 in [
        0u64,
        1 << 48,
        63 << 48,
        99 << 48,
        100 << 48,
        0xffff << 48,
        0x8000 << 48,
        64 << 56,
        65 << 56,
        50,
        99,
        100,
        u32::MAX.into(),
        1 << 32 | 20,
    ] {
        packet[14..22].copy_from_slice(&at_14.to_be_bytes());
        for packet in [&packet[..], &packet[..59]] {
            let options = TestRunOptions::new().data(packet);
            let found = program.test_run(&options).unwrap().return_value;
            let what = format!("{name} with {at_14:#x} in {} bytes", packet.len());
            equal(what, found, answer(packet))?;
        }
    }
    Ok(())
}

/// What each program says of a text.
type OfText = fn(&[u8]) -> u64;

const TEXTS: &[(&str, OfText)] = &[
    ("each_byte", |text| {
        text.iter().fold(1, |hash: u64, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
        })
    }),
    ("any_percent", |text| text.contains(&b'%').into()),
    ("last_slash", |text| {
        let at = text.iter().rposition(|byte| *byte == b'/');
        at.map_or(99, |at| at as u64)
    }),
    ("ends_alike", |text| {
        u64::from(text.ends_with(b".so")) + 2 * u64::from(text.starts_with(b"/etc/"))
    }),
    ("contains_colon", |text| text.contains(&b':').into()),
    ("last_bytes", |text| match text {
        [.., b'.', last] => (*last).into(),
        [first, ..] => 256 + u64::from(*first),
        [] => 512,
    }),
];

const INPUTS: &[&str] = &[
    "",
    "a",
    "/etc/passwd",
    "libc.so",
    "100%: yes",
    "a.b",
    "/a/much/longer/path/that/does/not/fit/into/sixty/four/bytes/of/buffer.so",
];

/// The text as the programs see it: cut to what fits with the NUL that ends it.
fn seen(text: &str) -> &[u8] {
    &text.as_bytes()[..text.len().min(63)]
}

/// Calls the watched function with a text.
fn call(text: &str) {
    let text = [text.as_bytes(), b"\0"].concat();
    hachi_proved_text(text.as_ptr(), text.len() as u64);
}

/// Has a program watch the function, until the link is dropped.
fn watch(ebpf: &mut Ebpf, name: &str) -> Result<OwnedLink, String> {
    let program: &mut UProbe = load(ebpf, name)?.try_into().unwrap();
    let this = env::current_exe().unwrap();
    let own = i32::try_from(std::process::id()).ok();
    let link = program
        .attach("hachi_proved_text", this, own, None)
        .and_then(|link| program.take_link(link))
        .map_err(|error| format!("{name}: {error}"))?;
    Ok(link)
}

fn answer(ebpf: &Ebpf) -> u64 {
    let answer = Array::<_, u64>::try_from(ebpf.map("ANSWER").unwrap()).unwrap();
    answer.get(&0, 0).unwrap()
}

fn check_texts(ebpf: &mut Ebpf, name: &str, expected: OfText) -> Result<(), String> {
    let _link = watch(ebpf, name)?;
    for text in INPUTS {
        call(text);
        equal(
            format!("{name} of {text:?}"),
            answer(ebpf),
            expected(seen(text)),
        )?;
    }
    Ok(())
}

fn check_lengths(ebpf: &mut Ebpf, name: &str) -> Result<(), String> {
    let _link = watch(ebpf, name)?;
    let bytes: Vec<u8> = (1..=20).collect();
    for length in [0i32, 1, 15, 16, -1, i32::MIN] {
        hachi_proved_text(bytes.as_ptr(), 7 << 32 | u64::from(length as u32));
        let expected = match (name, length) {
            ("length_limited", _) => Some((length as u32).min(15)),
            ("length_between", 0..=15) | ("length_from_signed", 0..=16) => Some(length as u32),
            _ => None,
        };
        let sum = |count: u32| (1..=u64::from(count)).sum();
        let what = format!("{name} of {length}");
        equal(what, answer(ebpf), expected.map_or(1000, sum))?;
    }
    Ok(())
}

fn check_sent(ebpf: &mut Ebpf) -> Result<(), String> {
    let _link = watch(ebpf, "sends")?;
    let mut ring = RingBuf::try_from(ebpf.take_map("TEXTS").unwrap()).unwrap();
    // What the programs before sent.
    while ring.next().is_some() {}
    for text in INPUTS {
        call(text);
        let record = ring.next().map(|record| record.to_vec());
        equal(
            format!("sent of {text:?}"),
            record.as_deref(),
            Some(seen(text)),
        )?;
    }
    Ok(())
}

#[test]
fn ordinary_checks_load_and_answer_in_release() {
    require_bpf!();
    let wrong = check(&fixture("proofs"));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn ordinary_checks_load_and_answer_in_debug() {
    require_bpf!();
    let wrong = check(&fixture_with("proofs", &["--debug"]));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
