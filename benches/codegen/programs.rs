//! The programs that `cargo xtask bench codegen` compares with those of `programs.c`: the same
//! work, written as one writes it in each language.
#![no_std]
#![no_main]

use hachi_ebpf::{
    Pod,
    bindings::xdp_action,
    helpers::{
        bpf_get_current_comm_buf, bpf_get_current_pid_tgid, bpf_get_current_uid_gid,
        bpf_ktime_get_ns,
    },
    macros::*,
    maps::{Array, HashMap, LruHashMap, PerCpuArray, RingBuf},
    programs::*,
};

hachi_ebpf::license!("GPL");

const IPV4: u16 = 0x0800;
const TCP: u8 = 6;
const UDP: u8 = 17;

#[derive(Clone, Copy, Pod)]
#[pod(crate = hachi_ebpf)]
#[repr(C)]
struct Ipv4 {
    version: u8,
    service: u8,
    length: u16,
    id: u16,
    fragment: u16,
    hops: u8,
    protocol: u8,
    checksum: u16,
    source: u32,
    destination: u32,
}

#[derive(Clone, Copy, Pod)]
#[pod(crate = hachi_ebpf)]
#[repr(C)]
struct Ports {
    source: u16,
    destination: u16,
}

/// What a packet of UDP or TCP begins with.
#[derive(Clone, Copy, Pod)]
#[pod(crate = hachi_ebpf)]
#[repr(C, packed)]
struct Headers {
    addresses: [u8; 12],
    kind: u16,
    ip: Ipv4,
    ports: Ports,
}

/// The IPv4 header behind Ethernet's.
#[inline(always)]
fn ipv4(ctx: &XdpContext) -> Option<Ipv4> {
    let kind: u16 = ctx.read(12)?;
    if kind != IPV4.to_be() {
        return None;
    }
    ctx.read(14)
}

#[map]
static BLOCKED: HashMap<u32, u64> = HashMap::with_max_entries(1024, 0);
#[map]
static VERDICTS: PerCpuArray<u64> = PerCpuArray::with_max_entries(2, 0);

/// Drops what comes from an address in a map.
#[xdp]
fn firewall(ctx: XdpContext) -> u32 {
    let Some(ip) = ipv4(&ctx) else {
        return xdp_action::XDP_PASS;
    };
    if BLOCKED.update(&ip.source, |packets| packets + 1).is_some() {
        VERDICTS.update(1, |packets| packets + 1);
        return xdp_action::XDP_DROP;
    }
    VERDICTS.update(0, |packets| packets + 1);
    xdp_action::XDP_PASS
}

#[derive(Clone, Copy, Pod)]
#[pod(crate = hachi_ebpf)]
#[repr(C)]
struct Traffic {
    packets: u64,
    bytes: u64,
}

#[map]
static TRAFFIC: PerCpuArray<Traffic> = PerCpuArray::with_max_entries(256, 0);

/// Counts packets and bytes of each protocol.
#[xdp]
fn count(ctx: XdpContext) -> u32 {
    if let Some(ip) = ipv4(&ctx) {
        let bytes = ctx.len() as u64;
        TRAFFIC.update(ip.protocol.into(), |traffic| Traffic {
            packets: traffic.packets + 1,
            bytes: traffic.bytes + bytes,
        });
    }
    xdp_action::XDP_PASS
}

#[derive(Clone, Copy, Pod)]
#[pod(crate = hachi_ebpf)]
#[repr(C)]
struct Flow {
    source: u32,
    destination: u32,
    ports: Ports,
    protocol: u32,
}

#[derive(Clone, Copy, Pod)]
#[pod(crate = hachi_ebpf)]
#[repr(C)]
struct Seen {
    packets: u64,
    bytes: u64,
    last: u64,
}

#[map]
static FLOWS: LruHashMap<Flow, Seen> = LruHashMap::with_max_entries(4096, 0);

/// Keeps what was seen of each connection.
#[xdp]
fn track(ctx: XdpContext) -> u32 {
    let _ = track_flow(&ctx);
    xdp_action::XDP_PASS
}

