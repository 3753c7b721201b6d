//! The contexts that programs are called with.

pub use hachi_ebpf::programs::*;

macro_rules! modules {
    ($($(#[$doc:meta])* $module:ident: $($context:ident)*;)*) => { $(
        $(#[$doc])*
        pub mod $module {
            pub use hachi_ebpf::programs::{$($context),*};
        }
    )* };
}

modules! {
    /// Devices of a cgroup.
    device: DeviceContext;
    /// Functions of the kernel, entered.
    fentry: FEntryContext;
    /// Functions of the kernel, returning.
    fexit: FExitContext;
    /// How packets are dissected.
    flow_dissector: FlowDissectorContext;
    /// Hooks of the security modules.
    lsm: LsmContext;
    /// Events of perf.
    perf_event: PerfEventContext;
    /// Kprobes and uprobes.
    probe: ProbeContext;
    /// Tracepoints, with their arguments.
    raw_tracepoint: RawTracePointContext;
    /// Kprobes and uprobes, returning.
    retprobe: RetProbeContext;
    /// Packets as socket buffers.
    sk_buff: SkBuffContext;
    /// Which socket gets a packet.
    sk_lookup: SkLookupContext;
    /// What sockets in a map send.
    sk_msg: SkMsgContext;
    /// Which of the sockets that share a port gets a packet.
    sk_reuseport: SkReuseportContext;
    /// Sockets of a cgroup.
    sock: SockContext;
    /// Addresses of sockets.
    sock_addr: SockAddrContext;
    /// TCP connections.
    sock_ops: SockOpsContext;
    /// Options of sockets.
    sockopt: SockoptContext;
    /// Kernel parameters.
    sysctl: SysctlContext;
    /// Classifiers.
    tc: TcContext;
    /// Tracepoints, with typed arguments.
    tp_btf: BtfTracePointContext;
    /// Tracepoints, with their records.
    tracepoint: TracePointContext;
    /// XDP.
    xdp: XdpContext;
}
