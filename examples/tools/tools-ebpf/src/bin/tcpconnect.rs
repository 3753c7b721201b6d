//! Tells of each TCP connection that is asked for.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use hachi_ebpf::{
    macros::{btf_tracepoint, map},
    maps::RingBuf,
    programs::BtfTracePointContext,
};
use tools_common::tcp::Connect;
use tools_ebpf::tcp::{TCP, current, ends, inet_sock_set_state, state};

#[map]
static EVENTS: RingBuf = RingBuf::with_byte_size(256 * 1024, 0);

#[btf_tracepoint(function = "inet_sock_set_state")]
fn connect(ctx: BtfTracePointContext) {
    let change = inet_sock_set_state::of(&ctx);
    let sk = change.sk();
    if change.newstate() != state::SYN_SENT || sk.sk_protocol() != TCP {
        return;
    }
    if let Some(mut event) = EVENTS.reserve::<Connect>(0) {
        event.write(Connect {
            owner: current(),
            ends: ends(sk),
        });
        event.submit(0);
    }
}

hachi_ebpf::license!("GPL");
