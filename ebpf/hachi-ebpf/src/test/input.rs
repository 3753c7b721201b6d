//! What a program is called with.

use std::vec::Vec;

use super::map;
use super::packet::{self, Frame};
use super::state::with;
use crate::Pod;
use crate::bindings::*;
use crate::cty::c_void;
use crate::programs::{ARGUMENTS, *};

/// A context's fields and the bytes behind it, to call programs with.
///
/// ```
/// use hachi_ebpf::{programs::{SockAddrContext, XdpContext}, test::Input};
///
/// fn program(mut ctx: XdpContext) -> u32 {
///     ctx.write(0, [1u8, 2]).map_or(0, |()| ctx.ingress_ifindex())
/// }
///
/// let mut input = Input::<XdpContext>::new([0; 64]);
/// input.fields.ingress_ifindex = 3;
/// assert_eq!(input.run(program), 3);
/// assert_eq!(input.bytes[..3], [1, 2, 0]);
///
/// let mut input = Input::<SockAddrContext>::default();
/// input.fields.user_port = u32::from(443u16.to_be());
/// ```
pub struct Input<C: Context> {
    /// The fields of the kernel's context: all zero at first, except those that say where the
    /// bytes are and how many, which [`run`](Self::run) sets. Of contexts that are arguments, the
    /// arguments.
    pub fields: C::Fields,
    /// The packet, the record of a tracepoint, the buffer of a raw one, the value of a socket
    /// option. Other contexts have no bytes.
    pub bytes: Vec<u8>,
}

impl<C: Context> Default for Input<C> {
    fn default() -> Self {
        Input::new([])
    }
}

impl<C: Context> Input<C> {
    /// A packet, with all fields zero.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Input {
            // SAFETY: `Fields` are integers, pointers and unions of them (`Context` is not for
            // others to implement).
            fields: unsafe { std::mem::zeroed() },
            bytes: bytes.into(),
        }
    }

    /// Calls the program, and keeps what it changed. The context is not to be used afterwards: the
    /// kernel forgets it.
    pub fn run<R>(&mut self, program: impl FnOnce(C) -> R) -> R {
        let (frame, data) = Frame::new(size_of::<C::Fields>(), &self.bytes);
        let fields: *mut C::Fields = std::ptr::with_exposed_provenance_mut(frame.ctx);
        // SAFETY: the frame begins with room for the fields, and its memory is never freed; the
        // context is the only one made from it.
        let context = unsafe {
            fields.write(self.fields);
            C::set_ends(&mut *fields, ends(data, self.bytes.len()));
            C::from_parts(fields, data)
        };
        with(|state| state.frames.push(frame));
        let result = program(context);
        with(|state| state.frames.retain(|other| other.ctx != frame.ctx));
        // SAFETY: as above; the program has kept the ends within the frame.
        unsafe {
            self.fields = fields.read();
            if let Some(ends) = C::ends(&*fields) {
                let start = std::ptr::with_exposed_provenance::<u8>(ends.data as usize);
                let len = (ends.data_end - ends.data) as usize;
                self.bytes = std::slice::from_raw_parts(start, len).to_vec();
            } else {
                self.bytes = std::slice::from_raw_parts(data, self.bytes.len()).to_vec();
            }
        }
        result
    }
}

fn ends(data: *mut u8, len: usize) -> Ends {
    let data = data.expose_provenance() as u64;
    Ends {
        data,
        data_end: data + len as u64,
    }
}

/// Where a packet begins and ends.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    pub data: u64,
    pub data_end: u64,
}

/// A context that [`Input`] can make: all in [`programs`](crate::programs) but the one of
/// iterators, whose file is the kernel's own.
pub trait Context: Sized + sealed::Sealed {
    /// The fields of the kernel's context.
    type Fields: Copy;

    #[doc(hidden)]
    unsafe fn from_parts(fields: *mut Self::Fields, data: *mut u8) -> Self;
    #[doc(hidden)]
    fn set_ends(_fields: &mut Self::Fields, _ends: Ends) {}
    #[doc(hidden)]
    fn ends(_fields: &Self::Fields) -> Option<Ends> {
        None
    }
}

mod sealed {
    pub trait Sealed {}
}

/// Implements it: the fields, and what sets and gives the ends of the packet.
macro_rules! contexts {
    ($($name:ident: $fields:ty $(, $set:path, $get:path)?;)*) => { $(
        impl sealed::Sealed for $name {}

        impl Context for $name {
            type Fields = $fields;

            unsafe fn from_parts(fields: *mut $fields, _: *mut u8) -> Self {
                // SAFETY: the caller's promise.
                unsafe { $name::new(fields.cast()) }
            }

            $(
                fn set_ends(fields: &mut $fields, ends: Ends) {
                    $set(fields, ends)
                }

                fn ends(fields: &$fields) -> Option<Ends> {
                    Some($get(fields))
                }
            )?
        }
    )* };
}

