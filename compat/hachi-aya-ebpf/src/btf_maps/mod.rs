//! Maps whose capacity and flags stand in their types, for `#[btf_map]`.
//!
//! The maps of [`maps`] are declared by BTF here, too, so that the two differ in
//! nothing but how they are written. Each of these has the methods of its namesake there.

use core::ops::Deref;

use crate::{
    cty::c_long,
    maps,
    programs::{SkBuffContext, SkMsgContext},
};

pub mod cgroup_storage;
pub mod of_maps;
pub mod perf_event_array;
pub mod perf_event_byte_array;
pub mod reuseport_sock_array;
pub mod ring_buf;
mod storage;

pub use cgroup_storage::{CgroupStorage, PerCpuCgroupStorage};
pub use of_maps::{ArrayOfMaps, HashOfMaps, MapDef, SafeInnerLookup};
pub use perf_event_array::PerfEventArray;
pub use perf_event_byte_array::PerfEventByteArray;
pub use reuseport_sock_array::ReusePortSockArray;
pub use ring_buf::RingBuf;
pub use storage::{CgrpStorage, InodeStorage, SkStorage, cgrp_storage, inode_storage, sk_storage};

/// The map of the same name with its parameters as constants.
macro_rules! sized {
    ($($module:ident $(with $key:ident)?:
        $($name:ident<$($param:ident $(: $bound:ident)?),*>)+;)*) => { $(
        $(
            #[doc = concat!("[`maps::", stringify!($name), "`] of a capacity and flags.")]
            #[repr(transparent)]
            pub struct $name<
                $($param: $($bound +)? 'static,)*
                const MAX_ENTRIES: usize,
                const FLAGS: usize = 0,
            >(maps::$name<$($param),*>);

            impl<$($param: $($bound +)? 'static,)* const MAX_ENTRIES: usize, const FLAGS: usize>
                $name<$($param,)* MAX_ENTRIES, FLAGS>
            {
                /// The map.
                pub const fn new() -> Self {
                    $name(maps::$name::with_max_entries(MAX_ENTRIES as u32, FLAGS as u32))
                }
            }

            impl<$($param: $($bound +)? 'static,)* const MAX_ENTRIES: usize, const FLAGS: usize>
                Default for $name<$($param,)* MAX_ENTRIES, FLAGS>
            {
                fn default() -> Self {
                    Self::new()
                }
            }

            impl<$($param: $($bound +)? 'static,)* const MAX_ENTRIES: usize, const FLAGS: usize>
                Deref for $name<$($param,)* MAX_ENTRIES, FLAGS>
            {
                type Target = maps::$name<$($param),*>;

                #[inline(always)]
                fn deref(&self) -> &Self::Target {
                    &self.0
                }
            }
        )+

        #[doc = concat!("See [`", stringify!($module), "`](self).")]
        pub mod $module {
            pub use super::{$($name),+};
            $(pub use crate::maps::$module::$key;)?
        }
    )* };
}

sized! {
    array: Array<T>;
    bloom_filter: BloomFilter<T: Copy>;
    cgroup_array: CgroupArray<>;
    cpu_map: CpuMap<>;
    dev_map: DevMap<>;
    dev_map_hash: DevMapHash<>;
    hash_map: HashMap<K: Copy, V> LruHashMap<K: Copy, V> PerCpuHashMap<K: Copy, V>
        LruPerCpuHashMap<K: Copy, V>;
    lpm_trie with Key: LpmTrie<K: Copy, V>;
    per_cpu_array: PerCpuArray<T>;
    program_array: ProgramArray<>;
    queue: Queue<T: Copy>;
    sock_hash: SockHash<K: Copy>;
    sock_map: SockMap<>;
    stack: Stack<T: Copy>;
    stack_trace: StackTrace<>;
    xsk_map: XskMap<>;
}

/// What `maps::SockMap` has, without `unsafe`.
impl<const MAX_ENTRIES: usize, const FLAGS: usize> SockMap<MAX_ENTRIES, FLAGS> {
    /// Sends the message through the socket at `index`: what an sk_msg program returns.
    #[inline(always)]
    pub fn redirect_msg(&self, ctx: &SkMsgContext, index: u32, flags: u64) -> c_long {
        // SAFETY: none is needed.
        unsafe { self.0.redirect_msg(ctx, index, flags) }
    }

    /// Sends the packet through the socket at `index`: what an sk_skb program returns.
    #[inline(always)]
    pub fn redirect_skb(&self, ctx: &SkBuffContext, index: u32, flags: u64) -> c_long {
        // SAFETY: none is needed.
        unsafe { self.0.redirect_skb(ctx, index, flags) }
    }
}
