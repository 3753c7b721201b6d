//! What is checked when it is read is an `Option`.
#![forbid(unsafe_code)]
use hachi_ebpf::{Global, Shareable, maps::*};

#[repr(u8)]
#[derive(Clone, Copy, Shareable)]
enum Mode {
    Off = 1,
    On = 2,
}
static MODE: Global<Mode> = Global::new(Mode::Off);
static MODES: Array<Mode> = Array::with_max_entries(1, 0);

fn main() {
    let _: Mode = MODE.load(); //~ mismatched types
    let _: Option<Mode> = MODES.get(0); //~ mismatched types
    let _: Option<Option<Mode>> = MODES.get(0);
}
