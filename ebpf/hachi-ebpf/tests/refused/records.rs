//! What is sent has no padding, and no pointers.
#![forbid(unsafe_code)]
use hachi_ebpf::{maps::*, programs::XdpContext};

#[derive(Clone, Copy)]
struct Padded {
    a: u8,
    b: u64,
}
static R: RingBuf = RingBuf::with_byte_size(4096, 0);
static B: PerfEventByteArray = PerfEventByteArray::new(0);
static P: PerfEventArray<Padded> = PerfEventArray::new(0); //~ cannot share `Padded`

fn send(ctx: &XdpContext) {
    let _ = R.output(&Padded { a: 1, b: 2 }, 0); //~ `Padded` cannot be sent as a record
    let _ = R.output(&"a fat pointer", 0); //~ `&str` cannot be sent as a record
    let _ = R.output(&[Some(1u8)][..], 0); //~ `[Option<u8>]` cannot be sent as a record
    let _ = R.reserve::<Padded>(0); //~ `Padded` is not plain data
    let padded = Padded { a: 1, b: 2 };
    let _ = R.reserve_with(16, |record| record.write(0, &padded)); //~ `Padded` is not plain data
    let _ = R.output(&[1u8][..], 0);
    let _ = R.output("text", 0);
    let _ = B.output(ctx, &[1u8], 0);
}

//? send `text`, not `&text`
fn main() {}
