use super::sk_buff::SkBuff;
use crate::{bindings::__sk_buff, cty::c_long, maps};

/// A packet on its way through an interface.
#[repr(transparent)]
pub struct TcContext {
    /// The packet.
    pub skb: SkBuff,
}

super::sk_buff::packet_context!(TcContext);
super::behind!(TcContext: TcContext);

impl TcContext {
    /// Changes the protocol between IPv4 and IPv6 (4.8). `flags` is 0.
    ///
    /// # Errors
    /// `-ENOTSUPP` (-524) for other protocols, `-ENOMEM`.
    #[inline(always)]
    pub fn change_proto(&self, proto: u16, flags: u64) -> Result<(), c_long> {
        self.skb.change_proto(proto, flags)
    }

    /// Whether the packet's socket is in or below the cgroup at `index` (4.3).
    ///
    /// # Errors
    /// `-EAGAIN` when there is no cgroup at `index`.
    #[inline(always)]
    pub fn skb_under_cgroup<M: CgroupArrayMap>(
        &self,
        map: &M,
        index: u32,
    ) -> Result<bool, c_long> {
        // SAFETY: the context is the kernel's, the map one of the object's.
        let result = unsafe {
            hachi_ebpf::helpers::bpf_skb_under_cgroup(
                self.skb.skb,
                map.cgroup_array().as_ptr(),
                index,
            )
        };
        match c_long::from(result as i32) {
            error @ ..0 => Err(error),
            under => Ok(under == 1),
        }
    }
}

/// Maps of cgroups.
pub trait CgroupArrayMap {
    /// The map.
    #[doc(hidden)]
    fn cgroup_array(&self) -> &maps::CgroupArray;
}

impl CgroupArrayMap for maps::CgroupArray {
    #[inline(always)]
    fn cgroup_array(&self) -> &maps::CgroupArray {
        self
    }
}

impl<const MAX_ENTRIES: usize, const FLAGS: usize> CgroupArrayMap
    for crate::btf_maps::CgroupArray<MAX_ENTRIES, FLAGS>
{
    #[inline(always)]
    fn cgroup_array(&self) -> &maps::CgroupArray {
        self
    }
}
