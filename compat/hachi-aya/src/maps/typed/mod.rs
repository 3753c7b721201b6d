//! Typed views of maps. Each is Hachi's of the same name, with Aya's signatures and errors.
//!
//! Aya compares sizes only, so keys and values go to Hachi as [`Plain`]: bytes of a size.

use std::{
    borrow::{Borrow, BorrowMut},
    io,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
    path::Path,
};

use hachi::maps::MapType as Kind;

use super::{Map, MapData, MapError, MapFd, data::Held};
use crate::{Pod, pin::PinError, programs::ProgramFd};

/// A value whose layout is nobody's business.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct Plain<T>(T);

// SAFETY: as its only field. The layout stays unknown, which is the point.
unsafe impl<T: Pod> Pod for Plain<T> {}

impl<T> Plain<T> {
    fn of(value: &T) -> &Self {
        // SAFETY: `repr(transparent)`: a reference to the one is a reference to the other.
        unsafe { &*(value as *const T).cast() }
    }
}

/// Any socket, cgroup or inode that has a descriptor, as Aya takes it.
fn borrowed(fd: &impl AsRawFd) -> Result<BorrowedFd<'_>, MapError> {
    let number = fd.as_raw_fd();
    if number < 0 {
        return Err(MapError::SyscallError(crate::sys::SyscallError {
            call: "bpf_map_update_elem",
            io_error: io::Error::from_raw_os_error(libc::EBADF),
        }));
    }
    // SAFETY: not -1, and used during this borrow of what has it.
    Ok(unsafe { BorrowedFd::borrow_raw(number) })
}

/// Lets maps of maps hand out their maps as one type of map.
pub trait FromMapData: Sized {
    /// The view of `data`.
    #[doc(hidden)]
    fn from_map_data(data: MapData) -> Result<Self, MapError>;
}

/// What can be put into a map of maps.
pub trait InnerMap {
    /// The map.
    #[doc(hidden)]
    fn inner_data(&self) -> &MapData;
}

impl FromMapData for MapData {
    fn from_map_data(data: MapData) -> Result<Self, MapError> {
        Ok(data)
    }
}

impl InnerMap for MapData {
    fn inner_data(&self) -> &MapData {
        self
    }
}

/// The struct of a view, the ways to it from a map, and what all have.
macro_rules! views {
    ($($(#[$doc:meta])* $view:ident<$($param:ident),*> = $hachi:ty;)*) => { $(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $view<T, $($param: Pod),*>($hachi, PhantomData<(T, $($param),*)>);

        impl<T: Borrow<MapData>, $($param: Pod),*> $view<T, $($param),*> {
            fn new(map: T) -> Result<Self, MapError> {
                let map_type = map.borrow().map_type();
                match <$hachi>::new(Held(map)) {
                    Ok(view) => Ok($view(view, PhantomData)),
                    Err(hachi::maps::MapError::InvalidMapType { .. }) => {
                        Err(MapError::InvalidMapType { map_type })
                    }
                    Err(error) => Err(error.into()),
                }
            }

            /// Pins the map, so that it outlives the process.
            ///
            /// # Errors
            /// What the system refuses.
            pub fn pin<P: AsRef<Path>>(self, path: P) -> Result<(), PinError> {
                Ok(self.0.map().pin(path)?)
            }
        }

        impl<$($param: Pod),*> TryFrom<Map> for $view<MapData, $($param),*> {
            type Error = MapError;

            fn try_from(map: Map) -> Result<Self, MapError> {
                Self::new(map.into_data())
            }
        }

        impl<'a, $($param: Pod),*> TryFrom<&'a Map> for $view<&'a MapData, $($param),*> {
            type Error = MapError;

            fn try_from(map: &'a Map) -> Result<Self, MapError> {
                Self::new(map.data())
            }
        }

        impl<'a, $($param: Pod),*> TryFrom<&'a mut Map> for $view<&'a mut MapData, $($param),*> {
            type Error = MapError;

            fn try_from(map: &'a mut Map) -> Result<Self, MapError> {
                Self::new(map.data_mut())
            }
        }

        impl<$($param: Pod),*> FromMapData for $view<MapData, $($param),*> {
            fn from_map_data(data: MapData) -> Result<Self, MapError> {
                Self::new(data)
            }
        }
    )* };
}

