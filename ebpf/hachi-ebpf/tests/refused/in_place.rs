//! In a value that is used in place every field knows that others use it.
#![forbid(unsafe_code)]
use hachi_ebpf::{MapValue, sync::bpf_timer};

#[derive(MapValue)]
#[repr(C)]
struct Flow {
    packets: u64, //~ type mismatch resolving `<u64 as MapValue>::Cell == u64`
    timer: bpf_timer,
}

//? found `Shared<u64>`
//? the_field_packets_of_Flow_must_be_shared
fn main() {}
