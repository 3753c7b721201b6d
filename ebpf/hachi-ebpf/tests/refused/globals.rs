//! A setting is plain data or checked.
#![forbid(unsafe_code)]
use hachi_ebpf::{Global, GlobalMut};

#[repr(u8)]
#[derive(Clone, Copy)]
enum Mode {
    Off = 1,
    On = 2,
}
static FLAG: Global<bool> = Global::new(false);
static MODE: Global<Mode> = Global::new(Mode::Off); //~ cannot share `Mode`
static LAST: GlobalMut<Option<u32>> = GlobalMut::new(None); //~ cannot share `Option<u32>`

//? an enum without data: `#[derive(Clone, Copy, Shareable)] #[repr(u8)]`
fn main() {
    let _: bool = FLAG.load();
}
