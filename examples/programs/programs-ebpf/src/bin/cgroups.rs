//! Programs for what the processes of a cgroup do.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use hachi_ebpf::{
    bindings::BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB,
    helpers::bpf_strtoul,
    info,
    macros::{
        cgroup_device, cgroup_skb, cgroup_sock, cgroup_sock_addr, cgroup_sockopt, cgroup_sysctl,
        sock_ops,
    },
    programs::{
        DeviceContext, SkBuffContext, SockAddrContext, SockContext, SockOpsContext, SockoptContext,
        SysctlContext,
    },
};

const ALLOW: i32 = 1;
const FORBID: i32 = 0;

/// Packets that they send, from the IP header on.
#[cgroup_skb(egress)]
fn cgroup_skb(ctx: SkBuffContext) -> i32 {
    info!(&ctx, "cgroup_skb: {} bytes", ctx.len());
    ALLOW
}

/// Sockets that they make.
#[cgroup_sock]
fn cgroup_sock(ctx: SockContext) -> i32 {
    info!(
        &ctx,
        "cgroup_sock: family {} protocol {}",
        ctx.family(),
        ctx.protocol()
    );
    ALLOW
}

/// What they connect to. Port 7090 is not for them.
#[cgroup_sock_addr(connect4)]
fn cgroup_sock_addr(ctx: SockAddrContext) -> i32 {
    let port = u16::from_be(ctx.user_port() as u16);
    info!(
        &ctx,
        "cgroup_sock_addr: to {:i} port {}",
        u32::from_be(ctx.user_ip4()),
        port
    );
    if port == 7090 { FORBID } else { ALLOW }
}

/// Options of sockets that they ask for.
#[cgroup_sockopt(getsockopt)]
fn cgroup_sockopt(ctx: SockoptContext) -> i32 {
    info!(
        &ctx,
        "cgroup_sockopt: level {} option {}",
        ctx.level(),
        ctx.optname()
    );
    ALLOW
}

/// Settings of the kernel that they read or write.
#[cgroup_sysctl]
fn cgroup_sysctl(ctx: SysctlContext) -> i32 {
    let mut text = [0; 16];
    let value = match ctx.current_value(&mut text) {
        Ok(_) => bpf_strtoul(&text, 10).map_or(0, |(value, _)| value),
        Err(_) => 0,
    };
    info!(&ctx, "cgroup_sysctl: write {} value {}", ctx.write(), value);
    ALLOW
}

/// Devices that they open.
#[cgroup_device]
fn cgroup_device(ctx: DeviceContext) -> i32 {
    info!(&ctx, "cgroup_device: {}:{}", ctx.major(), ctx.minor());
    ALLOW
}

/// What happens to their TCP connections.
#[sock_ops]
fn sock_ops(ctx: SockOpsContext) -> u32 {
    if ctx.op() == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB {
        info!(
            &ctx,
            "sock_ops: established with port {}",
            u32::from_be(ctx.remote_port())
        );
    }
    1
}

hachi_ebpf::license!("GPL");
