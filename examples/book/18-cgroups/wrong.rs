#![no_std]
#![no_main]

use hachi_ebpf::macros::cgroup_sock_addr;
use hachi_ebpf::programs::SockAddrContext;

/// Thinks of errors as Unix programs do.
#[cgroup_sock_addr(connect4)]
fn fence(ctx: SockAddrContext) -> i32 {
    if ctx.user_port() == 0 { -1 } else { 1 }
}

hachi_ebpf::license!("GPL");
