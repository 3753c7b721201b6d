//! Maps as such, and by type.

use std::{
    borrow::{Borrow, BorrowMut},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    path::Path,
};

use super::{MapError, MapFd, MapInfo};
use crate::pin::PinError;

/// A map of any type: the descriptor, and what is known of it.
#[derive(Debug)]
#[repr(transparent)]
pub struct MapData(pub(crate) hachi::maps::MapData);

impl MapData {
    /// Creates a map of the type that a typed view is for.
    pub(crate) fn create_as(
        kind: hachi::maps::MapType,
        key_size: usize,
        value_size: usize,
        max_entries: u32,
        flags: u32,
    ) -> Result<Self, MapError> {
        let size = |bytes| u32::try_from(bytes).unwrap_or(u32::MAX);
        let (key, value) = (size(key_size), size(value_size));
        let mut spec = hachi::obj::MapSpec::new("", kind, key, value, max_entries);
        spec.flags = flags;
        Ok(MapData(hachi::maps::MapData::from_spec(&spec)?))
    }

    /// Takes over the descriptor of a map.
    ///
    /// # Errors
    /// What the kernel refuses, when it is none.
    pub fn from_fd(fd: OwnedFd) -> Result<Self, MapError> {
        Ok(MapData(hachi::maps::MapData::try_from(fd)?))
    }

    /// Opens the map pinned at `path`.
    ///
    /// # Errors
    /// [`MapError::PinError`] when there is none.
    pub fn from_pin<P: AsRef<Path>>(path: P) -> Result<Self, MapError> {
        let data = hachi::maps::MapData::from_pin(path).map_err(PinError::from)?;
        Ok(MapData(data))
    }

    /// Opens the loaded map with this id. Needs CAP_SYS_ADMIN. Linux ≥ 4.13.
    ///
    /// # Errors
    /// What the kernel refuses: `ENOENT` when there is no such map.
    pub fn from_id(id: u32) -> Result<Self, MapError> {
        Ok(MapData(hachi::maps::MapData::from_id(id)?))
    }

    /// Pins the map, so that it outlives the process.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn pin<P: AsRef<Path>>(&self, path: P) -> Result<(), PinError> {
        Ok(self.0.pin(path)?)
    }

    /// The descriptor.
    pub fn fd(&self) -> &MapFd {
        self.0.fd()
    }

    /// What the kernel says about the map.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn info(&self) -> Result<MapInfo, MapError> {
        Ok(MapInfo::new(self.0.info()?))
    }

    pub(crate) fn map_type(&self) -> u32 {
        self.0.map_type().map_or(u32::MAX, |kind| kind as u32)
    }
}

impl AsFd for MapData {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for MapData {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// What holds a map of ours, as Hachi's views want it.
#[derive(Debug)]
pub struct Held<T>(pub(crate) T);

impl<T: Borrow<MapData>> Borrow<hachi::maps::MapData> for Held<T> {
    fn borrow(&self) -> &hachi::maps::MapData {
        &self.0.borrow().0
    }
}

impl<T: BorrowMut<MapData>> BorrowMut<hachi::maps::MapData> for Held<T> {
    fn borrow_mut(&mut self) -> &mut hachi::maps::MapData {
        &mut self.0.borrow_mut().0
    }
}

macro_rules! maps {
    ($($variant:ident = $kind:ident,)*) => {
        /// A map of an object, by type. Turn it into its typed view with `TryFrom`.
        #[derive(Debug)]
        pub enum Map {
            $(
                #[doc = concat!("`MapType::", stringify!($kind), "` of the kernel.")]
                $variant(MapData),
            )*
            /// A type that Aya has no view for.
            Unsupported(MapData),
        }

        impl Map {
            /// The variant for the map's type.
            ///
            /// # Errors
            /// None: types without a variant are [`Map::Unsupported`].
            pub fn from_map_data(data: MapData) -> Result<Self, MapError> {
                use hachi::maps::MapType as Kind;
                Ok(match data.0.map_type() {
                    $(Some(Kind::$kind) => Map::$variant(data),)*
                    _ => Map::Unsupported(data),
                })
            }

            pub(crate) fn data(&self) -> &MapData {
                match self {
                    $(Map::$variant(data) => data,)*
                    Map::Unsupported(data) => data,
                }
            }

            pub(crate) fn data_mut(&mut self) -> &mut MapData {
                match self {
                    $(Map::$variant(data) => data,)*
                    Map::Unsupported(data) => data,
                }
            }

            pub(crate) fn into_data(self) -> MapData {
                match self {
                    $(Map::$variant(data) => data,)*
                    Map::Unsupported(data) => data,
                }
            }
        }
    };
}

maps! {
    Array = Array,
    ArrayOfMaps = ArrayOfMaps,
    BloomFilter = BloomFilter,
    CgroupArray = CgroupArray,
    CgroupStorage = CgroupStorage,
    CgrpStorage = CgrpStorage,
    CpuMap = Cpumap,
    DevMap = Devmap,
    DevMapHash = DevmapHash,
    HashMap = Hash,
    HashOfMaps = HashOfMaps,
    InodeStorage = InodeStorage,
    LpmTrie = LpmTrie,
    LruHashMap = LruHash,
    PerCpuArray = PercpuArray,
    PerCpuCgroupStorage = PercpuCgroupStorage,
    PerCpuHashMap = PercpuHash,
    PerCpuLruHashMap = LruPercpuHash,
    PerfEventArray = PerfEventArray,
    ProgramArray = ProgArray,
    Queue = Queue,
    ReusePortSockArray = ReuseportSockarray,
    RingBuf = Ringbuf,
    SkStorage = SkStorage,
    SockHash = Sockhash,
    SockMap = Sockmap,
    Stack = Stack,
    StackTraceMap = StackTrace,
    XskMap = Xskmap,
}

impl Map {
    /// Pins the map, so that it outlives the process.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn pin<P: AsRef<Path>>(&self, path: P) -> Result<(), PinError> {
        self.data().pin(path)
    }
}
