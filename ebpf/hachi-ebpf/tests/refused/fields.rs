//! A field that is not plain data is named.
#![forbid(unsafe_code)]
use hachi_ebpf::Pod;

#[derive(Clone, Copy, Pod)]
#[repr(C)]
struct Event {
    port: u16,
    on: bool, //~ `bool` is not plain data
    rest: u8,
}

//? the_field_on_of_Event_must_be_pod
//? a `bool`: `Stored<bool>`
fn main() {}
