#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use hachi_ebpf::helpers::bpf_get_current_comm;
use hachi_ebpf::info;
use hachi_ebpf::macros::{cgroup_skb, cgroup_sock_addr, map};
use hachi_ebpf::maps::PerCpuArray;
use hachi_ebpf::programs::{SkBuffContext, SockAddrContext};

const FORBID: i32 = 0;
const ALLOW: i32 = 1;
const LOOPBACK: u8 = 127;

/// Packets and bytes that the processes of the cgroup have sent.
#[map]
static SENT: PerCpuArray<[u64; 2]> = PerCpuArray::with_max_entries(1, 0);

/// Connections lead to this machine only.
#[cgroup_sock_addr(connect4)]
fn fence(ctx: SockAddrContext) -> i32 {
    // The address as it is in a packet: its first byte comes first in memory.
    let address = ctx.user_ip4().to_ne_bytes();
    if address[0] == LOOPBACK {
        return ALLOW;
    }
    let name = bpf_get_current_comm().unwrap_or_default();
    info!(&ctx, "{} may not connect to {:i}", name, address);
    FORBID
}

#[cgroup_skb(egress)]
fn count(ctx: SkBuffContext) -> i32 {
    let length = u64::from(ctx.len());
    SENT.update(0, |[packets, bytes]| [packets + 1, bytes + length]);
    ALLOW
}

hachi_ebpf::license!("GPL");
