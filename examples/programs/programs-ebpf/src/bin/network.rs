//! Programs for packets on an interface or in the kernel's network stack.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use hachi_ebpf::{
    bindings::{
        TC_ACT_OK, TC_ACT_SHOT, bpf_flow_keys__bindgen_ty_1__bindgen_ty_1 as Ipv4Addresses,
        bpf_ret_code, xdp_action,
    },
    info,
    macros::{
        action, classifier, extension, flow_dissector, lwt_in, lwt_out, lwt_seg6local, lwt_xmit,
        netfilter, netkit, xdp,
    },
    programs::{FlowDissectorContext, LwtContext, NetfilterContext, TcContext, XdpContext},
};

const UDP: u8 = 17;
const ETH_P_IP: u16 = 0x0800;
const NF_ACCEPT: i32 = 1;
/// What routes do with a packet.
const BPF_OK: i32 = 0;
/// To the next program, or as if there were none.
const NETKIT_NEXT: i32 = -1;

/// Packets, as the driver receives them.
#[xdp]
fn xdp(ctx: XdpContext) -> u32 {
    // Behind the Ethernet header (14 bytes) the IP header has the protocol at 9, and 20 bytes in
    // all.
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

/// What takes the place of `xdp` while that is attached: it drops the datagrams.
#[extension(function = "xdp")]
fn extension(ctx: XdpContext) -> u32 {
    if ctx.read(23) == Some(UDP) {
        info!(&ctx, "extension: {} bytes dropped", ctx.len());
        return xdp_action::XDP_DROP;
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

/// Packets that a filter of tc(8) has chosen.
#[action]
fn action(ctx: TcContext) -> i32 {
    info!(&ctx, "action: {} bytes dropped", ctx.len());
    TC_ACT_SHOT
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

/// Packets whose flow the kernel wants to know, to spread flows over queues and processors. Those
/// that are not UDP it looks at itself (6.1; older kernels leave them all in one flow).
#[flow_dissector]
fn flow_dissector(mut ctx: FlowDissectorContext) -> u32 {
    // Older verifiers follow no offset that might be near 65536.
    let ip = usize::from(ctx.flow_keys().nhoff).min(1500);
    let (Some(0x45u8), Some(UDP)) = (ctx.read(ip), ctx.read(ip + 9)) else {
        return bpf_ret_code::BPF_FLOW_DISSECTOR_CONTINUE;
    };
    let (Some(addresses), Some(ports)) = (ctx.read(ip + 12), ctx.read::<[u16; 2]>(ip + 20)) else {
        return bpf_ret_code::BPF_DROP;
    };
    info!(
        &ctx,
        "flow_dissector: a flow to port {}",
        u16::from_be(ports[1])
    );
    let keys = ctx.flow_keys();
    keys.n_proto = ETH_P_IP.to_be();
    keys.addr_proto = ETH_P_IP;
    keys.ip_proto = UDP;
    keys.thoff = keys.nhoff + 20;
    [keys.sport, keys.dport] = ports;
    let [ipv4_src, ipv4_dst] = addresses;
    keys.__bindgen_anon_1.__bindgen_anon_1 = Ipv4Addresses { ipv4_src, ipv4_dst };
    bpf_ret_code::BPF_OK
}

/// Packets that come by a route, for this machine or to be forwarded.
#[lwt_in]
fn lwt_in(ctx: LwtContext) -> i32 {
    info!(&ctx, "lwt_in: {} bytes", ctx.len());
    BPF_OK
}

/// Packets that this machine sends by a route.
#[lwt_out]
fn lwt_out(ctx: LwtContext) -> i32 {
    info!(&ctx, "lwt_out: {} bytes", ctx.len());
    BPF_OK
}

/// Packets that leave by a route, forwarded ones too. Here they could be changed.
#[lwt_xmit]
fn lwt_xmit(ctx: LwtContext) -> i32 {
    info!(&ctx, "lwt_xmit: {} bytes", ctx.len());
    BPF_OK
}

/// Packets that come to an endpoint of IPv6 segment routing, which is a route.
#[lwt_seg6local]
fn lwt_seg6local(ctx: LwtContext) -> i32 {
    // Behind the IPv6 header, of 40 bytes, is the list of segments.
    if let Some(left) = ctx.read::<u8>(43) {
        info!(&ctx, "lwt_seg6local: {} more segments", left);
    }
    BPF_OK
}

hachi_ebpf::license!("GPL");
