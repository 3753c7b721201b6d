//! Maps: the memory that programs and user space share.
//!
//! An [`Ebpf`](crate::Ebpf) holds its maps as [`Map`] values, which only say what kind they are. A
//! typed view checks kind, key size and value size once, and then reads and writes Rust values:
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

mod array;
mod data;
mod error;
mod hash_map;
mod info;
mod iter;
pub mod lpm_trie;
mod per_cpu_array;
mod per_cpu_hash_map;
mod per_cpu_values;
mod ring_buf;

pub use array::Array;
pub use data::{MapData, MapFd};
pub use error::MapError;
pub use hachi_obj::MapType;
pub use hash_map::HashMap;
pub use info::{MapInfo, loaded_maps};
pub use iter::{Iter, Keys, PerCpuIter, RawIter};
pub use lpm_trie::LpmTrie;
pub use per_cpu_array::PerCpuArray;
pub use per_cpu_hash_map::PerCpuHashMap;
pub use per_cpu_values::PerCpuValues;
#[cfg(feature = "tokio")]
pub use ring_buf::AsyncRingBuf;
pub use ring_buf::{RingBuf, RingBufItem};

/// `BPF_ANY`: create the element or replace its value.
pub const BPF_ANY: u64 = 0;
/// `BPF_NOEXIST`: only create the element.
pub const BPF_NOEXIST: u64 = 1;
/// `BPF_EXIST`: only replace the value.
pub const BPF_EXIST: u64 = 2;

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
}

/// The kernel's name of a map type, also of one that is newer than this crate.
pub(crate) fn type_name(number: u32) -> String {
    match MapType::from_number(number) {
        Some(kind) => kind.name().to_owned(),
        None => format!("map type {number}"),
    }
}

/// `TryFrom` for a typed view (from a map, from references to one, and from bare map data), and the
/// way back. All go through the view's `new`, which checks kind and sizes.
macro_rules! typed_map {
    ($view:ident < $($param:ident),* >) => {
        impl<T: std::borrow::Borrow<$crate::maps::MapData>, $($param: $crate::Pod),*> $view<T, $($param),*> {
            /// The map itself: its name, its description, pinning.
            pub fn map(&self) -> &$crate::maps::MapData {
                self.inner.borrow()
            }
        }
        impl<$($param: $crate::Pod),*> TryFrom<$crate::maps::MapData> for $view<$crate::maps::MapData, $($param),*> {
            type Error = $crate::maps::MapError;
            fn try_from(data: $crate::maps::MapData) -> Result<Self, Self::Error> {
                Self::new(data)
            }
        }
        impl<$($param: $crate::Pod),*> TryFrom<$crate::maps::Map> for $view<$crate::maps::MapData, $($param),*> {
            type Error = $crate::maps::MapError;
            fn try_from(map: $crate::maps::Map) -> Result<Self, Self::Error> {
                Self::new(map.into_data())
            }
        }
        impl<'a, $($param: $crate::Pod),*> TryFrom<&'a $crate::maps::Map> for $view<&'a $crate::maps::MapData, $($param),*> {
            type Error = $crate::maps::MapError;
            fn try_from(map: &'a $crate::maps::Map) -> Result<Self, Self::Error> {
                Self::new(map.data())
            }
        }
        impl<'a, $($param: $crate::Pod),*> TryFrom<&'a mut $crate::maps::Map> for $view<&'a mut $crate::maps::MapData, $($param),*> {
            type Error = $crate::maps::MapError;
            fn try_from(map: &'a mut $crate::maps::Map) -> Result<Self, Self::Error> {
                Self::new(map.data_mut())
            }
        }
    };
}
pub(crate) use typed_map;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_kernel() {
        assert_eq!(type_name(MapType::LruPercpuHash as u32), "lru_percpu_hash");
        assert_eq!(type_name(999), "map type 999");
    }
}
