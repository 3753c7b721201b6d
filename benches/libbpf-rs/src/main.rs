//! What libbpf-rs takes:
//!
//! * `libbpf-rs-peer load OBJECT COUNT`: the counterpart of `benches/loader`.
//! * `libbpf-rs-peer maps PINNED ELEMENTS`: what an element of a hash map costs in an update, a
//!   lookup and a deletion, the same in batches, all in nanoseconds of CPU time; and how many
//!   elements the lookup in batches gave.
//! * `libbpf-rs-peer ring PINNED`: what an event of a ring buffer costs, likewise.

#[path = "../../src/timing.rs"]
mod timing;

use libbpf_rs::{MapCore as _, MapFlags, MapHandle, ObjectBuilder, RingBufferBuilder};
use std::cell::Cell;
use timing::{per_one, print_loads};

/// Elements in a batch.
const BATCH: usize = 4096;

fn main() {
    libbpf_rs::set_print(None);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["load", object, count] => load(object, number(count)),
        ["maps", pinned, elements] => maps(pinned, number(elements) as u32),
        ["ring", pinned] => ring(pinned),
        _ => panic!("usage: libbpf-rs-peer load OBJECT COUNT | maps PINNED ELEMENTS | ring PINNED"),
    }
}

fn number(text: &str) -> usize {
    text.parse().expect("a number is given")
}

fn load(object: &str, count: usize) {
    print_loads(count, || {
        let open = ObjectBuilder::default()
            .open_file(object)
            .expect("OBJECT can be opened");
        open.load().expect("it can be loaded")
    });
}

fn maps(pinned: &str, elements: u32) {
    let map = MapHandle::from_pinned_path(pinned).expect("PINNED is a map");
    let any = MapFlags::ANY;
    let keys: Vec<u8> = (0..elements).flat_map(u32::to_ne_bytes).collect();
    let values: Vec<u8> = (0..elements)
        .flat_map(|key| u64::from(key).to_ne_bytes())
        .collect();
    let chunks = || keys.chunks(4 * BATCH).zip(values.chunks(8 * BATCH));
    let mut times = [0.0; 6];
    let mut seen = 0;
    // The second time, everything is warm.
    for _ in 0..2 {
        times = [
            per_one(elements, || {
                for key in 0..elements {
                    let value = u64::from(key).to_ne_bytes();
                    map.update(&key.to_ne_bytes(), &value, any)
                        .expect("there is room");
                }
            }),
            per_one(elements, || {
                for key in 0..elements {
                    let value = map.lookup(&key.to_ne_bytes(), any);
                    assert!(value.expect("it can be read").is_some());
                }
            }),
            per_one(elements, || {
                for key in 0..elements {
                    map.delete(&key.to_ne_bytes()).expect("it is there");
                }
            }),
            per_one(elements, || {
                for (keys, values) in chunks() {
                    let count = keys.len() as u32 / 4;
                    map.update_batch(keys, values, count, any, any)
                        .expect("there is room");
                }
            }),
            per_one(elements, || {
                let found = map.lookup_batch(BATCH as u32, any, any);
                seen = found.expect("it can be read").count();
            }),
            per_one(elements, || {
                for (keys, _) in chunks() {
                    let count = keys.len() as u32 / 4;
                    map.delete_batch(keys, count, any, any)
                        .expect("they are there");
                }
            }),
        ];
    }
    for time in times {
        print!("{time:.2} ");
    }
    println!("{seen}");
}

fn ring(pinned: &str) {
    let map = MapHandle::from_pinned_path(pinned).expect("PINNED is a map");
    let (count, sum) = (Cell::new(0u32), Cell::new(0u64));
    let mut builder = RingBufferBuilder::new();
    builder
        .add(&map, |event| {
            sum.set(sum.get() + u64::from(event[0]) + event.len() as u64);
            count.set(count.get() + 1);
            0
        })
        .expect("it is a ring buffer");
    let ring = builder.build().expect("it can be mapped");
    let time = per_one(1, || ring.consume().expect("it can be read"));
    let count = count.get();
    assert!(count > 0 && sum.get() == 65 * u64::from(count));
    println!("{:.2}", time / f64::from(count));
}