views! {
    /// Values by index.
    Array<V> = hachi::maps::Array<Held<T>, Plain<V>>;
    /// A set that may say yes wrongly. Linux ≥ 5.16.
    BloomFilter<V> = hachi::maps::BloomFilter<Held<T>, Plain<V>>;
    /// Cgroups by index.
    CgroupArray<> = hachi::maps::CgroupArray<Held<T>>;
    /// A value for each cgroup that a program is attached to.
    CgroupStorage<V> = hachi::maps::CgroupStorage<Held<T>, Plain<CgroupStorageKey>, Plain<V>>;
    /// As [`CgroupStorage`], with one value for each CPU.
    PerCpuCgroupStorage<V> =
        hachi::maps::PerCpuCgroupStorage<Held<T>, Plain<CgroupStorageKey>, Plain<V>>;
    /// Values of cgroups. Linux ≥ 6.2.
    CgrpStorage<V> = hachi::maps::CgrpStorage<Held<T>, Plain<V>>;
    /// CPUs that XDP programs redirect packets to.
    CpuMap<> = hachi::maps::CpuMap<Held<T>>;
    /// Interfaces that XDP programs redirect packets to, by index.
    DevMap<> = hachi::maps::DevMap<Held<T>>;
    /// Interfaces that XDP programs redirect packets to, by key.
    DevMapHash<> = hachi::maps::DevMapHash<Held<T>>;
    /// A hash table.
    HashMap<K, V> = hachi::maps::HashMap<Held<T>, Plain<K>, Plain<V>>;
    /// Values of inodes. Linux ≥ 5.10.
    InodeStorage<V> = hachi::maps::InodeStorage<Held<T>, Plain<V>>;
    /// Values by prefixes: the longest that fits is found.
    LpmTrie<K, V> = hachi::maps::lpm_trie::LpmTrie<Held<T>, Plain<K>, Plain<V>>;
    /// One value for each CPU, by index.
    PerCpuArray<V> = hachi::maps::PerCpuArray<Held<T>, Plain<V>>;
    /// A hash table with one value for each CPU.
    PerCpuHashMap<K, V> = hachi::maps::PerCpuHashMap<Held<T>, Plain<K>, Plain<V>>;
    /// Programs by index, for tail calls.
    ProgramArray<> = hachi::maps::ProgramArray<Held<T>>;
    /// First in, first out.
    Queue<V> = hachi::maps::Queue<Held<T>, Plain<V>>;
    /// Sockets that share an address.
    ReusePortSockArray<> = hachi::maps::ReusePortSockArray<Held<T>>;
    /// Values of sockets.
    SkStorage<V> = hachi::maps::SkStorage<Held<T>, Plain<V>>;
    /// Sockets by key.
    SockHash<K> = hachi::maps::SockHash<Held<T>, Plain<K>>;
    /// Sockets by index.
    SockMap<> = hachi::maps::SockMap<Held<T>>;
    /// Last in, first out.
    Stack<V> = hachi::maps::Stack<Held<T>, Plain<V>>;
    /// Stacks of calls by number.
    StackTraceMap<> = hachi::maps::StackTraceMap<Held<T>>;
    /// AF_XDP sockets by index.
    XskMap<> = hachi::maps::XskMap<Held<T>>;
}

macro_rules! inner_maps {
    ($($view:ident<$($param:ident),*>)*) => { $(
        impl<T: Borrow<MapData>, $($param: Pod),*> InnerMap for $view<T, $($param),*> {
            fn inner_data(&self) -> &MapData {
                // `map` of Hachi's views gives the `MapData` inside ours.
                MapData::of(self.0.map())
            }
        }
    )* };
}

inner_maps! { Array<V> BloomFilter<V> HashMap<K, V> LpmTrie<K, V> PerCpuArray<V>
PerCpuHashMap<K, V> Queue<V> Stack<V> }

impl MapData {
    fn of(data: &hachi::maps::MapData) -> &Self {
        // SAFETY: `MapData` is `repr(transparent)` around Hachi's.
        unsafe { &*(data as *const hachi::maps::MapData).cast() }
    }
}

/// Maps that are created without an object.
macro_rules! create {
    ($($view:ident<$($param:ident),*> = $kind:ident($key:expr, $value:expr);)*) => { $(
        impl<$($param: Pod),*> $view<MapData, $($param),*> {
            /// Creates a map of this capacity, with these flags (`BPF_F_…`).
            ///
            /// # Errors
            /// [`MapError::CreateError`].
            pub fn create(max_entries: u32, flags: u32) -> Result<Self, MapError> {
                Self::new(MapData::create_as(Kind::$kind, $key, $value, max_entries, flags)?)
            }
        }
    )* };
}

create! {
    Array<V> = Array(4, size_of::<V>());
    BloomFilter<V> = BloomFilter(0, size_of::<V>());
    HashMap<K, V> = Hash(size_of::<K>(), size_of::<V>());
    LpmTrie<K, V> = LpmTrie(4 + size_of::<K>(), size_of::<V>());
    PerCpuArray<V> = PercpuArray(4, size_of::<V>());
    PerCpuHashMap<K, V> = PercpuHash(size_of::<K>(), size_of::<V>());
    Queue<V> = Queue(0, size_of::<V>());
    Stack<V> = Stack(0, size_of::<V>());
}

/// A map whose elements can be listed.
pub trait IterableMap<K: Pod, V> {
    /// The map.
    fn map(&self) -> &MapData;

    /// The value of a key.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`] when it has none (any more), and what the kernel refuses.
    fn get(&self, key: &K) -> Result<V, MapError>;
}

