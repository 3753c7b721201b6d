//! Netfilter: packets at the hooks of the kernel's firewall.

use super::context;
use crate::Pod;
use crate::cty::c_void;
#[cfg(hachi_bpf)]
use crate::{bindings::bpf_dynptr, helpers};

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
        #[cfg(hachi_bpf)]
        {
            unsafe extern "C" {
                #[link_name = "hachi:1:kfunc:bpf_dynptr_from_skb:\
                               fn(*__sk_buff, u64, *bpf_dynptr) -> i32"]
                fn bpf_dynptr_from_skb(skb: *mut c_void, flags: u64, to: *mut bpf_dynptr) -> i32;
            }
            let mut packet = core::mem::MaybeUninit::<bpf_dynptr>::uninit();
            let mut value = core::mem::MaybeUninit::<T>::uninit();
            // SAFETY: the packet is the kernel's, the dynptr stays where it is while it is used,
            // the value is writable for its size. (If the first call fails, so does the second.)
            let result = unsafe {
                bpf_dynptr_from_skb(self.skb(), 0, packet.as_mut_ptr());
                helpers::bpf_dynptr_read(
                    value.as_mut_ptr().cast(),
                    size_of::<T>() as u32,
                    packet.as_mut_ptr(),
                    offset as u32,
                    0,
                )
            };
            // SAFETY: success means that all bytes were written, and any make a `T`.
            (result == 0).then(|| unsafe { value.assume_init() })
        }
        #[cfg(not(hachi_bpf))]
        {
            let _ = offset;
            None
        }
    }
}
