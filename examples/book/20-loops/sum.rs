#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use core::ops::ControlFlow;

use hachi_ebpf::bindings::xdp_action;
use hachi_ebpf::macros::xdp;
use hachi_ebpf::programs::XdpContext;
use hachi_ebpf::{bpf_loop, info};

/// Adds up a packet's first bytes, in a loop with a limit that the verifier can see.
#[xdp]
fn bounded(ctx: XdpContext) -> u32 {
    let mut sum = 0;
    for index in 0..64 {
        let Some(byte) = ctx.read::<u8>(index) else {
            break;
        };
        sum += u32::from(byte);
    }
    info!(&ctx, "the first bytes make {}", sum);
    xdp_action::XDP_PASS
}

/// Adds up all bytes, in a loop that the kernel runs.
#[xdp]
fn whole(ctx: XdpContext) -> u32 {
    let mut sum = 0;
    let rounds = bpf_loop(1500, |index| match ctx.read::<u8>(index as usize) {
        Some(byte) => {
            sum += u32::from(byte);
            ControlFlow::Continue(())
        }
        None => ControlFlow::Break(()),
    });
    info!(&ctx, "{} rounds make {}", rounds.unwrap_or(0), sum);
    xdp_action::XDP_PASS
}

hachi_ebpf::license!("GPL");