/// The keys of a map.
pub struct MapKeys<'coll, K: Pod> {
    inner: Box<dyn Iterator<Item = Result<K, MapError>> + 'coll>,
}

impl<'coll, K: Pod> MapKeys<'coll, K> {
    fn new<E: Into<MapError>>(keys: impl Iterator<Item = Result<K, E>> + 'coll) -> Self {
        MapKeys {
            inner: Box::new(keys.map(|key| key.map_err(Into::into))),
        }
    }
}

impl<K: Pod> Iterator for MapKeys<'_, K> {
    type Item = Result<K, MapError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.inner.next()
    }
}

/// The elements of a map.
pub struct MapIter<'coll, K: Pod, V, I: IterableMap<K, V>> {
    keys: MapKeys<'coll, K>,
    map: &'coll I,
    _value: PhantomData<V>,
}

impl<K: Pod, V, I: IterableMap<K, V>> Iterator for MapIter<'_, K, V, I> {
    type Item = Result<(K, V), MapError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let key = match self.keys.next()? {
                Ok(key) => key,
                Err(error) => return Some(Err(error)),
            };
            match self.map.get(&key) {
                Ok(value) => return Some(Ok((key, value))),
                // Removed since its key was read.
                Err(MapError::KeyNotFound) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// One value for each possible CPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PerCpuValues<T: Pod> {
    values: Box<[T]>,
}

impl<T: Pod> TryFrom<Vec<T>> for PerCpuValues<T> {
    type Error = io::Error;

    fn try_from(values: Vec<T>) -> Result<Self, io::Error> {
        let possible = hachi::util::nr_cpus()?;
        if values.len() != possible {
            let text = format!("{} values for {possible} possible CPUs", values.len());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Ok(PerCpuValues {
            values: values.into_boxed_slice(),
        })
    }
}

impl<T: Pod> Deref for PerCpuValues<T> {
    type Target = Box<[T]>;

    fn deref(&self) -> &Self::Target {
        &self.values
    }
}

impl<T: Pod> DerefMut for PerCpuValues<T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.values
    }
}

impl<T: Pod> From<hachi::maps::PerCpuValues<Plain<T>>> for PerCpuValues<T> {
    fn from(values: hachi::maps::PerCpuValues<Plain<T>>) -> Self {
        PerCpuValues {
            values: values.iter().map(|value| value.0).collect(),
        }
    }
}

impl<T: Pod> PerCpuValues<T> {
    fn into_hachi(self) -> Result<hachi::maps::PerCpuValues<Plain<T>>, MapError> {
        let values: Vec<_> = self.values.iter().map(|value| Plain(*value)).collect();
        values.try_into().map_err(|io_error| {
            MapError::SyscallError(crate::sys::SyscallError {
                call: "bpf_map_update_elem",
                io_error,
            })
        })
    }
}

/// Methods of hash tables and the like; `$key` is how the view names a key.
macro_rules! table {
    ($view:ident, $key:ty, $value:ty) => {
        impl<T: Borrow<MapData>, K: Pod, V: Pod> $view<T, K, V> {
            /// All elements. Those that come and go meanwhile may be missed or seen twice.
            pub fn iter(&self) -> MapIter<'_, $key, $value, Self> {
                MapIter {
                    keys: self.keys(),
                    map: self,
                    _value: PhantomData,
                }
            }
        }

        impl<T: Borrow<MapData>, K: Pod, V: Pod> IterableMap<$key, $value> for $view<T, K, V> {
            fn map(&self) -> &MapData {
                MapData::of(self.0.map())
            }

            fn get(&self, key: &$key) -> Result<$value, MapError> {
                $view::get(self, key, 0)
            }
        }

        impl<'a, T: Borrow<MapData>, K: Pod, V: Pod> IntoIterator for &'a $view<T, K, V> {
            type Item = Result<($key, $value), MapError>;
            type IntoIter = MapIter<'a, $key, $value, $view<T, K, V>>;

            fn into_iter(self) -> Self::IntoIter {
                self.iter()
            }
        }
    };
}

/// An element that is not there has no key either in these maps.
fn no_element(error: MapError) -> MapError {
    match error {
        MapError::KeyNotFound => MapError::ElementNotFound,
        other => other,
    }
}

// Below the macro that some of them use.
mod array;
mod bloom_filter;
mod cgroup_array;
mod cgroup_storage;
mod hash_map;
mod lpm_trie;
mod of_maps;
mod program_array;
mod queue;
mod ring_buf;
mod sock;
mod stack_trace;
mod storage;
mod xdp;
mod xsk_map;

pub use cgroup_storage::CgroupStorageKey;
pub use of_maps::{ArrayOfMaps, HashOfMaps};
pub use ring_buf::{RingBuf, RingBufItem};
pub use sock::SockMapFd;
pub use xdp::{CpuMapValue, DevMapValue, XdpMapError};
