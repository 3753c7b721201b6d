//! What map operations cost: single ones beside a bare loop of bpf(2) calls, batches beside libbpf's.
//!
//! Times are CPU time of the thread, the kernel's included, so that other processes matter little; what
//! is compared takes turns.

use crate::tools::{Result, cpu_time, libbpf, median, nanos, nanos_ratio, succeed};
use hachi::maps::{HashMap, MapData, MapType};
use hachi::obj::MapSpec;
use hachi_test::bpf_available;
use std::os::fd::AsRawFd as _;
use std::process::Command;

const ELEMENTS: u32 = 100_000;
const ROUNDS: usize = 11;
/// Elements in a batch.
const BATCH: usize = 4096;

pub fn run() -> Result {
    if let Err(reason) = bpf_available() {
        println!("  skipped: {reason}");
        return Ok(());
    }
    let spec = MapSpec::new("BENCH", MapType::Hash, 4, 8, ELEMENTS);
    let mut map: HashMap<MapData, u32, u64> = MapData::from_spec(&spec)?.try_into()?;
    let fd = map.map().as_raw_fd() as u32;
    let names = ["update", "lookup", "delete"];
    let mut bare = [const { Vec::new() }; 3];
    let mut ours = [const { Vec::new() }; 3];
    for round in 0..ROUNDS {
        let bare_turn = |bare: &mut [Vec<f64>; 3]| {
            for (command, times) in [2u32, 1, 3].into_iter().zip(bare) {
                times.push(each(|key| bare_call(command, fd, key)));
            }
        };
        let our_turn = |map: &mut HashMap<MapData, u32, u64>, ours: &mut [Vec<f64>; 3]| {
            ours[0].push(each(|key| map.insert(key, u64::from(key), 0).is_ok()));
            ours[1].push(each(|key| map.get(&key, 0).is_ok()));
            ours[2].push(each(|key| map.remove(&key).is_ok()));
        };
        // Who begins changes, too.
        if round % 2 == 0 {
            bare_turn(&mut bare);
            our_turn(&mut map, &mut ours);
        } else {
            our_turn(&mut map, &mut ours);
            bare_turn(&mut bare);
        }
    }
    for (index, name) in names.into_iter().enumerate() {
        let (bare, ours) = (median(&bare[index]), median(&ours[index]));
        nanos(&format!("bpf(2): {name}"), bare, None);
        nanos(&format!("Hachi: {name}"), ours, Some(1.03 * bare));
        nanos_ratio(&format!("Hachi / bpf(2), {name}"), ours, bare);
    }
    batches(&mut map)
}

/// Nanoseconds for each of the keys.
fn each(mut f: impl FnMut(u32) -> bool) -> f64 {
    let start = cpu_time();
    let failed = (0..ELEMENTS).filter(|&key| !f(key)).count();
    let time = cpu_time() - start;
    assert_eq!(failed, 0, "the bench's operations succeed");
    time.as_secs_f64() * 1e9 / f64::from(ELEMENTS)
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

fn batches(map: &mut HashMap<MapData, u32, u64>) -> Result {
    let keys: Vec<u32> = (0..ELEMENTS).collect();
    let values: Vec<u64> = keys.iter().map(|&key| key.into()).collect();
    let libbpf = libbpf("maps");
    if let Err(error) = &libbpf {
        println!("  (libbpf: not measured: {error})");
    }
    let mut ours = [const { Vec::new() }; 3];
    let mut theirs = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        let per_element = |start: std::time::Duration| {
            (cpu_time() - start).as_secs_f64() * 1e9 / f64::from(ELEMENTS)
        };
        let start = cpu_time();
        for (keys, values) in keys.chunks(BATCH).zip(values.chunks(BATCH)) {
            map.insert_batch(keys, values, 0)?;
        }
        ours[0].push(per_element(start));
        let start = cpu_time();
        let mut seen = 0;
        let mut batches = map.batches(BATCH)?;
        while let Some((keys, _)) = batches.next()? {
            seen += keys.len();
        }
        assert_eq!(seen, ELEMENTS as usize, "all of them");
        ours[1].push(per_element(start));
        let start = cpu_time();
        for keys in keys.chunks(BATCH) {
            map.remove_batch(keys)?;
        }
        ours[2].push(per_element(start));
        if let Ok(program) = &libbpf {
            let printed = succeed(Command::new(program).args(["batch", &ELEMENTS.to_string()]))?;
            for (number, times) in printed.split_whitespace().zip(&mut theirs) {
                times.push(number.parse()?);
            }
        }
    }
    for (index, name) in ["update", "lookup", "delete"].into_iter().enumerate() {
        let median_ours = median(&ours[index]);
        if theirs[index].is_empty() {
            nanos(
                &format!("Hachi: batch {name}, an element"),
                median_ours,
                None,
            );
            continue;
        }
        let median_theirs = median(&theirs[index]);
        nanos(
            &format!("libbpf: batch {name}, an element"),
            median_theirs,
            None,
        );
        nanos(
            &format!("Hachi: batch {name}, an element"),
            median_ours,
            Some(1.03 * median_theirs),
        );
        nanos_ratio(
            &format!("Hachi / libbpf, batch {name}"),
            median_ours,
            median_theirs,
        );
    }
    Ok(())
}
