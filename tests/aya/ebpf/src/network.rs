//! Packets: bounds checked against `data` and `data_end` more than once, as programs for Aya do.

#![no_std]
#![no_main]

use aya_ebpf::{
    EbpfContext,
    bindings::{TC_ACT_OK, xdp_action},
    macros::{classifier, map, socket_filter, xdp},
    maps::HashMap,
    programs::{SkBuffContext, TcContext, XdpContext},
};
use aya_ebpf_bindings::{bindings::BPF_ANY, helpers::bpf_ktime_get_ns};
use aya_ebpf_cty::c_long;
use aya_log_ebpf::{debug, info};

#[map]
static BLOCKLIST: HashMap<u32, u32> = HashMap::with_max_entries(64, 0);

#[inline(always)]
fn ptr_at<T>(ctx: &XdpContext, offset: usize) -> Result<*const T, ()> {
    let start = ctx.data();
    let end = ctx.data_end();
    if start + offset + size_of::<T>() > end {
        return Err(());
    }
    Ok((start + offset) as *const T)
}

#[xdp]
pub fn firewall(ctx: XdpContext) -> u32 {
    try_firewall(ctx).unwrap_or(xdp_action::XDP_PASS)
}

fn try_firewall(ctx: XdpContext) -> Result<u32, ()> {
    let kind: *const u16 = ptr_at(&ctx, 12)?;
    if u16::from_be(unsafe { *kind }) != 0x0800 {
        return Ok(xdp_action::XDP_PASS);
    }
    let source: *const [u8; 4] = ptr_at(&ctx, 26)?;
    let source = u32::from_be_bytes(unsafe { *source });
    let port: *const u16 = ptr_at(&ctx, 34)?;
    let port = u16::from_be(unsafe { *port });
    if unsafe { BLOCKLIST.get(&source) }.is_some() {
        info!(&ctx, "drop {:i} port {}", source, port);
        return Ok(xdp_action::XDP_DROP);
    }
    debug!(&ctx, "pass {:i} port {}", source, port);
    Ok(xdp_action::XDP_PASS)
}

#[classifier]
pub fn mark(ctx: TcContext) -> i32 {
    let length = ctx.len();
    if length == 0 || EbpfContext::as_ptr(&ctx).is_null() {
        return TC_ACT_OK;
    }
    TC_ACT_OK
}

/// With the types and helpers of the smaller crates.
#[socket_filter]
pub fn nothing(_ctx: SkBuffContext) -> c_long {
    // SAFETY: the helper takes nothing.
    let now = unsafe { bpf_ktime_get_ns() };
    c_long::from(now == 0 && BPF_ANY == 1)
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    unsafe { core::hint::unreachable_unchecked() }
}
