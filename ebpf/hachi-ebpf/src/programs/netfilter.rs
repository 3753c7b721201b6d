//! Netfilter: packets at the hooks of the kernel's firewall.

use super::context;
use crate::cty::{c_long, c_void};
#[cfg(not(hachi_bpf))]
use crate::helpers;
use crate::{DynptrSlot, PacketDynptr, Pod};

/// `struct bpf_nf_ctx`: the kernel's own pointers.
#[derive(Debug)]
#[repr(C)]
pub struct bpf_nf_ctx {
    /// The hook: `struct nf_hook_state`.
    pub state: *const c_void,
    /// The packet: `struct sk_buff`.
    pub skb: *mut c_void,
}

context! {
    /// The packet a `#[netfilter]` program is called for (6.4). The program returns `NF_DROP` (0)
    /// or `NF_ACCEPT` (1).
    ///
    /// ```
    /// use hachi_ebpf::macros::netfilter;
    /// use hachi_ebpf::programs::NetfilterContext;
    ///
    /// #[netfilter]
    /// fn all_pass(_ctx: NetfilterContext) -> i32 {
    ///     1 // NF_ACCEPT
    /// }
    /// ```
    NetfilterContext(bpf_nf_ctx), "#[netfilter]"
}

impl NetfilterContext {
    /// The hook, for `kernel_types!` that declares `nf_hook_state`.
    #[inline(always)]
    pub fn state(&self) -> *const c_void {
        ctx_field!(volatile self.state)
    }

    /// The packet, for `kernel_types!` that declares `sk_buff`.
    #[inline(always)]
    pub fn skb(&self) -> *mut c_void {
        ctx_field!(volatile self.skb)
    }

    /// A copy of the `T` at `offset`, counted from the IP header; `None` when the packet ends
    /// before it does.
    #[inline(always)]
    pub fn read<T: Pod>(&self, offset: usize) -> Option<T> {
        let mut slot = DynptrSlot::new();
        self.dynptr(&mut slot).ok()?.read(offset as u32).ok()
    }

    /// The packet from its IP header on, of which the kernel checks each access, in a slot of the
    /// caller's (`bpf_dynptr_from_skb`, 6.4). It can only be read.
    ///
    /// # Errors
    /// None that are known; on the development machine `-ENOSYS`.
    #[inline(always)]
    pub fn dynptr<'a>(&'a self, slot: &'a mut DynptrSlot) -> Result<&'a PacketDynptr, c_long> {
        #[cfg(hachi_bpf)]
        // SAFETY: the packet is the kernel's, and stays while the program runs.
        return unsafe { PacketDynptr::of_skb(self.skb().cast(), slot) }.map(|made| &*made);
        #[cfg(not(hachi_bpf))]
        {
            let _ = slot;
            Err(helpers::absent())
        }
    }
}
