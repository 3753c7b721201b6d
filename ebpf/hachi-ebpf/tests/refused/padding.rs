//! Padding is named, with the field that it follows and what fills it.
#![forbid(unsafe_code)]
use hachi_ebpf::{Pod, maps::*};

#[derive(Clone, Copy, Pod)]
#[repr(C)]
struct Flow {
    source: u32,
    ports: [u16; 2],
    protocol: u8, //~ `Flow` is not `Pod`: 3 bytes of padding after its field `protocol`
}
static FLOWS: HashMap<Flow, u64> = HashMap::with_max_entries(1, 0);

#[derive(Clone, Copy, Pod)]
#[repr(C)]
struct Info {
    protocol: u8, //~ `Info` is not `Pod`: 3 bytes of padding after its field `protocol`
    address: u32,
    when: u64,
}
static EVENTS: PerfEventArray<Info> = PerfEventArray::new(0);

//? , at the end; fill it: add `padding: [u8; 3]`
//? , before `address`; put wider fields first, or fill it: after `protocol`, add
fn main() {}
