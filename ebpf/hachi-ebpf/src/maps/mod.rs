//! Maps: memory that programs share with each other and with user space. One file for each kind.
//!
//! A map is a static with the attribute [`#[map]`](crate::macros::map), whose name is the map's:
//! ```
//! use hachi_ebpf::{macros::map, maps::HashMap};
//!
//! #[map]
//! static PORTS: HashMap<u16, u32> = HashMap::with_max_entries(1024, 0);
//! ```
//!
//! # Values are shared memory
//! Another CPU, or user space, may write a value at the same time, and its entry may be removed and
//! used for another key. So keys and values are [plain data](crate::Pod), or made to be used by
//! several at once; the whole contract stands in [`hachi_common`].
//!
//! - `get` gives a copy of plain data, which stays as it is.
//! - `cell` gives the value in place, as a [`Shared`](crate::Shared) that reads and writes at once
//!   what is asked of it, such as one [field](crate::field!) of a large struct. `update` reads,
//!   changes and writes.
//! - [Atomic numbers](crate::atomic), [locks and timers](crate::sync) and structs of these, which
//!   derive [`MapValue`](crate::MapValue), are used in place: `get` gives a reference.
//! - `get_ptr_mut` gives a pointer. The kernel keeps the memory until the program ends.
//!
//! Errors are the kernel's, negative `errno` numbers as the helpers return them.

#[macro_use]
mod def;

mod arena;
mod array;
mod bloom_filter;
mod cgroup_array;
mod cgroup_storage;
mod cpu_map;
mod dev_map;
mod hash_map;
pub mod lpm_trie;
mod map_of_maps;
mod per_cpu_array;
mod per_cpu_hash_map;
mod perf_event_array;
mod program_array;
mod queue;
mod redirect;
mod reuse_port_sock_array;
pub mod ring_buf;
mod sock_map;
mod stack;
mod stack_trace;
mod storage;
mod user_ring_buf;
mod xsk_map;

pub use arena::{Arena, ArenaPtr};
pub use array::Array;
pub use bloom_filter::BloomFilter;
pub use cgroup_array::CgroupArray;
pub use cgroup_storage::{CgroupStorage, CgroupStorageKey, PerCpuCgroupStorage};
pub use cpu_map::CpuMap;
pub use def::{MapDef, TypedMap};
pub(crate) use def::{in_place, key};
pub use dev_map::{DevMap, DevMapHash, DevMapValue};
pub use hash_map::{HashMap, LruHashMap};
pub use lpm_trie::LpmTrie;
pub use map_of_maps::{ArrayOfMaps, HashOfMaps};
pub use per_cpu_array::PerCpuArray;
pub use per_cpu_hash_map::{LruPerCpuHashMap, PerCpuHashMap};
pub use perf_event_array::{PerfEventArray, PerfEventByteArray};
pub use program_array::ProgramArray;
pub use queue::Queue;
pub use reuse_port_sock_array::ReusePortSockArray;
pub use ring_buf::RingBuf;
pub use sock_map::{SockHash, SockMap};
pub use stack::Stack;
pub use stack_trace::StackTrace;
pub use storage::{CgrpStorage, InodeStorage, SkStorage, TaskStorage};
pub use user_ring_buf::UserRingBuf;
pub use xsk_map::XskMap;
