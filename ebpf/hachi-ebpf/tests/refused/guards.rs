//! Locks and records are held once.
#![forbid(unsafe_code)]
use hachi_ebpf::{maps::*, sync::Locked};

static L: Array<Locked<[u64; 4]>> = Array::with_max_entries(1, 0);
static R: RingBuf = RingBuf::with_byte_size(4096, 0);

fn main() {
    let bucket = L.get(0).unwrap();
    let first = bucket.lock();
    let second = bucket.lock(); //~ use of moved value: `bucket`
    drop((first, second));

    let mut entry = R.reserve::<u32>(0).unwrap();
    entry.write(1);
    entry.submit(0);
    entry.submit(0); //~ use of moved value: `entry`
}
