//! Tells of each TCP connection that has ended: whose it was, how long, how much.

#![no_std]
#![no_main]

use aya_ebpf::{
    helpers::{bpf_ktime_get_ns, bpf_probe_read_kernel},
    macros::{btf_tracepoint, map},
    maps::{HashMap, RingBuf},
    programs::BtfTracePointContext,
};
use aya_ports::{
    tcp::{TCP, current, ends, protocol, state},
    vmlinux::{sock, tcp_sock},
};
use tools_common::tcp::{Life, Owner};

/// What is known of a connection before it ends.
#[derive(Clone, Copy)]
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
pub fn changed(ctx: BtfTracePointContext) -> i32 {
    match try_changed(&ctx) {
        Ok(()) => 0,
        Err(error) => error,
    }
}

fn try_changed(ctx: &BtfTracePointContext) -> Result<(), i32> {
    let (sk, state): (*const sock, i32) = (ctx.arg(0), ctx.arg(2));
    // SAFETY: the tracepoint's socket is the kernel's.
    if unsafe { protocol(sk) } != TCP {
        return Ok(());
    }
    let key = sk.addr() as u64;
    // SAFETY: the value is copied at once.
    let known = unsafe { BIRTHS.get(key).copied() };
    if state == state::CLOSE {
        if let Some(birth) = known {
            // SAFETY: the tracepoint's socket is the kernel's.
            unsafe { ended(sk, &birth)? };
        }
        return BIRTHS.remove(key);
    }
    // In other states it is an interrupt that changes it, in whatever process.
    let owner = match known {
        Some(birth) if state != state::LAST_ACK => birth.owner,
        _ => current(),
    };
    if state < state::FIN_WAIT1 || known.is_some() {
        // SAFETY: the helper has no arguments.
        let at = known.map_or_else(|| unsafe { bpf_ktime_get_ns() }, |birth| birth.at);
        BIRTHS.insert(key, Birth { at, owner }, 0)?;
    }
    Ok(())
}

/// # Safety
/// The socket must be one that the kernel gave to the program.
unsafe fn ended(sk: *const sock, birth: &Birth) -> Result<(), i32> {
    let tcp = sk.cast::<tcp_sock>();
    // SAFETY: the kernel checks what is read.
    let (received, sent) = unsafe {
        (
            bpf_probe_read_kernel(&raw const (*tcp).bytes_received)?,
            bpf_probe_read_kernel(&raw const (*tcp).bytes_acked)?,
        )
    };
    // SAFETY: the helper has no arguments.
    let now = unsafe { bpf_ktime_get_ns() };
    if let Some(mut event) = EVENTS.reserve::<Life>(0) {
        event.write(Life {
            owner: birth.owner,
            // SAFETY: the caller's socket is the kernel's.
            ends: unsafe { ends(sk) },
            received,
            sent,
            duration: now - birth.at,
        });
        event.submit(0);
    }
    Ok(())
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";
