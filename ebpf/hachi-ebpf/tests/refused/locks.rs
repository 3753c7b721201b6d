//! What a lock protects is plain data.
#![forbid(unsafe_code)]
use hachi_ebpf::{maps::*, sync::Locked};

struct Bucket {
    tokens: u64,
}
static L: Array<Locked<Bucket>> = Array::with_max_entries(1, 0); //~ `Bucket` is not plain data

fn main() {}
