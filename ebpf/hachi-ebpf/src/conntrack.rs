//! Connections that netfilter knows, for XDP and TC programs (5.19; making new ones 6.1).
//!
//! The functions are in the kernel's `nf_conntrack`; where that is a module, it must be loaded
//! before the program is.
//! ```
//! use hachi_ebpf::conntrack::{FlowV4, lookup};
//! use hachi_ebpf::programs::XdpContext;
//!
//! /// Whether a UDP packet belongs to a connection that was made from this side.
//! fn is_known(ctx: &XdpContext) -> bool {
//!     let (Some(addresses), Some(ports)) = (ctx.read(26), ctx.read(34)) else {
//!         return false;
//!     };
//!     let [source, destination]: [[u8; 4]; 2] = addresses;
//!     let [source_port, destination_port]: [[u8; 2]; 2] = ports;
//!     let flow = FlowV4 { source, destination, source_port, destination_port };
//!     lookup(ctx, flow, 17).is_ok()
//! }
//! ```

use core::ops::Deref;

use crate::cty::{c_long, c_void};
use crate::helpers;
use crate::kernel::Handle;
use crate::programs::{EbpfContext, TcContext, XdpContext};

crate::kernel_types! {
    /// A connection: `struct nf_conn`. [`Connection`] owns a reference to one.
    pub struct nf_conn {
        /// What is known of it: bits `IPS_…` of `linux/netfilter/nf_conntrack_common.h`.
        status: c_ulong,
        /// Its mark, in kernels with CONFIG_NF_CONNTRACK_MARK.
        mark: u32,
    }
}

/// Addresses and ports of a connection over IPv4, in network byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct FlowV4 {
    /// Who sends.
    pub source: [u8; 4],
    /// Who receives.
    pub destination: [u8; 4],
    /// The sender's port.
    pub source_port: [u8; 2],
    /// The receiver's port.
    pub destination_port: [u8; 2],
}

/// Addresses and ports of a connection over IPv6, in network byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct FlowV6 {
    /// Who sends.
    pub source: [u8; 16],
    /// Who receives.
    pub destination: [u8; 16],
    /// The sender's port.
    pub source_port: [u8; 2],
    /// The receiver's port.
    pub destination_port: [u8; 2],
}

/// [`FlowV4`] or [`FlowV6`].
pub trait Flow: Copy + sealed::Flow {}
impl Flow for FlowV4 {}
impl Flow for FlowV6 {}

/// The context of a program that may look for connections.
pub trait PacketContext: EbpfContext + sealed::PacketContext {}
impl PacketContext for XdpContext {}
impl PacketContext for TcContext {}

mod sealed {
    use super::Ptr;

    pub trait Flow {}
    impl Flow for super::FlowV4 {}
    impl Flow for super::FlowV6 {}

    pub trait PacketContext {
        fn lookup(ctx: Ptr, flow: Ptr, size: u32, options: Ptr, options_size: u32) -> Ptr;
        fn alloc(ctx: Ptr, flow: Ptr, size: u32, options: Ptr, options_size: u32) -> Ptr;
    }

    macro_rules! packet_context {
        ($name:ident, $lookup:literal, $alloc:literal) => {
            impl PacketContext for super::$name {
                #[inline(always)]
                fn lookup(ctx: Ptr, flow: Ptr, size: u32, options: Ptr, options_size: u32) -> Ptr {
                    // SAFETY: `find` gives a context and places of the sizes.
                    crate::__call_kfunc!([unsafe] $lookup, (
                        ctx: Ptr, flow: Ptr, size: u32, options: Ptr, options_size: u32
                    ) Ptr)
                }

                #[inline(always)]
                fn alloc(ctx: Ptr, flow: Ptr, size: u32, options: Ptr, options_size: u32) -> Ptr {
                    // SAFETY: `find` gives a context and places of the sizes.
                    crate::__call_kfunc!([unsafe] $alloc, (
                        ctx: Ptr, flow: Ptr, size: u32, options: Ptr, options_size: u32
                    ) Ptr)
                }
            }
        };
    }

    packet_context!(
        XdpContext,
        "kfunc:bpf_xdp_ct_lookup:\
         fn(*xdp_md, *bpf_sock_tuple, u32, *bpf_ct_opts, u32) -> *nf_conn",
        "kfunc:bpf_xdp_ct_alloc:\
         fn(*xdp_md, *bpf_sock_tuple, u32, *bpf_ct_opts, u32) -> *nf_conn___init"
    );
    packet_context!(
        TcContext,
        "kfunc:bpf_skb_ct_lookup:\
         fn(*__sk_buff, *bpf_sock_tuple, u32, *bpf_ct_opts, u32) -> *nf_conn",
        "kfunc:bpf_skb_ct_alloc:\
         fn(*__sk_buff, *bpf_sock_tuple, u32, *bpf_ct_opts, u32) -> *nf_conn___init"
    );
}

type Ptr = *mut c_void;
type Find = fn(Ptr, Ptr, u32, Ptr, u32) -> Ptr;

/// `struct bpf_ct_opts` as the first kernels have it; newer ones take it as well.
#[repr(C)]
struct Options {
    /// -1: the network namespace of the packet's device.
    netns_id: i32,
    error: i32,
    protocol: u8,
    reserved: [u8; 3],
}

