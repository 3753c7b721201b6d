//! The contexts' public fields and Aya's methods, for each kind of program.

#![no_std]
#![no_main]

use aya_ebpf::{
    EbpfContext, Global, TASK_COMM_LEN,
    bindings::{
        BPF_F_USER_STACK, TC_ACT_OK, bpf_raw_tracepoint_args, pt_regs, sk_action, xdp_action,
    },
    cty::{c_long, c_void},
    helpers::{
        bpf_get_current_comm, bpf_get_current_pid_tgid, bpf_ktime_get_ns, bpf_printk,
        bpf_probe_read_kernel, bpf_probe_read_user_str_bytes, bpf_strncmp, generated,
    },
    macros::{
        btf_tracepoint, cgroup_device, cgroup_skb, cgroup_sock, cgroup_sock_addr, cgroup_sockopt,
        cgroup_sysctl, classifier, map, perf_event, raw_tracepoint, sk_lookup, sk_msg,
        sk_reuseport, sock_ops, stream_verdict, tracepoint, uprobe, uretprobe, xdp,
    },
    maps::{
        CgroupArray, CgroupStorage, PerCpuArray, ReusePortSockArray, SockHash, SockMap, StackTrace,
    },
    programs::{
        BtfTracePointContext, DeviceContext, PerfEventContext, ProbeContext, RawTracePointContext,
        RetProbeContext, SkBuffContext, SkLookupContext, SkMsgContext, SkReuseportContext,
        SockAddrContext, SockContext, SockOpsContext, SockoptContext, SysctlContext, TcContext,
        TracePointContext, XdpContext, tracing::StackIdContext as _,
    },
};

#[unsafe(no_mangle)]
static MARK: Global<u32> = Global::new(7);

#[map]
static NUMBERS: PerCpuArray<u64> = PerCpuArray::with_max_entries(8, 0);
#[map]
static CGROUPS: CgroupArray = CgroupArray::with_max_entries(1, 0);
#[map]
static STORAGE: CgroupStorage<u64> = CgroupStorage::new();
#[map]
static STACKS: StackTrace = StackTrace::with_max_entries(16, 0);
#[map]
static SOCKETS: SockMap = SockMap::with_max_entries(4, 0);
#[map]
static SOCKETS_BY_PORT: SockHash<u32> = SockHash::with_max_entries(4, 0);
#[map]
static SHARING: ReusePortSockArray = ReusePortSockArray::with_max_entries(2, 0);

fn note(index: u32, value: u64) {
    let _ = NUMBERS.set(index, value, 0);
}

#[classifier]
pub fn packet(ctx: TcContext) -> i32 {
    try_packet(&ctx).unwrap_or(TC_ACT_OK)
}

fn try_packet(ctx: &TcContext) -> Result<i32, c_long> {
    let protocol: u16 = ctx.load(12)?;
    note(0, u16::from_be(protocol).into());
    note(1, ctx.skb.len().into());
    note(2, unsafe { (*ctx.skb.skb).ifindex }.into());
    ctx.skb.set_mark(MARK.load());
    ctx.pull_data(20)?;
    let mut bytes = [0; 8];
    note(3, ctx.load_bytes(14, &mut bytes)? as u64);
    ctx.store(14, &0x46u8, 0)?;
    note(4, ctx.load::<u8>(14)?.into());
    note(5, ctx.skb.cb()[1].into());
    if ctx.skb_under_cgroup(&CGROUPS, 0).is_ok() {
        note(6, 1);
    }
    if ctx.data() + 14 > ctx.data_end() {
        return Err(-1);
    }
    Ok(TC_ACT_OK)
}

#[xdp]
pub fn frame(ctx: XdpContext) -> u32 {
    let queue = unsafe { (*ctx.ctx).rx_queue_index };
    let interface: usize = ctx.ingress_ifindex();
    let same = ctx.as_ptr() == ctx.ctx.cast::<c_void>();
    match interface > 0 && queue == ctx.rx_queue_index() && same {
        true => xdp_action::XDP_TX,
        false => xdp_action::XDP_DROP,
    }
}

#[cgroup_skb]
pub fn group(ctx: SkBuffContext) -> i32 {
    unsafe { *STORAGE.get_ptr_mut() += u64::from(ctx.skb.len()) };
    i32::from(ctx.skb.family() != 0 && ctx.skb.protocol() != 0 && ctx.skb.remote_port() != 1)
}

#[cgroup_device]
pub fn device(ctx: DeviceContext) -> i32 {
    i32::from(unsafe { (*ctx.device).major } != 4242)
}

#[cgroup_sock(post_bind4)]
pub fn socket(ctx: SockContext) -> i32 {
    i32::from(unsafe { (*ctx.sock).family } != 0)
}

