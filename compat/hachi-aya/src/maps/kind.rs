//! Types of maps.

use hachi_aya_obj::generated::bpf_map_type;

use super::MapError;

macro_rules! map_types {
    ($($(#[$doc:meta])* $name:ident = $number:literal,)*) => {
        /// The type of a map (`enum bpf_map_type`).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[repr(u32)]
        pub enum MapType {
            $(
                #[doc = concat!("Number ", stringify!($number), " of the kernel.")]
                $name = $number,
            )*
        }

        impl TryFrom<u32> for MapType {
            type Error = MapError;

            fn try_from(number: u32) -> Result<Self, MapError> {
                match number {
                    $($number => Ok(MapType::$name),)*
                    map_type => Err(MapError::InvalidMapType { map_type }),
                }
            }
        }

        #[cfg(test)]
        const ALL: &[MapType] = &[$(MapType::$name),*];
    };
}

map_types! {
    Unspecified = 0,
    Hash = 1,
    Array = 2,
    ProgramArray = 3,
    PerfEventArray = 4,
    PerCpuHash = 5,
    PerCpuArray = 6,
    StackTrace = 7,
    CgroupArray = 8,
    LruHash = 9,
    LruPerCpuHash = 10,
    LpmTrie = 11,
    ArrayOfMaps = 12,
    HashOfMaps = 13,
    DevMap = 14,
    SockMap = 15,
    CpuMap = 16,
    XskMap = 17,
    SockHash = 18,
    CgroupStorage = 19,
    ReuseportSockArray = 20,
    PerCpuCgroupStorage = 21,
    Queue = 22,
    Stack = 23,
    SkStorage = 24,
    DevMapHash = 25,
    StructOps = 26,
    RingBuf = 27,
    InodeStorage = 28,
    TaskStorage = 29,
    BloomFilter = 30,
    UserRingBuf = 31,
    CgrpStorage = 32,
    Arena = 33,
}

impl MapType {
    /// Hachi's name of it; `None` for number 0.
    pub(crate) fn to_hachi(self) -> Option<hachi::maps::MapType> {
        hachi::maps::MapType::from_number(self as u32)
    }
}

impl TryFrom<bpf_map_type> for MapType {
    type Error = MapError;

    fn try_from(map_type: bpf_map_type) -> Result<Self, MapError> {
        MapType::try_from(map_type as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_but_the_first_is_one_of_the_kernel() {
        for kind in ALL {
            assert_eq!(
                kind.to_hachi().is_none(),
                *kind == MapType::Unspecified,
                "{kind:?}"
            );
            assert_eq!(MapType::try_from(*kind as u32).ok(), Some(*kind));
        }
    }
}
