//! Tells of each TCP connection that has ended: whose it was, how long, how much.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use hachi_ebpf::{
    Pod,
    helpers::bpf_ktime_get_ns,
    kernel::Handle as _,
    macros::{btf_tracepoint, map},
    maps::{HashMap, RingBuf},
    programs::BtfTracePointContext,
};
use tools_common::tcp::{Life, Owner};
use tools_ebpf::tcp::{TCP, current, ends, inet_sock_set_state, sock, state, tcp_sock};

/// What is known of a connection before it ends.
#[derive(Clone, Copy, Pod)]
#[repr(C)]
struct Birth {
    at: u64,
    owner: Owner,
}

/// By the socket's address.
#[map]
static BIRTHS: HashMap<u64, Birth> = HashMap::with_max_entries(10240, 0);

#[map]
static EVENTS: RingBuf = RingBuf::with_byte_size(256 * 1024, 0);

#[btf_tracepoint(function = "inet_sock_set_state")]
fn changed(ctx: BtfTracePointContext) -> Result<(), i64> {
    let change = inet_sock_set_state::of(&ctx);
    let (sk, state) = (change.sk(), change.newstate());
    if sk.sk_protocol() != TCP {
        return Ok(());
    }
    let key = sk.as_ptr().addr() as u64;
    if state == state::CLOSE {
        if let Some(birth) = BIRTHS.get(key) {
            ended(sk, &birth)?;
        }
        return BIRTHS.remove(key);
    }
    let known = BIRTHS.get(key);
    // In other states it is an interrupt that changes it, in whatever process.
    let owner = match known {
        Some(birth) if state != state::LAST_ACK => birth.owner,
        _ => current(),
    };
    if state < state::FIN_WAIT1 || known.is_some() {
        let at = known.map_or_else(bpf_ktime_get_ns, |birth| birth.at);
        BIRTHS.insert(key, Birth { at, owner }, 0)?;
    }
    Ok(())
}

fn ended(sk: sock, birth: &Birth) -> Result<(), i64> {
    // The verifier knows of a `sock` only, so what a `tcp_sock` has more is probed.
    let tcp: tcp_sock<_> = sk.probed().cast();
    let (received, sent) = (tcp.bytes_received()?, tcp.bytes_acked()?);
    if let Some(mut event) = EVENTS.reserve::<Life>(0) {
        event.write(Life {
            owner: birth.owner,
            ends: ends(sk),
            received,
            sent,
            duration: bpf_ktime_get_ns() - birth.at,
        });
        event.submit(0);
    }
    Ok(())
}

hachi_ebpf::license!("GPL");
