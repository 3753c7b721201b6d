//! `BPF_MAP_TYPE_DEVMAP` and `BPF_MAP_TYPE_DEVMAP_HASH`

use super::redirect::redirect;
use crate::bindings::bpf_devmap_val;

/// An entry of a [`DevMap`] or [`DevMapHash`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DevMapValue {
    /// Index of the interface.
    pub if_index: u32,
    /// Id of the program that runs for the packet there, if there is one (5.8).
    pub prog_id: Option<u32>,
}

map_kind! {
    /// Interfaces to which XDP programs redirect packets, in an array (4.14; entries with programs
    /// 5.8).
    ///
    /// ```
    /// use hachi_ebpf::{macros::{map, xdp}, maps::DevMap, programs::XdpContext};
    ///
    /// #[map]
    /// static EXITS: DevMap = DevMap::with_max_entries(8, 0);
    ///
    /// #[xdp]
    /// fn forward(_ctx: XdpContext) -> u32 {
    ///     EXITS.redirect(0, 0).unwrap_or_else(|action| action)
    /// }
    /// ```
    DevMap = BPF_MAP_TYPE_DEVMAP(u32 => bpf_devmap_val),
    entries: "up to `max_entries` interfaces"
}

map_kind! {
    /// Interfaces to which XDP programs redirect packets, in a hash table (5.4; entries with
    /// programs 5.8).
    ///
    /// ```
    /// use hachi_ebpf::{macros::{map, xdp}, maps::DevMapHash, programs::XdpContext};
    ///
    /// #[map]
    /// static EXITS: DevMapHash = DevMapHash::with_max_entries(8, 0);
    ///
    /// /// To the interface that user space has put beside the one it came by.
    /// #[xdp]
    /// fn forward(ctx: XdpContext) -> u32 {
    ///     let came_by = ctx.ingress_ifindex() as u32;
    ///     EXITS.redirect(came_by, 0).unwrap_or_else(|action| action)
    /// }
    /// ```
    DevMapHash = BPF_MAP_TYPE_DEVMAP_HASH(u32 => bpf_devmap_val),
    entries: "up to `max_entries` interfaces"
}

macro_rules! dev_map {
    ($name:ident) => {
        impl $name {
            /// The interface at `key`.
            #[inline(always)]
            pub fn get(&self, key: u32) -> Option<DevMapValue> {
                let value = self.def.lookup(&key)?;
                // SAFETY: the pointer is to an entry of the map; both forms of the union are
                // numbers. Volatile, because the kernel knows the fields as loads of four bytes.
                let (if_index, id) = unsafe {
                    (
                        (&raw const (*value).ifindex).read_volatile(),
                        (&raw const (*value).bpf_prog.id).read_volatile(),
                    )
                };
                Some(DevMapValue {
                    if_index,
                    prog_id: (id != 0).then_some(id),
                })
            }

            /// Redirects the packet to the interface at `key`: return `XDP_REDIRECT`, which is the
            /// result, from the program.
            ///
            /// `flags`: its lowest two bits are the action that is the result when there is no such
            /// interface; `BPF_F_BROADCAST` and `BPF_F_EXCLUDE_INGRESS` send copies to all
            /// interfaces of the map (5.14).
            ///
            /// # Errors
            /// That action (`XDP_ABORTED`, if `flags` is 0).
            #[inline(always)]
            pub fn redirect(&self, key: u32, flags: u64) -> Result<u32, u32> {
                redirect(self.as_ptr(), key, flags)
            }
        }
    };
}

dev_map!(DevMap);
dev_map!(DevMapHash);
