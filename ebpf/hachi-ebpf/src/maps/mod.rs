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
//! `get` gives a reference to the value in the map itself. Another CPU, or user space, may write
//! the value at the same time, and its entry may be removed and used for another key; the reference
//! then shows the new contents. The kernel keeps the memory itself alive until the program ends, so
//! such a reference is never a dangling one. Let values be [`Pod`](crate::Pod), for which any bytes
//! will do, and copy what must not change underneath you. `get_ptr_mut` gives a pointer to write
//! through.
//!
//! Errors are the kernel's, negative `errno` numbers as the helpers return them.

#[macro_use]
mod def;

mod arena;
mod array;
mod bloom_filter;
mod cgroup_array;
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
pub use cpu_map::CpuMap;
pub use def::{MapDef, TypedMap};
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