#[cgroup_sock_addr(connect4)]
pub fn address(ctx: SockAddrContext) -> i32 {
    i32::from(unsafe { (*ctx.sock_addr).user_port } != 1)
}

#[cgroup_sockopt(getsockopt)]
pub fn option(ctx: SockoptContext) -> i32 {
    i32::from(unsafe { (*ctx.sockopt).level } >= 0)
}

#[cgroup_sysctl]
pub fn parameter(ctx: SysctlContext) -> i32 {
    i32::from(unsafe { (*ctx.sysctl).write } <= 1)
}

#[sock_ops]
pub fn connection(ctx: SockOpsContext) -> u32 {
    if ctx.op() == 4 && unsafe { (*ctx.ops).local_port } != 0 {
        let _ = ctx.set_cb_flags(0);
        let port = ctx.local_port();
        let _ = SOCKETS_BY_PORT.update(port, unsafe { &mut *ctx.ops }, 0);
        let _ = unsafe { SOCKETS.update(0, ctx.ops, 0) };
        ctx.set_reply(0);
    }
    0
}

#[sk_msg]
pub fn message(ctx: SkMsgContext) -> u32 {
    if unsafe { (*ctx.msg).size } > 4096 {
        return unsafe { SOCKETS.redirect_msg(&ctx, 0, 0) as u32 };
    }
    if ctx.push_data(0, 4, 0).is_err() || ctx.pop_data(0, 4, 0).is_err() {
        return sk_action::SK_DROP;
    }
    sk_action::SK_PASS
}

#[stream_verdict]
pub fn verdict(ctx: SkBuffContext) -> u32 {
    let port = ctx.skb.local_port();
    SOCKETS_BY_PORT.redirect_skb(ctx, port, 0) as u32
}

#[sk_lookup]
pub fn lookup(ctx: SkLookupContext) -> u32 {
    if unsafe { (*ctx.lookup).local_port } == 7 {
        let _ = SOCKETS.redirect_sk_lookup(&ctx, 0, 0);
    }
    sk_action::SK_PASS
}

#[sk_reuseport]
pub fn choose(ctx: SkReuseportContext) -> u32 {
    let which = unsafe { (*ctx.md).hash } & 1;
    if ctx.migrating_sk().is_some() || SHARING.select_reuseport(&ctx, which).is_err() {
        return sk_action::SK_DROP;
    }
    sk_action::SK_PASS
}

#[uprobe]
pub fn called(ctx: ProbeContext) -> u32 {
    let regs: *mut pt_regs = ctx.regs;
    if let Some(text) = ctx.arg::<*const u8>(0) {
        let mut buffer = [0; 16];
        let text = unsafe { bpf_probe_read_user_str_bytes(text, &mut buffer) };
        note(0, text.map_or(99, |text| text.len() as u64));
    }
    note(1, u64::from(!regs.is_null()));
    note(
        2,
        ctx.get_stackid(&STACKS, BPF_F_USER_STACK.into())
            .map_or(0, |id| 1 + (id >= 0) as u64),
    );
    0
}

#[uretprobe]
pub fn returned(ctx: RetProbeContext) -> u32 {
    note(3, ctx.ret::<u64>());
    0
}

#[tracepoint]
pub fn recorded(ctx: TracePointContext) -> u32 {
    let mut name: [u8; TASK_COMM_LEN] = bpf_get_current_comm().unwrap_or_default();
    name[TASK_COMM_LEN - 1] = 0;
    let field: Result<u32, i32> = unsafe { ctx.read_at(8) };
    if field.is_ok() && bpf_strncmp(&name, c"nobody").is_eq() {
        unsafe { bpf_printk!(c"seen by %d", bpf_get_current_pid_tgid() as u32) };
    }
    0
}

#[raw_tracepoint]
pub fn raw(ctx: RawTracePointContext) -> i32 {
    let args: *const bpf_raw_tracepoint_args = ctx.as_ptr().cast();
    let first = unsafe { *(*args).args.as_ptr() };
    note(4, first | ctx.arg::<u64>(0));
    0
}

#[btf_tracepoint(function = "sched_switch")]
pub fn typed(ctx: BtfTracePointContext) -> i32 {
    let task: *const c_void = ctx.arg(1);
    let word = unsafe { bpf_probe_read_kernel(task.cast::<u64>()) };
    note(
        5,
        word.unwrap_or_default() | generated::bpf_ktime_get_ns() | bpf_ktime_get_ns(),
    );
    0
}

#[perf_event]
pub fn sampled(ctx: PerfEventContext) -> u32 {
    note(6, unsafe { (*ctx.ctx).sample_period });
    0
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    unsafe { core::hint::unreachable_unchecked() }
}
