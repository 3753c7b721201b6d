//! Contexts are made by the attributes alone.
#![forbid(unsafe_code)]
use hachi_ebpf::{EbpfContext, programs::*};

fn changed(mut ctx: XdpContext) -> u32 {
    ctx.ctx = 16 as *mut _; //~ field `ctx` of struct `hachi_ebpf::programs::XdpContext`
    2
}

fn registers(mut ctx: ProbeContext) -> u64 {
    ctx.regs = 16 as *mut _; //~ field `regs` of struct `hachi_ebpf::programs::ProbeContext`
    0
}

fn skb(ctx: &TcContext) -> *mut hachi_ebpf::bindings::__sk_buff {
    ctx.ctx //~ field `ctx` of struct `hachi_ebpf::programs::TcContext`
}

fn main() {}
