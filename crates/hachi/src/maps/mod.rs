//! Maps: the memory that programs and user space share.
//!
//! An [`Ebpf`](crate::Ebpf) holds its maps as [`Map`] values, which only say what kind they are. A
//! typed view checks kind and sizes once, and, where the map has BTF, that the Rust types are laid
//! out as keys and values are; then it reads and writes Rust values:
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use hachi::{Ebpf, maps::{HashMap, MapData}};
//!
//! let mut ebpf = Ebpf::load_file("firewall.o")?;
//! // Borrowed, for as long as it is used here:
//! let mut ports: HashMap<_, u16, u8> = HashMap::try_from(ebpf.map_mut("PORTS")?)?;
//! ports.insert(22, 1, 0)?;
//! // Owned, to move elsewhere (to a thread, say):
//! let ports: HashMap<MapData, u16, u8> = HashMap::try_from(ebpf.take_map("PORTS")?)?;
//! // Pinned by another process:
//! let ports = HashMap::<_, u16, u8>::try_from(MapData::from_pin("/sys/fs/bpf/fw/PORTS")?)?;
//! # Ok(()) }
//! ```
//!
//! Every access is one system call on memory that programs use at the same time; values are copied
//! whole, but a program may be writing the same value meanwhile.

#![warn(clippy::missing_errors_doc)]

mod access;
mod arena;
mod array;
#[cfg(feature = "tokio")]
mod asynchronous;
mod batch;
mod bloom_filter;
mod cgroup_array;
mod cgroup_storage;
pub(crate) mod create;
mod data;
mod dev_map;
mod error;
mod event_poll;
mod events;
mod flags;
mod hash_map;
mod in_use;
mod info;
mod insn_array;
mod iter;
mod layout;
pub mod lpm_trie;
mod mapped;
mod of_maps;
mod per_cpu_array;
mod per_cpu_hash_map;
mod per_cpu_values;
mod perf_event_array;
mod program_array;
mod queue;
mod ring_buf;
mod sock_map;
mod stack_trace;
mod storage;
pub(crate) mod types;
mod user_ring_buf;
mod view;
mod walk;

pub use crate::fd::MapFd;
pub use arena::Arena;
pub use array::Array;
#[cfg(feature = "tokio")]
pub use asynchronous::{AsyncEvents, AsyncPerfEvents, AsyncRingBuf, AsyncUserRingBuf, PerfEvent};
pub use bloom_filter::BloomFilter;
pub use cgroup_array::CgroupArray;
pub use cgroup_storage::{CgroupStorage, CgroupStorageKey, PerCpuCgroupStorage};
pub use data::MapData;
pub use dev_map::{CpuMap, CpuMapValue, DevMap, DevMapHash, DevMapValue};
pub use error::{
    ElementPart, LayoutDifference, MapDifference, MapError, MapParameters, Number, Unsuitable,
};
pub use event_poll::EventPoll;
pub use events::{EventItem, Events, WrongEventSize};
pub use flags::{ElementFlags, Operation};
pub use hachi_obj::MapType;
pub use hash_map::HashMap;
pub use info::{MapInfo, loaded_maps};
pub use insn_array::{InsnArray, InsnArrayValue};
pub use iter::{Batches, Iter, Keys, PerCpuIter, RawIter};
pub use lpm_trie::LpmTrie;
pub use mapped::{GlobalVariable, MappedArray, MappedElement};
pub use of_maps::{ArrayOfMaps, HashOfMaps};
pub use per_cpu_array::PerCpuArray;
pub use per_cpu_hash_map::PerCpuHashMap;
pub use per_cpu_values::PerCpuValues;
pub use perf_event_array::{PerfEventArray, PerfEventArrayBuffer, PerfEvents, PerfEventsRead};
pub use program_array::ProgramArray;
pub use queue::{Queue, Stack};
pub use ring_buf::{RingBuf, RingBufItem};
pub use sock_map::{ReusePortSockArray, SockHash, SockMap, XskMap};
pub use stack_trace::{StackFrame, StackTrace, StackTraceMap};
pub use storage::{CgrpStorage, InodeStorage, SkStorage, TaskStorage};
pub use user_ring_buf::{UserRingBuf, UserRingBufItem};

pub use crate::aya_names::maps::*;

macro_rules! map_types {
    ($($variant:ident = $kind:ident;)*) => {
        /// A map of an object, by kind. Turn it into a typed view with `TryFrom`, on the value, a
        /// shared or an exclusive reference.
        #[derive(Debug)]
        #[non_exhaustive]
        pub enum Map {
            $(
                #[doc = concat!("[`MapType::", stringify!($kind), "`].")]
                $variant(MapData),
            )*
            /// A kind this version of Hachi has no name for; raw access works.
            Unsupported(MapData),
        }

        impl Map {
            /// The variant that the map's type calls for.
            pub fn from_map_data(data: MapData) -> Self {
                match data.map_type() {
                    $(Some(MapType::$kind) => Map::$variant(data),)*
                    None => Map::Unsupported(data),
                }
            }

            /// The map itself, for what does not depend on its kind.
            pub fn data(&self) -> &MapData {
                match self {
                    $(Map::$variant(data) => data,)*
                    Map::Unsupported(data) => data,
                }
            }

            /// As [`data`](Self::data), exclusively.
            pub fn data_mut(&mut self) -> &mut MapData {
                match self {
                    $(Map::$variant(data) => data,)*
                    Map::Unsupported(data) => data,
                }
            }

            /// The map itself, owned.
            pub fn into_data(self) -> MapData {
                match self {
                    $(Map::$variant(data) => data,)*
                    Map::Unsupported(data) => data,
                }
            }
        }
    };
}

// One row for each type of the kernel: our variant, under Aya's name where it has one.
map_types! {
    HashMap = Hash;
    Array = Array;
    ProgramArray = ProgArray;
    PerfEventArray = PerfEventArray;
    PerCpuHashMap = PercpuHash;
    PerCpuArray = PercpuArray;
    StackTraceMap = StackTrace;
    CgroupArray = CgroupArray;
    LruHashMap = LruHash;
    PerCpuLruHashMap = LruPercpuHash;
    LpmTrie = LpmTrie;
    ArrayOfMaps = ArrayOfMaps;
    HashOfMaps = HashOfMaps;
    DevMap = Devmap;
    SockMap = Sockmap;
    CpuMap = Cpumap;
    XskMap = Xskmap;
    SockHash = Sockhash;
    CgroupStorage = CgroupStorage;
    ReusePortSockArray = ReuseportSockarray;
    PerCpuCgroupStorage = PercpuCgroupStorage;
    Queue = Queue;
    Stack = Stack;
    SkStorage = SkStorage;
    DevMapHash = DevmapHash;
    StructOps = StructOps;
    RingBuf = Ringbuf;
    InodeStorage = InodeStorage;
    TaskStorage = TaskStorage;
    BloomFilter = BloomFilter;
    UserRingBuf = UserRingbuf;
    CgrpStorage = CgrpStorage;
    Arena = Arena;
    InsnArray = InsnArray;
    RHash = Rhash;
}

/// The kernel's name of a map type, also of one that is newer than this crate.
pub(crate) fn type_name(number: u32) -> String {
    match MapType::from_number(number) {
        Some(kind) => kind.name().to_owned(),
        None => format!("map type {number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_kernel() {
        assert_eq!(type_name(MapType::LruPercpuHash as u32), "lru_percpu_hash");
        assert_eq!(type_name(999), "map type 999");
    }
}
