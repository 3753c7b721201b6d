//! A map of an object, by its kind.

use super::{MapData, MapType};

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

        #[cfg(test)]
        const NAMED: &[MapType] = &[$(MapType::$kind),*];

        impl Map {
            /// The variant that the map's type calls for.
            pub fn from_map_data(data: MapData) -> Self {
                match data.map_type() {
                    $(Some(MapType::$kind) => Map::$variant(data),)*
                    _ => Map::Unsupported(data),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_of_the_kernel_has_a_variant() {
        let known = (0..256).filter_map(MapType::from_number);
        let nameless: Vec<MapType> = known.filter(|kind| !NAMED.contains(kind)).collect();
        assert_eq!(nameless, []);
    }
}
