//! The contexts that programs are called with.
//!
//! Each is the kernel's pointer in a public field. What Aya has no method for is found through
//! `Deref`, which leads to Hachi's context of the same name.

pub use hachi_ebpf::programs::{
    FModRetContext, FSessionContext, IterContext, LircMode2Context, LwtContext, NetfilterContext,
    ProbeSessionContext, SyscallContext, SyscallProbeContext, UsdtContext, bpf_perf_event_data,
    pt_regs,
};

/// A context: a public pointer, and Hachi's context behind it.
macro_rules! context {
    (
        $(#[$doc:meta])*
        $name:ident { $(#[$field_doc:meta])* $vis:vis $field:ident: $raw:ty }
    ) => {
        context!($(#[$doc])* $name { $(#[$field_doc])* $vis $field: $raw } from $raw);
    };
    (
        $(#[$doc:meta])*
        $name:ident { $(#[$field_doc:meta])* $vis:vis $field:ident: $raw:ty } from $given:ty
    ) => {
        $(#[$doc])*
        #[repr(transparent)]
        pub struct $name {
            $(#[$field_doc])*
            $vis $field: *mut $raw,
        }

        impl $name {
            /// The context at a pointer that the kernel has given. The attribute makes it.
            #[inline(always)]
            pub const fn new($field: *mut $given) -> Self {
                $name { $field: $field.cast() }
            }
        }

        // SAFETY: what the kernel has given.
        unsafe impl hachi_ebpf::EbpfContext for $name {
            #[inline(always)]
            fn as_ptr(&self) -> *mut $crate::cty::c_void {
                self.$field.cast()
            }
        }

        $crate::programs::behind!($name: $name);
    };
}
use context;

/// Hachi's context behind one of these.
macro_rules! behind {
    ($name:ident: $hachi:ident) => {
        impl ::core::ops::Deref for $name {
            type Target = hachi_ebpf::programs::$hachi;

            #[inline(always)]
            fn deref(&self) -> &Self::Target {
                // SAFETY: both are `repr(transparent)` around the same pointer.
                unsafe { &*::core::ptr::from_ref(self).cast() }
            }
        }

        impl ::core::ops::DerefMut for $name {
            #[inline(always)]
            fn deref_mut(&mut self) -> &mut Self::Target {
                // SAFETY: as above.
                unsafe { &mut *::core::ptr::from_mut(self).cast() }
            }
        }
    };
}
use behind;

macro_rules! modules {
    ($($(#[$doc:meta])* $module:ident: $($context:ident)*;)*) => { $(
        $(#[$doc])*
        pub mod $module;

        pub use $module::{$($context),*};
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

/// What contexts of tracing programs have in common.
pub mod tracing;
