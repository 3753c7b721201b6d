//! The eBPF side: counts packets by their senders.

#![cfg_attr(not(test), no_std, no_main)]
#![forbid(unsafe_code)]

use hachi_ebpf::bindings::xdp_action;
use hachi_ebpf::macros::{map, xdp};
use hachi_ebpf::maps::HashMap;
use hachi_ebpf::programs::XdpContext;
use hachi_ebpf::{Global, GlobalMut, Shareable, info};

use flows_common::{Protocol, Sender, Traffic};

hachi_ebpf::license!("GPL");
hachi_ebpf::host_main!();

/// What each sender has sent.
#[map]
static SENDERS: HashMap<Sender, Traffic> = HashMap::with_max_entries(1024, 0);

/// Shorter packets are not counted. The user side may set it before the program is loaded.
static LEAST: Global<u32> = Global::new(0);

/// Packets of other protocols. The user side may read it at any time.
static OTHERS: GlobalMut<u64> = GlobalMut::new(0);

#[xdp]
fn flows(ctx: XdpContext) -> u32 {
    let bytes = ctx.len() as u64;
    if bytes < u64::from(LEAST.load()) {
        return xdp_action::XDP_PASS;
    }
    let Some(sender) = sender(&ctx) else {
        OTHERS.store(OTHERS.load() + 1);
        return xdp_action::XDP_PASS;
    };
    let before = SENDERS.get(sender).unwrap_or_else(|| {
        info!(&ctx, "a new sender at {:i}", sender.address);
        Traffic::default()
    });
    let traffic = Traffic {
        packets: before.packets + 1,
        bytes: before.bytes + bytes,
    };
    // A full map loses this packet, and nothing else.
    let _ = SENDERS.insert(sender, traffic, 0);
    xdp_action::XDP_PASS
}

/// The sender of an IPv4 packet, if its protocol is one of ours.
fn sender(ctx: &XdpContext) -> Option<Sender> {
    if ctx.read::<[u8; 2]>(12)? != [0x08, 0x00] {
        return None;
    }
    let protocol = Protocol::from_bits(ctx.read(23)?)?;
    let port = match protocol {
        Protocol::Icmp => 0,
        Protocol::Tcp | Protocol::Udp => {
            let header = usize::from(ctx.read::<u8>(14)? & 0x0f) * 4;
            u16::from_be_bytes(ctx.read(14 + header)?)
        }
    };
    Some(Sender {
        address: ctx.read(26)?,
        port,
        protocol: protocol.into(),
        padding: 0,
    })
}
