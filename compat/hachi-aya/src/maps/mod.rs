//! Maps: what programs and user space share.

mod data;
mod error;
mod info;
mod kind;
mod typed;

pub use hachi::maps::MapFd;

pub use self::{
    data::{Map, MapData},
    error::MapError,
    info::{MapInfo, loaded_maps},
    kind::MapType,
    typed::{
        Array, ArrayOfMaps, BloomFilter, CgroupArray, CgroupStorage, CgroupStorageKey, CgrpStorage,
        CpuMap, DevMap, DevMapHash, FromMapData, HashMap, HashOfMaps, InnerMap, InodeStorage,
        IterableMap, LpmTrie, MapIter, MapKeys, PerCpuArray, PerCpuCgroupStorage, PerCpuHashMap,
        PerCpuValues, ProgramArray, Queue, ReusePortSockArray, RingBuf, SkStorage, SockHash,
        SockMap, Stack, StackTraceMap, XskMap,
    },
};
#[cfg(feature = "async_tokio")]
pub use crate::maps::perf::AsyncPerfEventArray;
pub use crate::maps::perf::PerfEventArray;

pub mod perf;

/// Arrays.
pub mod array {
    pub use super::typed::{Array, CgroupArray, PerCpuArray, ProgramArray};
}

/// Sets that may say yes wrongly.
pub mod bloom_filter {
    pub use super::typed::BloomFilter;
}

/// Values of cgroups, by attachment.
pub mod cgroup_storage {
    pub use super::typed::{CgroupStorage, CgroupStorageKey, PerCpuCgroupStorage};
}

/// Values of cgroups.
pub mod cgrp_storage {
    pub use super::typed::CgrpStorage;
}

/// Hash tables.
pub mod hash_map {
    pub use super::typed::{HashMap, PerCpuHashMap};
}

/// Values of inodes.
pub mod inode_storage {
    pub use super::typed::InodeStorage;
}

/// Tables of prefixes.
pub mod lpm_trie {
    pub use hachi::maps::lpm_trie::Key;

    pub use super::typed::LpmTrie;
}

/// Maps of maps.
pub mod of_maps {
    pub use super::typed::{ArrayOfMaps, HashOfMaps};
}

/// First in, first out.
pub mod queue {
    pub use super::typed::Queue;
}

/// A buffer of records.
pub mod ring_buf {
    pub use super::typed::{RingBuf, RingBufItem};
}

/// Values of sockets.
pub mod sk_storage {
    pub use super::typed::SkStorage;
}

/// Maps of sockets.
pub mod sock {
    pub use super::typed::{ReusePortSockArray, SockHash, SockMap, SockMapFd};
}

/// Last in, first out.
pub mod stack {
    pub use super::typed::Stack;
}

/// Stacks of calls.
pub mod stack_trace {
    pub use hachi::maps::{StackFrame, StackTrace};

    pub use super::typed::StackTraceMap;
}

/// Where XDP programs redirect packets to.
pub mod xdp {
    pub use super::typed::{CpuMap, DevMap, DevMapHash, XdpMapError, XskMap};

    /// Values of [`CpuMap`].
    pub mod cpu_map {
        pub use super::super::typed::{CpuMap, CpuMapValue};
    }

    /// Values of [`DevMap`].
    pub mod dev_map {
        pub use super::super::typed::{DevMap, DevMapValue};
    }
}
