//! Tells of each TCP connection that is asked for.

#![no_std]
#![no_main]

use aya_ebpf::{
    macros::{btf_tracepoint, map},
    maps::RingBuf,
    programs::BtfTracePointContext,
};
use aya_ports::{
    tcp::{TCP, current, ends, protocol, state},
    vmlinux::sock,
};
use tools_common::tcp::Connect;

#[map]
static EVENTS: RingBuf = RingBuf::with_byte_size(256 * 1024, 0);

#[btf_tracepoint(function = "inet_sock_set_state")]
pub fn connect(ctx: BtfTracePointContext) -> i32 {
    let (sk, newstate): (*const sock, i32) = (ctx.arg(0), ctx.arg(2));
    // SAFETY: the tracepoint's socket is the kernel's.
    if newstate != state::SYN_SENT || unsafe { protocol(sk) } != TCP {
        return 0;
    }
    if let Some(mut event) = EVENTS.reserve::<Connect>(0) {
        event.write(Connect {
            owner: current(),
            // SAFETY: the tracepoint's socket is the kernel's.
            ends: unsafe { ends(sk) },
        });
        event.submit(0);
    }
    0
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";
