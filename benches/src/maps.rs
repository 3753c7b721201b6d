//! What map operations cost, single ones and batches: beside a bare loop of bpf(2) calls, libbpf,
//! libbpf-rs and Aya.
//!
//! Times are CPU time of the thread, the kernel's included, so that other processes matter little;
//! what is compared takes turns.

use crate::tools::{Result, built_peers, cpu_time, median, nanos, nanos_ratio, succeed};
use hachi::maps::{HashMap, MapData, MapType};
use hachi::obj::MapSpec;
use hachi_test::{Bpffs, bpf_available};
use std::os::fd::AsRawFd as _;
use std::process::Command;
use std::time::Duration;

const ELEMENTS: u32 = 100_000;
const ROUNDS: usize = 11;
/// Elements in a batch.
const BATCH: usize = 4096;

/// Single operations, then those in batches.
const NAMES: [&str; 6] = [
    "update",
    "lookup",
    "delete",
    "batch update",
    "batch lookup",
    "batch delete",
];

pub fn run() -> Result {
    if let Err(reason) = bpf_available() {
        println!("  skipped: {reason}");
        return Ok(());
    }
    let spec = MapSpec::new("BENCH", MapType::Hash, 4, 8, ELEMENTS);
    let mut map: HashMap<MapData, u32, u64> = MapData::from_spec(&spec)?.try_into()?;
    let bpffs = Bpffs::new()?;
    let pinned = bpffs.join("map");
    map.map().pin(&pinned)?;
    let peers = built_peers("maps");
    let mut bare = [const { Vec::new() }; 3];
    let mut ours = [const { Vec::new() }; 6];
    // A toolkit's figures, and how many elements its batches gave if that is not all.
    let mut theirs = vec![([const { Vec::new() }; 6], None); peers.len()];
    for round in 0..ROUNDS {
        // Who begins changes.
        if round % 2 == 0 {
            bare_turn(&map, &mut bare);
        }
        our_turn(&mut map, &mut ours)?;
        if round % 2 == 1 {
            bare_turn(&map, &mut bare);
        }
        for ((_, program), (times, incomplete)) in peers.iter().zip(&mut theirs) {
            let mut command = Command::new(program);
            command.arg("maps").arg(&pinned).arg(ELEMENTS.to_string());
            let printed = succeed(&mut command)?;
            let mut numbers = printed.split_whitespace();
            for (number, times) in numbers.by_ref().take(6).zip(times) {
                times.push(number.parse()?);
            }
            let seen = numbers.next().map(str::to_owned);
            *incomplete = seen.filter(|seen| *seen != ELEMENTS.to_string());
        }
    }
    for (index, name) in NAMES.into_iter().enumerate() {
        let ours = median(&ours[index]);
        let mut goal = None;
        if let Some(bare) = bare.get(index) {
            let bare = median(bare);
            nanos(&format!("bpf(2): {name}"), bare, None);
            nanos_ratio(&format!("Hachi / bpf(2), {name}"), ours, bare);
            goal = Some(1.03 * bare);
        }
        for ((whose, _), (times, incomplete)) in peers.iter().zip(&theirs) {
            if times[index].is_empty() {
                println!("  ({whose} has no {name})");
                continue;
            }
            let theirs = median(&times[index]);
            nanos(&format!("{whose}: {name}, an element"), theirs, None);
            match incomplete {
                Some(seen) if name == "batch lookup" => {
                    println!("  ({whose} gave {seen} of {ELEMENTS} elements: not compared)");
                }
                _ => nanos_ratio(&format!("Hachi / {whose}, {name}"), ours, theirs),
            }
            if *whose == "libbpf" && goal.is_none() {
                goal = Some(1.03 * theirs);
            }
        }
        nanos(&format!("Hachi: {name}, an element"), ours, goal);
    }
    Ok(())
}

fn bare_turn(map: &HashMap<MapData, u32, u64>, times: &mut [Vec<f64>; 3]) {
    let fd = map.map().as_raw_fd() as u32;
    for (command, times) in [2u32, 1, 3].into_iter().zip(times) {
        times.push(each(|key| bare_call(command, fd, key)));
    }
}

fn our_turn(map: &mut HashMap<MapData, u32, u64>, times: &mut [Vec<f64>; 6]) -> Result {
    times[0].push(each(|key| map.insert(key, u64::from(key), 0).is_ok()));
    times[1].push(each(|key| map.get(&key, 0).is_ok()));
    times[2].push(each(|key| map.remove(&key).is_ok()));
    for (times, time) in times[3..].iter_mut().zip(batches(map)?) {
        times.push(time);
    }
    Ok(())
}

/// Nanoseconds for each of the keys.
fn each(mut f: impl FnMut(u32) -> bool) -> f64 {
    let start = cpu_time();
    let failed = (0..ELEMENTS).filter(|&key| !f(key)).count();
    let time = per_element(start);
    assert_eq!(failed, 0, "the bench's operations succeed");
    time
}

/// One call on an element: update, lookup or delete.
fn bare_call(command: u32, map_fd: u32, key: u32) -> bool {
    #[repr(C)]
    struct Attr {
        map_fd: u32,
        pad: u32,
        key: u64,
        value: u64,
        flags: u64,
    }
    let mut value = u64::from(key);
    let mut attr = Attr {
        map_fd,
        pad: 0,
        key: std::ptr::from_ref(&key) as u64,
        value: if command == 3 {
            0
        } else {
            std::ptr::from_mut(&mut value) as u64
        },
        flags: 0,
    };
    // SAFETY: key and value are live and have the map's sizes.
    unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_mut(&mut attr),
            size_of::<Attr>(),
        ) == 0
    }
}

/// What an element costs in batches: update, lookup, deletion.
fn batches(map: &mut HashMap<MapData, u32, u64>) -> Result<[f64; 3]> {
    let keys: Vec<u32> = (0..ELEMENTS).collect();
    let values: Vec<u64> = keys.iter().map(|&key| key.into()).collect();
    let start = cpu_time();
    for (keys, values) in keys.chunks(BATCH).zip(values.chunks(BATCH)) {
        map.insert_batch(keys, values, 0)?;
    }
    let update = per_element(start);
    let start = cpu_time();
    let mut seen = 0;
    let mut batches = map.batches(BATCH)?;
    // One that is not full is not the end.
    while let Some((keys, _)) = batches.next()? {
        seen += keys.len();
    }
    assert_eq!(seen, ELEMENTS as usize, "all of them");
    let lookup = per_element(start);
    let start = cpu_time();
    for keys in keys.chunks(BATCH) {
        map.remove_batch(keys)?;
    }
    Ok([update, lookup, per_element(start)])
}

fn per_element(start: Duration) -> f64 {
    (cpu_time() - start).as_secs_f64() * 1e9 / f64::from(ELEMENTS)
}
