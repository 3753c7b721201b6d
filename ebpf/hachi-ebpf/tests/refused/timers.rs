//! What happens later gets a copy of the key, and the value in place.
#![forbid(unsafe_code)]
use hachi_ebpf::{MapValue, maps::*, sync::bpf_timer};

#[derive(MapValue)]
#[repr(C)]
struct Flow {
    timer: bpf_timer,
}
static FLOWS: HashMap<u32, Flow> = HashMap::with_max_entries(1, 0);

fn main() {
    let flow = FLOWS.get(1).unwrap();
    let _ = flow.timer.set_callback(&FLOWS, |key: &u32, _| {}); //~ type mismatch
}
