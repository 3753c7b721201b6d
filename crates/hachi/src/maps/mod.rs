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
mod map;
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
pub use map::Map;
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
