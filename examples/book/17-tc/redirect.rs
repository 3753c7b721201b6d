#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use hachi_ebpf::bindings::TC_ACT_UNSPEC;
use hachi_ebpf::info;
use hachi_ebpf::macros::classifier;
use hachi_ebpf::programs::TcContext;

const UDP: u8 = 17;
/// Places in a packet whose IPv4 header has no options.
const PROTOCOL: usize = 23;
const DESTINATION_PORT: usize = 36;
const UDP_CHECKSUM: usize = 40;

/// What is sent to `FROM` arrives at `TO`.
const FROM: [u8; 2] = 7000u16.to_be_bytes();
const TO: [u8; 2] = 7001u16.to_be_bytes();

#[classifier]
fn redirect(mut ctx: TcContext) -> i32 {
    if ctx.read(PROTOCOL) == Some(UDP) && ctx.read(DESTINATION_PORT) == Some(FROM) {
        match rewrite(&mut ctx) {
            Ok(()) => info!(&ctx, "7000 becomes 7001"),
            Err(error) => info!(&ctx, "it stays as it is: {}", error),
        }
    }
    TC_ACT_UNSPEC
}

/// Changes the port, and the checksum by the difference.
fn rewrite(ctx: &mut TcContext) -> Result<(), i64> {
    let (from, to) = (u16::from_ne_bytes(FROM), u16::from_ne_bytes(TO));
    ctx.l4_csum_replace(UDP_CHECKSUM, from.into(), to.into(), 2)?;
    ctx.store(DESTINATION_PORT, &TO, 0)
}

hachi_ebpf::license!("GPL");
