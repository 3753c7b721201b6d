#![no_std]
#![no_main]

use hachi_ebpf::bindings::xdp_action;
use hachi_ebpf::info;
use hachi_ebpf::macros::xdp;
use hachi_ebpf::programs::XdpContext;

const ETHERNET: usize = 14;
const IPV4: u16 = 0x0800;
const UDP: u8 = 17;

#[xdp]
fn who(ctx: XdpContext) -> u32 {
    if let Some(port) = udp_port(&ctx) {
        info!(&ctx, "UDP to port {}", port);
    }
    xdp_action::XDP_PASS
}

/// The port to which a packet goes, if it is UDP over IPv4.
fn udp_port(ctx: &XdpContext) -> Option<u16> {
    // Numbers in headers have their highest byte first.
    if u16::from_be_bytes(ctx.read(12)?) != IPV4 {
        return None;
    }
    // The low half of the first byte is the length of the header, in words of four bytes.
    let first: u8 = ctx.read(ETHERNET)?;
    let header = usize::from(first & 0x0f) * 4;
    if ctx.read::<u8>(ETHERNET + 9)? != UDP {
        return None;
    }
    Some(u16::from_be_bytes(ctx.read(ETHERNET + header + 2)?))
}

hachi_ebpf::license!("GPL");
