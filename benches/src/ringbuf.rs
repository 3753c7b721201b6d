//! What it costs to read a full ring buffer, an event of 64 bytes: beside libbpf, libbpf-rs and
//! Aya.

use crate::tools::{Result, built_peers, cpu_time, median, nanos, nanos_ratio, succeed};
use hachi::EbpfLoader;
use hachi::maps::{MapData, MapType, RingBuf};
use hachi::obj::{Code, Insn, MapSpec, ProgramSpec, ProgramType, Relocation, RelocationKind, Spec};
use hachi::programs::{TestRunOptions, Xdp};
use hachi_asm::{Imm64, Size, build};
use hachi_test::{Bpffs, bpf_available};
use std::process::Command;

/// Room for somewhat more than the events.
const RING: u32 = 16 << 20;
const EVENTS: u32 = 200_000;
const ROUNDS: usize = 21;
const GOAL: f64 = 14.0;

pub fn run() -> Result {
    if let Err(reason) = bpf_available() {
        println!("  skipped: {reason}");
        return Ok(());
    }
    let bpffs = Bpffs::new()?;
    let mut ebpf = EbpfLoader::new().load_spec(object())?;
    let mut ring: RingBuf<MapData> = ebpf.take_map("RING")?.try_into()?;
    let program: &mut Xdp = ebpf.program_mut("send")?.try_into()?;
    program.load()?;
    let send = || program.test_run(&TestRunOptions::new().data(&[0; 64]).repeat(EVENTS));
    let peers = built_peers("maps");
    let pinned = bpffs.join("ring");
    ring.map().pin(&pinned)?;
    let mut drained = Vec::new();
    let mut one_by_one = Vec::new();
    let mut theirs = vec![Vec::new(); peers.len()];
    for _ in 0..ROUNDS {
        send()?;
        let mut sum = 0u64;
        let start = cpu_time();
        let count = ring.drain(|event| sum += u64::from(event[0]) + event.len() as u64);
        drained.push(per_event(start));
        assert_eq!((count, sum), (EVENTS as usize, 65 * u64::from(EVENTS)));

        send()?;
        let start = cpu_time();
        let mut count = 0;
        while let Some(event) = ring.next() {
            sum += u64::from(event[0]) + event.len() as u64;
            count += 1;
        }
        one_by_one.push(per_event(start));
        assert_eq!((count, sum), (EVENTS, 130 * u64::from(EVENTS)));

        for ((_, program), times) in peers.iter().zip(&mut theirs) {
            send()?;
            let mut command = Command::new(program);
            times.push(succeed(command.arg("ring").arg(&pinned))?.trim().parse()?);
            // What is written there we have not read ourselves: start again after it.
            drop(ring);
            ring = MapData::from_pin(&pinned)?.try_into()?;
        }
    }
    let ours = median(&drained);
    nanos("Hachi: `drain`, an event", ours, Some(GOAL));
    nanos("Hachi: `next`, an event", median(&one_by_one), None);
    for ((name, _), times) in peers.iter().zip(&theirs) {
        let theirs = median(times);
        nanos(&format!("{name}: an event"), theirs, None);
        nanos_ratio(&format!("Hachi / {name}"), ours, theirs);
    }
    Ok(())
}

fn per_event(start: std::time::Duration) -> f64 {
    (cpu_time() - start).as_secs_f64() * 1e9 / f64::from(EVENTS)
}

/// A program that sends 64 bytes, all 1.
fn object() -> Spec {
    const RINGBUF_OUTPUT: u32 = hachi_asm::helpers::id::RINGBUF_OUTPUT;
    const NO_WAKEUP: i32 = 1;
    let mut insns: Vec<Insn> = build::ld_imm64(1, Imm64::Value(0x0101_0101_0101_0101)).into();
    for word in 1..=8 {
        insns.push(build::store(Size::Dw, 10, -8 * word, 1));
    }
    insns.extend([
        build::mov(2, 10),
        build::add_imm(2, -64),
        build::mov_imm(3, 64),
        build::mov_imm(4, NO_WAKEUP),
    ]);
    let at = insns.len();
    insns.extend(build::ld_imm64(1, Imm64::MapFd(0)));
    insns.extend([build::call_helper(RINGBUF_OUTPUT), build::exit()]);
    let mut code = Code::new("send", insns);
    code.relocations.push(Relocation::new(
        at,
        RelocationKind::Map {
            name: "RING".into(),
        },
    ));
    let mut program = ProgramSpec::new("send", ProgramType::Xdp, code);
    program.section = "xdp".to_owned();
    let mut spec = Spec::new(hachi::obj::Endian::NATIVE);
    spec.name = "bench".to_owned();
    spec.license = "GPL".to_owned();
    spec.programs = vec![program];
    spec.maps = vec![MapSpec::new("RING", MapType::Ringbuf, 0, 0, RING)];
    spec
}
