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

use crate::cty::{c_long, c_void};
use crate::helpers;
use crate::kernel::{Direct, Handle};

/// What the contexts of all program types have in common.
///
/// The attributes (`#[xdp]` and so on) make contexts of what the kernel calls a program with; a
/// test has `Input`.
///
/// # The thread that runs
/// [`pid`](Self::pid), [`command`](Self::command) and the other methods about the current thread
/// mean the one that the program interrupted or was called by. In a program for packets that is
/// often just any thread. Tracing, TC and cgroup programs may ask on every kernel that has the
/// helper; every other type may since Linux 6.10 (`pid` and `tgid`) and 6.16 (the rest), and the
/// verifier refuses it before ("unknown func" or "program of this type cannot use helper").
///
/// ```
/// use hachi_ebpf::{EbpfContext, info, macros::tracepoint, programs::TracePointContext};
///
/// #[tracepoint]
/// fn opened(ctx: TracePointContext) -> u32 {
///     let command = ctx.command().unwrap_or_default();
///     info!(&ctx, "{} ({}) of user {}", command, ctx.tgid(), ctx.uid());
///     0
/// }
/// # fn main() {}
/// ```
///
/// # Safety
/// [`as_ptr`](Self::as_ptr) must give the pointer that the kernel called the program with.
pub unsafe trait EbpfContext {
    /// The pointer that the kernel called the program with, for helpers that want it.
    fn as_ptr(&self) -> *mut c_void;

    /// The thread that runs: what the kernel calls its pid, and user space its thread id
    /// (`bpf_get_current_pid_tgid`, 4.2).
    #[inline(always)]
    fn pid(&self) -> u32 {
        helpers::bpf_get_current_pid_tgid() as u32
    }

    /// The process that the thread belongs to: what user space calls the process id
    /// (`bpf_get_current_pid_tgid`, 4.2).
    #[inline(always)]
    fn tgid(&self) -> u32 {
        (helpers::bpf_get_current_pid_tgid() >> 32) as u32
    }

    /// The user that the thread runs as, in the first user namespace (`bpf_get_current_uid_gid`,
    /// 4.2).
    #[inline(always)]
    fn uid(&self) -> u32 {
        helpers::bpf_get_current_uid_gid() as u32
    }

    /// The group that the thread runs as, in the first user namespace (`bpf_get_current_uid_gid`,
    /// 4.2).
    #[inline(always)]
    fn gid(&self) -> u32 {
        (helpers::bpf_get_current_uid_gid() >> 32) as u32
    }

    /// The thread's name, with NULs after its at most 15 bytes (`bpf_get_current_comm`, 4.2).
    ///
    /// # Errors
    /// `-EINVAL` when no thread runs.
    #[inline(always)]
    fn command(&self) -> Result<[u8; 16], c_long> {
        helpers::bpf_get_current_comm()
    }

    /// The id of the cgroup (v2) that the thread is in (`bpf_get_current_cgroup_id`, 4.18): the
    /// inode number of its directory.
    #[inline(always)]
    fn current_cgroup_id(&self) -> u64 {
        helpers::bpf_get_current_cgroup_id()
    }

    /// The id of the cgroup (v2) above the thread's that is `level` below the root, which is 0
    /// (`bpf_get_current_ancestor_cgroup_id`, 5.7); 0 when there is none.
    #[inline(always)]
    fn current_ancestor_cgroup_id(&self, level: i32) -> u64 {
        helpers::bpf_get_current_ancestor_cgroup_id(level)
    }

    /// The thread's `task_struct`, as a handle of [`kernel_types!`](crate::kernel_types) that reads
    /// directly (`bpf_get_current_task_btf`, 5.11). GPL only.
    #[inline(always)]
    fn current_task<T: Handle<Mode = Direct>>(&self) -> T {
        T::from_ptr(helpers::bpf_get_current_task_btf())
    }
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
