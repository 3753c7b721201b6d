//! What Aya takes:
//!
//! * `aya-peer OBJECT COUNT`: the counterpart of `benches/src/bin/types.rs`.
//! * `aya-peer load OBJECT COUNT`: that of `benches/loader`.
//! * `aya-peer maps PINNED ELEMENTS`: what an element of a hash map costs in an update, a lookup
//!   and a deletion, in nanoseconds of CPU time. There are no batches.
//! * `aya-peer ring PINNED`: what an event of a ring buffer costs, likewise.

#[path = "../../src/timing.rs"]
mod timing;

use aya::maps::{HashMap, Map, MapData, RingBuf};
use aya::programs::Program;
use aya_obj::btf::{Btf, BtfKind};
use std::time::Instant;
use timing::{median, micros, per_one, print_loads, user_time};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["load", object, count] => load(object, number(count)),
        ["maps", pinned, elements] => maps(pinned, number(elements) as u32),
        ["ring", pinned] => ring(pinned),
        [object, count] => types(object, number(count)),
        _ => panic!("usage: aya-peer [load] OBJECT COUNT | maps PINNED ELEMENTS | ring PINNED"),
    }
}

fn number(text: &str) -> usize {
    text.parse().expect("a number is given")
}

fn types(object: &str, count: usize) {
    let bytes = std::fs::read(object).expect("OBJECT can be read");
    let mut opens = Vec::new();
    for _ in 0..count {
        let start = Instant::now();
        let btf = Btf::from_sys_fs().expect("the kernel shows its types");
        btf.id_by_type_name_kind("task_struct", BtfKind::Struct)
            .expect("there are tasks");
        opens.push(start.elapsed());
    }
    let mut times = Vec::new();
    let before = user_time();
    for _ in 0..count {
        let start = Instant::now();
        let mut object = aya_obj::Object::parse(&bytes).expect("OBJECT is one");
        let btf = Btf::from_sys_fs().expect("the kernel shows its types");
        object.relocate_btf(&btf).expect("it can be relocated");
        times.push(start.elapsed());
    }
    let own = (user_time() - before) / count as u32;
    println!(
        "{:.1} {:.1} {:.1}",
        micros(median(&opens)),
        micros(median(&times)),
        micros(own)
    );
}

fn load(object: &str, count: usize) {
    print_loads(count, || {
        // Once, for the object and for programs that name a tracepoint by its type.
        let btf = Btf::from_sys_fs().expect("the kernel shows its types");
        let mut ebpf = aya::EbpfLoader::new()
            .btf(&btf)
            .load_file(object)
            .expect("OBJECT can be opened");
        for (_, program) in ebpf.programs_mut() {
            let loaded = match program {
                Program::Xdp(program) => program.load(),
                Program::BtfTracePoint(program) => program.load("sched_switch", &btf),
                _ => panic!("a program of another type"),
            };
            loaded.expect("its programs can be loaded");
        }
        ebpf
    });
}

fn maps(pinned: &str, elements: u32) {
    let data = MapData::from_pin(pinned).expect("PINNED is a map");
    let mut map: HashMap<MapData, u32, u64> = Map::HashMap(data)
        .try_into()
        .expect("of these keys and values");
    let mut times = [0.0; 3];
    // The second time, everything is warm.
    for _ in 0..2 {
        times = [
            per_one(elements, || {
                for key in 0..elements {
                    map.insert(&key, &u64::from(key), 0).expect("there is room");
                }
            }),
            per_one(elements, || {
                for key in 0..elements {
                    assert_eq!(map.get(&key, 0).expect("it is there"), u64::from(key));
                }
            }),
            per_one(elements, || {
                for key in 0..elements {
                    map.remove(&key).expect("it is there");
                }
            }),
        ];
    }
    println!("{:.2} {:.2} {:.2}", times[0], times[1], times[2]);
}

fn ring(pinned: &str) {
    let data = MapData::from_pin(pinned).expect("PINNED is a map");
    let mut ring: RingBuf<MapData> = Map::RingBuf(data).try_into().expect("it is a ring buffer");
    let (mut count, mut sum) = (0u32, 0u64);
    let time = per_one(1, || {
        while let Some(event) = ring.next() {
            sum += u64::from(event[0]) + event.len() as u64;
            count += 1;
        }
    });
    assert!(count > 0 && sum == 65 * u64::from(count));
    println!("{:.2}", time / f64::from(count));
}