const ENOSYS: i32 = crate::errno::ENOSYS as i32;

#[inline(always)]
fn find<F: Flow>(
    ctx: &impl PacketContext,
    mut flow: F,
    protocol: u8,
    find: Find,
) -> Result<Ptr, c_long> {
    let mut options = Options {
        netns_id: -1,
        error: -ENOSYS,
        protocol,
        reserved: [0; 3],
    };
    let found = find(
        ctx.as_ptr(),
        (&raw mut flow).cast(),
        size_of::<F>() as u32,
        (&raw mut options).cast(),
        size_of::<Options>() as u32,
    );
    if found.is_null() {
        return Err(options.error.into());
    }
    Ok(found)
}

/// The connection that a packet with these addresses belongs to; `protocol` is 6 for TCP, 17 for
/// UDP (`bpf_xdp_ct_lookup`, `bpf_skb_ct_lookup`, 5.19).
///
/// # Errors
/// `-ENOENT` when there is none, `-EPROTO` for another protocol.
#[inline(always)]
pub fn lookup<C: PacketContext>(
    ctx: &C,
    flow: impl Flow,
    protocol: u8,
) -> Result<Connection, c_long> {
    let found = find(ctx, flow, protocol, C::lookup)?;
    Ok(Connection(nf_conn::from_ptr(found)))
}

/// Makes a new connection, which `prepare` may give a status, and puts it into netfilter's table
/// (`bpf_xdp_ct_alloc`, `bpf_skb_ct_alloc`, `bpf_ct_insert_entry`, 6.1). It stays for `timeout`
/// milliseconds after its last packet.
///
/// # Errors
/// `-EPROTO` for another protocol than 6 (TCP) and 17 (UDP), `-ENOMEM`, `-EEXIST` when it could not
/// be put there: there may be one already.
#[inline(always)]
pub fn insert<C: PacketContext>(
    ctx: &C,
    flow: impl Flow,
    protocol: u8,
    timeout: u32,
    prepare: impl FnOnce(&mut NewConnection),
) -> Result<Connection, c_long> {
    let mut new = NewConnection(find(ctx, flow, protocol, C::alloc)?);
    let at = new.0;
    crate::__call_kfunc!([safe] "kfunc:bpf_ct_set_timeout:fn(*nf_conn___init, u32)",
        (at: Ptr, timeout: u32) ());
    prepare(&mut new);
    let inserted = crate::__call_kfunc!([safe]
        "kfunc:bpf_ct_insert_entry:fn(*nf_conn___init) -> *nf_conn", (at: Ptr) Ptr);
    if inserted.is_null() {
        return Err(-EEXIST);
    }
    Ok(Connection(nf_conn::from_ptr(inserted)))
}

/// "File exists".
const EEXIST: c_long = 17;

/// A connection that is not in the table yet: see [`insert`].
pub struct NewConnection(Ptr);

impl NewConnection {
    /// Sets bits of its status, `IPS_…` (`bpf_ct_set_status`, 6.1).
    ///
    /// # Errors
    /// `-EBUSY` for bits that are the kernel's own to set.
    #[inline(always)]
    pub fn set_status(&mut self, bits: u32) -> Result<(), c_long> {
        let at = self.0;
        helpers::check(
            crate::__call_kfunc!([safe]
            "kfunc:bpf_ct_set_status:fn(*nf_conn___init, u32) -> i32",
            (at: Ptr, bits: u32) i32)
            .into(),
        )
    }
}

/// A reference to a connection, given back when it is dropped (5.19).
#[must_use = "dropped, it is given back"]
pub struct Connection(nf_conn);

impl Connection {
    /// Lets it stay for this many milliseconds after its last packet (`bpf_ct_change_timeout`,
    /// 6.1).
    ///
    /// # Errors
    /// None that are known.
    #[inline(always)]
    pub fn change_timeout(&self, timeout: u32) -> Result<(), c_long> {
        let at = self.0.as_ptr();
        helpers::check(
            crate::__call_kfunc!([safe]
            "kfunc:bpf_ct_change_timeout:fn(*nf_conn, u32) -> i32",
            (at: *const c_void, timeout: u32) i32)
            .into(),
        )
    }

    /// Sets bits of its status, `IPS_…` (`bpf_ct_change_status`, 6.1).
    ///
    /// # Errors
    /// `-EBUSY` for bits that are the kernel's own to set.
    #[inline(always)]
    pub fn change_status(&self, bits: u32) -> Result<(), c_long> {
        let at = self.0.as_ptr();
        helpers::check(
            crate::__call_kfunc!([safe]
            "kfunc:bpf_ct_change_status:fn(*nf_conn, u32) -> i32",
            (at: *const c_void, bits: u32) i32)
            .into(),
        )
    }
}

impl Deref for Connection {
    type Target = nf_conn;

    #[inline(always)]
    fn deref(&self) -> &nf_conn {
        &self.0
    }
}

impl Drop for Connection {
    #[inline(always)]
    fn drop(&mut self) {
        let at = self.0.as_ptr();
        crate::__call_kfunc!([safe] "kfunc:bpf_ct_release:fn(*nf_conn)", (at: *const c_void) ());
    }
}
