//! The contexts that programs are called with: one file for each program type.

/// A field of the kernel's context.
///
/// Volatile where a packet's start is wanted, so that each access starts from a pointer of its own:
/// LLVM would otherwise share sums of a pointer and a variable between accesses, and the verifier
/// does not see that what was compared with the end of the packet and what is loaded from are the
/// same address. Also for one of two fields between which a program may choose: LLVM would load at
/// a variable offset, which the verifier refuses in a context; two different kinds of load it
/// leaves alone.
macro_rules! ctx_field {
    ($self:ident.$field:ident) => {
        // SAFETY: `new` was given the kernel's context, which is valid while the program runs.
        unsafe { (*$self.ctx).$field }
    };
    (volatile $self:ident.$field:ident) => {
        // SAFETY: as above.
        unsafe { (&raw const (*$self.ctx).$field).read_volatile() }
    };
}

/// The address in a field of the context `ctx`, which C declares as 32 bits wide. The verifier
/// makes the load one of a pointer; in a test, what is missing is that of the context, which lies
/// beside it.
#[inline(always)]
pub(crate) fn address<C>(ctx: *const C, field: u32) -> usize {
    #[cfg(hachi_bpf)]
    {
        let _ = ctx;
        field as usize
    }
    #[cfg(not(hachi_bpf))]
    {
        let distance = field.wrapping_sub(ctx.addr() as u32) as i32;
        ctx.addr().wrapping_add_signed(distance as isize)
    }
}

/// How many arguments a function or tracepoint can have: those that a test's context has room for.
#[cfg(not(hachi_bpf))]
pub(crate) const ARGUMENTS: usize = 12;

#[macro_use]
mod sk_buff;

mod btf_args;
mod cgroup_device;
mod cgroup_sock;
mod cgroup_sock_addr;
mod cgroup_sockopt;
mod cgroup_sysctl;
mod fentry;
mod fexit;
mod flow_dissector;
mod fmod_ret;
mod iter;
mod kprobe;
mod kretprobe;
mod ksyscall;
mod lirc_mode2;
mod lsm;
mod lwt;
mod netfilter;
mod perf_event;
mod raw_tracepoint;
mod registers;
mod session;
mod sk_lookup;
mod sk_msg;
mod sk_reuseport;
mod sk_skb;
mod sock_ops;
mod syscall;
mod tc;
mod tp_btf;
mod tracepoint;
mod usdt;
mod xdp;

pub use cgroup_device::DeviceContext;
pub use cgroup_sock::SockContext;
pub use cgroup_sock_addr::SockAddrContext;
pub use cgroup_sockopt::SockoptContext;
pub use cgroup_sysctl::SysctlContext;
pub use fentry::FEntryContext;
pub use fexit::FExitContext;
pub use flow_dissector::FlowDissectorContext;
pub use fmod_ret::FModRetContext;
pub use iter::IterContext;
pub use kprobe::ProbeContext;
pub use kretprobe::RetProbeContext;
pub use ksyscall::SyscallProbeContext;
pub use lirc_mode2::LircMode2Context;
pub use lsm::LsmContext;
pub use lwt::LwtContext;
pub use netfilter::NetfilterContext;
pub use perf_event::{PerfEventContext, bpf_perf_event_data};
pub use raw_tracepoint::RawTracePointContext;
pub use registers::pt_regs;
pub use session::{FSessionContext, ProbeSessionContext};
pub use sk_lookup::SkLookupContext;
pub use sk_msg::SkMsgContext;
pub use sk_reuseport::SkReuseportContext;
pub use sk_skb::SkBuffContext;
pub use sock_ops::SockOpsContext;
pub use syscall::SyscallContext;
pub use tc::TcContext;
pub use tp_btf::BtfTracePointContext;
pub use tracepoint::TracePointContext;
pub use usdt::UsdtContext;
pub use xdp::XdpContext;

use crate::cty::c_void;

/// What the contexts of all program types have in common.
///
/// The attributes (`#[xdp]` and so on) make contexts of what the kernel calls a program with; a
/// test
/// has `Input`.
///
/// # Safety
/// [`as_ptr`](Self::as_ptr) must give the pointer that the kernel called the program with.
pub unsafe trait EbpfContext {
    /// The pointer that the kernel called the program with, for helpers that want it.
    fn as_ptr(&self) -> *mut c_void;
}

/// A context: the struct around the kernel's pointer.
macro_rules! context {
    ($(#[$doc:meta])* $name:ident($raw:ty), $attribute:literal) => {
        $(#[$doc])*
        #[derive(Debug)]
        #[repr(transparent)]
        #[non_exhaustive]
        pub struct $name {
            pub(crate) ctx: *mut $raw,
        }

        // SAFETY: `new` was given the kernel's context.
        unsafe impl $crate::EbpfContext for $name {
            #[inline(always)]
            fn as_ptr(&self) -> *mut $crate::cty::c_void {
                self.ctx.cast()
            }
        }

        impl $name {
            /// Wraps the context that the kernel called a program with.
            #[doc = concat!("The attribute `", $attribute, "` does so.")]
            ///
            /// # Safety
            /// `ctx` must be that pointer, and there must be no other context made from it.
            #[inline(always)]
            pub unsafe fn new(ctx: *mut $raw) -> Self {
                $name { ctx }
            }
        }
    };
}
use context;

/// Methods that give fields of the kernel's context.
macro_rules! context_fields {
    ($name:ident { $($(#[$doc:meta])* $method:ident: $field:ident -> $ty:ty;)* }) => {
        impl $name { $(
            $(#[$doc])*
            #[inline(always)]
            pub fn $method(&self) -> $ty {
                // SAFETY: the context is the kernel's, which is valid while the program runs.
                // Volatile: see `ctx_field!`.
                unsafe { (&raw const (*self.ctx).$field).read_volatile() }
            }
        )* }
    };
}
use context_fields;

/// Methods that replace fields of the kernel's context.
macro_rules! context_setters {
    ($name:ident { $($(#[$doc:meta])* $method:ident: $field:ident = $ty:ty;)* }) => {
        impl $name { $(
            $(#[$doc])*
            #[inline(always)]
            pub fn $method(&mut self, value: $ty) {
                // SAFETY: the context is the kernel's, which is valid while the program runs.
                unsafe { (&raw mut (*self.ctx).$field).write_volatile(value) }
            }
        )* }
    };
}
use context_setters;
