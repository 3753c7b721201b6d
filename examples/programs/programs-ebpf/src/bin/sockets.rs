//! Programs for sockets: what they send, what they receive, and which of them receives it.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use hachi_ebpf::{
    bindings::sk_action,
    info,
    macros::{map, sk_lookup, sk_msg, sk_reuseport, sk_skb, socket_filter},
    maps::SockMap,
    programs::{SkBuffContext, SkLookupContext, SkMsgContext, SkReuseportContext},
};

/// The sockets that `sk_msg` and `sk_skb` are for.
#[map]
static SOCKETS: SockMap = SockMap::with_max_entries(1, 0);

/// How much of each datagram the socket gets: all, if its first byte (behind 8 bytes of UDP) is not
/// `x`.
#[socket_filter]
fn socket_filter(ctx: SkBuffContext) -> i64 {
    let first = ctx.load::<u8>(8).unwrap_or(0);
    info!(&ctx, "socket_filter: the first byte is {}", first);
    if first == b'x' { 0 } else { ctx.len().into() }
}

/// Which connections and datagrams the machine answers: not those to port 7091.
#[sk_lookup]
fn sk_lookup(ctx: SkLookupContext) -> u32 {
    info!(&ctx, "sk_lookup: port {}", ctx.local_port());
    if ctx.local_port() == 7091 {
        sk_action::SK_DROP
    } else {
        sk_action::SK_PASS
    }
}

/// Which datagrams a group of sockets gets: those whose first byte is not `x`.
#[sk_reuseport]
fn sk_reuseport(ctx: SkReuseportContext) -> u32 {
    let first = ctx.read::<u8>(8).unwrap_or(0);
    info!(&ctx, "sk_reuseport: the first byte is {}", first);
    if first == b'x' {
        sk_action::SK_DROP
    } else {
        sk_action::SK_PASS
    }
}

/// What a socket sends: not what begins with `x`.
#[sk_msg]
fn sk_msg(mut ctx: SkMsgContext) -> u32 {
    let first = match ctx.pull_data(0, 1, 0) {
        Ok(()) => ctx.read::<u8>(0).unwrap_or(0),
        Err(_) => 0,
    };
    info!(&ctx, "sk_msg: {} bytes", ctx.size());
    if first == b'x' {
        sk_action::SK_DROP
    } else {
        sk_action::SK_PASS
    }
}

/// What a socket receives.
#[sk_skb(stream_verdict)]
fn sk_skb(ctx: SkBuffContext) -> u32 {
    info!(&ctx, "sk_skb: {} bytes", ctx.len());
    sk_action::SK_PASS
}

hachi_ebpf::license!("GPL");