/// The arguments of functions and tracepoints.
type Arguments = [u64; ARGUMENTS];

contexts! {
    XdpContext: xdp_md, set_xdp_ends, packet::xdp_ends;
    TcContext: __sk_buff, set_skb_ends, packet::skb_ends;
    SkBuffContext: __sk_buff, set_skb_ends, packet::skb_ends;
    LwtContext: __sk_buff, set_skb_ends, packet::skb_ends;
    FlowDissectorContext: __sk_buff, set_flow_ends, packet::skb_ends;
    SkMsgContext: sk_msg_md, set_msg_ends, msg_ends;
    SkReuseportContext: sk_reuseport_md, set_reuseport_ends, reuseport_ends;
    SockAddrContext: bpf_sock_addr;
    SockContext: bpf_sock;
    SockOpsContext: bpf_sock_ops;
    SockoptContext: bpf_sockopt, set_option_ends, option_ends;
    SysctlContext: bpf_sysctl;
    DeviceContext: bpf_cgroup_dev_ctx;
    SkLookupContext: bpf_sk_lookup;
    ProbeContext: pt_regs;
    RetProbeContext: pt_regs;
    BtfTracePointContext: Arguments;
    FEntryContext: Arguments;
    FExitContext: Arguments;
    LsmContext: Arguments;
    FModRetContext: Arguments;
    FSessionContext: Arguments;
    ProbeSessionContext: pt_regs;
    SyscallProbeContext: pt_regs;
    UsdtContext: pt_regs;
    PerfEventContext: bpf_perf_event_data;
    LircMode2Context: u32;
}

impl sealed::Sealed for RawTracePointContext {}

impl Context for RawTracePointContext {
    type Fields = Arguments;

    unsafe fn from_parts(fields: *mut Arguments, _: *mut u8) -> Self {
        // SAFETY: the caller's promise.
        unsafe { RawTracePointContext::new(fields.cast()) }
    }

    fn set_ends(fields: &mut Arguments, ends: Ends) {
        // The buffer of a writable one is its first argument.
        if ends.data != ends.data_end {
            fields[0] = ends.data;
        }
    }
}

impl<T: Pod> sealed::Sealed for SyscallContext<T> {}

impl<T: Pod> Context for SyscallContext<T> {
    type Fields = T;

    unsafe fn from_parts(fields: *mut T, _: *mut u8) -> Self {
        // SAFETY: the caller's promise.
        unsafe { SyscallContext::new(fields.cast()) }
    }
}

impl sealed::Sealed for TracePointContext {}

impl Context for TracePointContext {
    type Fields = ();

    unsafe fn from_parts(_: *mut (), data: *mut u8) -> Self {
        // SAFETY: the caller's promise.
        unsafe { TracePointContext::new(data.cast::<c_void>()) }
    }
}

fn set_xdp_ends(fields: &mut xdp_md, ends: Ends) {
    // The upper halves are found again from the address of the context: see `programs::address`.
    fields.data = ends.data as u32;
    fields.data_end = ends.data_end as u32;
    fields.data_meta = fields.data;
}

fn set_skb_ends(fields: &mut __sk_buff, ends: Ends) {
    fields.data = ends.data as u32;
    fields.data_end = ends.data_end as u32;
    fields.data_meta = fields.data;
    fields.len = (ends.data_end - ends.data) as u32;
}

/// A flow dissector has a place for what it finds out as well.
fn set_flow_ends(fields: &mut __sk_buff, ends: Ends) {
    set_skb_ends(fields, ends);
    fields.flow_keys = map::allocate(size_of::<bpf_flow_keys>()).cast();
}

fn pointer(address: u64) -> *mut c_void {
    std::ptr::with_exposed_provenance_mut(address as usize)
}

fn set_msg_ends(fields: &mut sk_msg_md, ends: Ends) {
    fields.data = pointer(ends.data);
    fields.data_end = pointer(ends.data_end);
    fields.size = (ends.data_end - ends.data) as u32;
}

fn msg_ends(fields: &sk_msg_md) -> Ends {
    Ends {
        data: fields.data as u64,
        data_end: fields.data_end as u64,
    }
}

fn set_option_ends(fields: &mut bpf_sockopt, ends: Ends) {
    fields.optval = pointer(ends.data);
    fields.optval_end = pointer(ends.data_end);
    fields.optlen = (ends.data_end - ends.data) as i32;
}

fn option_ends(fields: &bpf_sockopt) -> Ends {
    Ends {
        data: fields.optval as u64,
        data_end: fields.optval_end as u64,
    }
}

fn set_reuseport_ends(fields: &mut sk_reuseport_md, ends: Ends) {
    fields.data = pointer(ends.data);
    fields.data_end = pointer(ends.data_end);
    fields.len = (ends.data_end - ends.data) as u32;
}

fn reuseport_ends(fields: &sk_reuseport_md) -> Ends {
    Ends {
        data: fields.data as u64,
        data_end: fields.data_end as u64,
    }
}
