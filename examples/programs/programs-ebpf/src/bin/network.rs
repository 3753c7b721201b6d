//! Programs for packets on an interface or in the kernel's network stack.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use hachi_ebpf::{
    bindings::{TC_ACT_OK, xdp_action},
    info,
    macros::{classifier, netfilter, netkit, xdp},
    programs::{NetfilterContext, TcContext, XdpContext},
};

const UDP: u8 = 17;
const NF_ACCEPT: i32 = 1;
/// To the next program, or as if there were none.
const NETKIT_NEXT: i32 = -1;

/// Packets, as the driver receives them.
#[xdp]
fn xdp(ctx: XdpContext) -> u32 {
    // Behind the Ethernet header (14 bytes) the IP header has the protocol at 9, and 20 bytes in all.
    if let (Some(UDP), Some(port)) = (ctx.read(23), ctx.read::<[u8; 2]>(36)) {
        info!(
            &ctx,
            "xdp: {} bytes to port {}",
            ctx.len(),
            u16::from_be_bytes(port)
        );
    }
    xdp_action::XDP_PASS
}

/// Packets on their way through an interface.
#[classifier]
fn classifier(ctx: TcContext) -> i32 {
    if let (Some(UDP), Some(port)) = (ctx.read(23), ctx.read::<[u8; 2]>(36)) {
        info!(
            &ctx,
            "classifier: {} bytes to port {}",
            ctx.len(),
            u16::from_be_bytes(port)
        );
    }
    TC_ACT_OK
}

/// Packets into a netkit device.
#[netkit(primary)]
fn netkit(ctx: TcContext) -> i32 {
    info!(&ctx, "netkit: {} bytes", ctx.len());
    NETKIT_NEXT
}

/// Packets for this machine, from the IP header on.
#[netfilter]
fn netfilter(ctx: NetfilterContext) -> i32 {
    if let (Some(UDP), Some(port)) = (ctx.read(9), ctx.read::<[u8; 2]>(22)) {
        info!(
            &ctx,
            "netfilter: a datagram to port {}",
            u16::from_be_bytes(port)
        );
    }
    NF_ACCEPT
}

hachi_ebpf::license!("GPL");
