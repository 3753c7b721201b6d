#![no_std]
#![no_main]

use hachi_ebpf::bindings::xdp_action;
use hachi_ebpf::macros::xdp;
use hachi_ebpf::programs::XdpContext;
use hachi_ebpf::{debug, info, warn};

#[xdp]
fn log(ctx: XdpContext) -> u32 {
    debug!(&ctx, "a packet of {} bytes", ctx.len());
    let (Some(protocol), Some(sender)) = (ctx.read::<u8>(23), ctx.read::<[u8; 4]>(26)) else {
        warn!(&ctx, "a packet of {} bytes, which is too short", ctx.len());
        return xdp_action::XDP_PASS;
    };
    info!(&ctx, "protocol {:#x} from {:i}", protocol, sender);
    xdp_action::XDP_PASS
}

hachi_ebpf::license!("GPL");