#[inline(always)]
fn track_flow(ctx: &XdpContext) -> Option<()> {
    let ip = ipv4(ctx)?;
    if ip.protocol != TCP && ip.protocol != UDP {
        return None;
    }
    let ports: Ports = ctx.read(34)?;
    let flow = Flow {
        source: ip.source,
        destination: ip.destination,
        ports,
        protocol: ip.protocol.into(),
    };
    let bytes = ctx.len() as u64;
    let now = bpf_ktime_get_ns();
    let known = FLOWS.update(&flow, |seen| Seen {
        packets: seen.packets + 1,
        bytes: seen.bytes + bytes,
        last: now,
    });
    if known.is_none() {
        let first = Seen {
            packets: 1,
            bytes,
            last: now,
        };
        let _ = FLOWS.insert(&flow, &first, 0);
    }
    Some(())
}

#[derive(Clone, Copy, Pod)]
#[pod(crate = hachi_ebpf)]
#[repr(C)]
struct Exec {
    process: u64,
    user: u64,
    time: u64,
    name: [u8; 16],
}

#[map]
static EVENTS: RingBuf = RingBuf::with_byte_size(65536, 0);

/// Reports each program that is started.
#[raw_tracepoint(tracepoint = "sched_process_exec")]
fn exec(_ctx: RawTracePointContext) -> i32 {
    let Some(mut event) = EVENTS.reserve::<Exec>(0) else {
        return 0;
    };
    let record = event.as_mut_ptr();
    // SAFETY: the record has room for all fields, and its bytes, if older ones, are initialised.
    unsafe {
        (*record).process = bpf_get_current_pid_tgid();
        (*record).user = bpf_get_current_uid_gid();
        (*record).time = bpf_ktime_get_ns();
        let _ = bpf_get_current_comm_buf(&mut (*record).name);
    }
    event.submit(0);
    0
}

#[map]
static STARTS: HashMap<u64, u64> = HashMap::with_max_entries(4096, 0);
#[map]
static HISTOGRAM: Array<u64> = Array::with_max_entries(64, 0);

/// Sorts the time between two system calls of a thread into powers of two.
#[raw_tracepoint(tracepoint = "sys_exit")]
fn latency(_ctx: RawTracePointContext) -> i32 {
    let thread = bpf_get_current_pid_tgid();
    let now = bpf_ktime_get_ns();
    match STARTS.get(&thread) {
        None => {
            let _ = STARTS.insert(&thread, &now, 0);
        }
        Some(start) => {
            let mut rest = now - start;
            let mut slot = 0;
            for shift in [32u32, 16, 8, 4, 2, 1] {
                if rest >> shift != 0 {
                    rest >>= shift;
                    slot += shift;
                }
            }
            HISTOGRAM.update(slot, |calls| calls + 1);
            let _ = STARTS.remove(&thread);
        }
    }
    0
}

/// Sends what is for UDP port 7 to port 9.
#[classifier]
fn rewrite(mut ctx: TcContext) -> i32 {
    let _ = rewrite_port(&mut ctx);
    0
}

#[inline(always)]
fn rewrite_port(ctx: &mut TcContext) -> Option<()> {
    let headers: Headers = ctx.read(0)?;
    if headers.kind != IPV4.to_be()
        || headers.ip.protocol != UDP
        || headers.ports.destination != 7u16.to_be()
    {
        return None;
    }
    ctx.l4_csum_replace(40, 7u16.to_be().into(), 9u16.to_be().into(), 0x12)
        .ok()?;
    ctx.store(36, &9u16.to_be(), 0).ok()
}

#[derive(Clone, Copy, Pod)]
#[pod(crate = hachi_ebpf)]
#[repr(C)]
struct Address {
    ip: u32,
    port: u32,
}

#[map]
static SERVICES: HashMap<Address, Address> = HashMap::with_max_entries(64, 0);

/// Connects to a service where it really is.
#[cgroup_sock_addr(connect4)]
fn redirect(mut ctx: SockAddrContext) -> i32 {
    let wanted = Address {
        ip: ctx.user_ip4(),
        port: ctx.user_port(),
    };
    if let Some(real) = SERVICES.get(&wanted) {
        ctx.set_user_ip4(real.ip);
        ctx.set_user_port(real.port);
    }
    1
}

#[map]
static TEXT: PerCpuArray<u64> = PerCpuArray::with_max_entries(2, 0);

/// Hashes 64 bytes of the packet and counts the blanks among them.
#[xdp]
fn words(ctx: XdpContext) -> u32 {
    let Some(text) = ctx.get::<[u8; 64]>(42) else {
        return xdp_action::XDP_PASS;
    };
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut blanks = 0u64;
    for byte in text {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        blanks += u64::from(*byte == b' ');
    }
    TEXT.update(0, |_| hash);
    TEXT.update(1, |all| all + blanks);
    xdp_action::XDP_PASS
}
