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

impl<T: Borrow<MapData>, V: Pod> Array<T, V> {
    /// How many elements there are.
    #[expect(clippy::len_without_is_empty, reason = "an array is never empty")]
    pub fn len(&self) -> u32 {
        self.0.len()
    }

    /// The value at `index`.
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`], and what the kernel refuses.
    pub fn get(&self, index: &u32, flags: u64) -> Result<V, MapError> {
        Ok(self.0.get(index, flags)?.0)
    }

    /// All values, by index.
    pub fn iter(&self) -> impl Iterator<Item = Result<V, MapError>> + '_ {
        (0..self.len()).map(|index| self.get(&index, 0))
    }
}

impl<T: BorrowMut<MapData>, V: Pod> Array<T, V> {
    /// Writes the value at `index`.
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`], and what the kernel refuses.
    pub fn set(&mut self, index: u32, value: impl Borrow<V>, flags: u64) -> Result<(), MapError> {
        Ok(self.0.set(index, Plain::of(value.borrow()), flags)?)
    }
}

impl<T: Borrow<MapData>, V: Pod> PerCpuArray<T, V> {
    /// How many elements there are.
    #[expect(clippy::len_without_is_empty, reason = "an array is never empty")]
    pub fn len(&self) -> u32 {
        self.0.len()
    }

    /// The values at `index`.
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`], and what the kernel refuses.
    pub fn get(&self, index: &u32, flags: u64) -> Result<PerCpuValues<V>, MapError> {
        Ok(self.0.get(index, flags)?.into())
    }

    /// All values, by index.
    pub fn iter(&self) -> impl Iterator<Item = Result<PerCpuValues<V>, MapError>> + '_ {
        (0..self.len()).map(|index| self.get(&index, 0))
    }
}

impl<T: BorrowMut<MapData>, V: Pod> PerCpuArray<T, V> {
    /// Writes the values at `index`.
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`], and what the kernel refuses.
    pub fn set(&mut self, index: u32, values: PerCpuValues<V>, flags: u64) -> Result<(), MapError> {
        Ok(self.0.set(index, values.into_hachi()?, flags)?)
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

table!(HashMap, K, V);
table!(PerCpuHashMap, K, PerCpuValues<V>);
table!(LpmTrie, hachi::maps::lpm_trie::Key<K>, V);

impl<T: Borrow<MapData>, K: Pod, V: Pod> HashMap<T, K, V> {
    /// The value of `key`.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`], and what the kernel refuses.
    pub fn get(&self, key: &K, flags: u64) -> Result<V, MapError> {
        Ok(self.0.get(Plain::of(key), flags)?.0)
    }

    /// All keys.
    pub fn keys(&self) -> MapKeys<'_, K> {
        MapKeys::new(self.0.keys().map(|key| key.map(|key| key.0)))
    }
}

impl<T: BorrowMut<MapData>, K: Pod, V: Pod> HashMap<T, K, V> {
    /// Gives `key` a value. `flags`: 0, `BPF_NOEXIST` or `BPF_EXIST`.
    ///
    /// # Errors
    /// What the kernel refuses: `E2BIG` when the map is full.
    pub fn insert(
        &mut self,
        key: impl Borrow<K>,
        value: impl Borrow<V>,
        flags: u64,
    ) -> Result<(), MapError> {
        let (key, value) = (Plain::of(key.borrow()), Plain::of(value.borrow()));
        Ok(self.0.insert(key, value, flags)?)
    }

    /// Removes `key`.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`], and what the kernel refuses.
    pub fn remove(&mut self, key: &K) -> Result<(), MapError> {
        Ok(self.0.remove(Plain::of(key))?)
    }
}

impl<T: Borrow<MapData>, K: Pod, V: Pod> PerCpuHashMap<T, K, V> {
    /// The values of `key`.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`], and what the kernel refuses.
    pub fn get(&self, key: &K, flags: u64) -> Result<PerCpuValues<V>, MapError> {
        Ok(self.0.get(Plain::of(key), flags)?.into())
    }

    /// All keys.
    pub fn keys(&self) -> MapKeys<'_, K> {
        MapKeys::new(self.0.keys().map(|key| key.map(|key| key.0)))
    }
}

impl<T: BorrowMut<MapData>, K: Pod, V: Pod> PerCpuHashMap<T, K, V> {
    /// Gives `key` values. `flags`: 0, `BPF_NOEXIST` or `BPF_EXIST`.
    ///
    /// # Errors
    /// What the kernel refuses: `E2BIG` when the map is full.
    pub fn insert(
        &mut self,
        key: impl Borrow<K>,
        values: PerCpuValues<V>,
        flags: u64,
    ) -> Result<(), MapError> {
        let values = values.into_hachi()?;
        Ok(self.0.insert(Plain::of(key.borrow()), values, flags)?)
    }

    /// Removes `key`.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`], and what the kernel refuses.
    pub fn remove(&mut self, key: &K) -> Result<(), MapError> {
        Ok(self.0.remove(Plain::of(key))?)
    }
}

use hachi::maps::lpm_trie::Key;

impl<T: Borrow<MapData>, K: Pod, V: Pod> LpmTrie<T, K, V> {
    /// The value of the longest prefix that fits `key`.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`], and what the kernel refuses.
    pub fn get(&self, key: &Key<K>, flags: u64) -> Result<V, MapError> {
        let key = Key::new(key.prefix_len(), Plain(key.data()));
        Ok(self.0.get(&key, flags)?.0)
    }

    /// All prefixes.
    pub fn keys(&self) -> MapKeys<'_, Key<K>> {
        let keys = self.0.keys();
        MapKeys::new(keys.map(|key| key.map(|key| Key::new(key.prefix_len(), key.data().0))))
    }
}

impl<T: BorrowMut<MapData>, K: Pod, V: Pod> LpmTrie<T, K, V> {
    /// Gives a prefix a value. `flags`: 0, `BPF_NOEXIST` or `BPF_EXIST`.
    ///
    /// # Errors
    /// What the kernel refuses: `ENOSPC` when the map is full.
    pub fn insert(
        &mut self,
        key: &Key<K>,
        value: impl Borrow<V>,
        flags: u64,
    ) -> Result<(), MapError> {
        let key = Key::new(key.prefix_len(), Plain(key.data()));
        Ok(self.0.insert(&key, Plain::of(value.borrow()), flags)?)
    }

    /// Removes a prefix.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`], and what the kernel refuses.
    pub fn remove(&mut self, key: &Key<K>) -> Result<(), MapError> {
        let key = Key::new(key.prefix_len(), Plain(key.data()));
        Ok(self.0.remove(&key)?)
    }
}

impl<T: Borrow<MapData>, V: Pod> BloomFilter<T, V> {
    /// Whether `value` may have been added.
    ///
    /// # Errors
    /// [`MapError::ElementNotFound`] when it was surely not, and what the kernel refuses.
    pub fn contains(&self, value: impl Borrow<V>, flags: u64) -> Result<(), MapError> {
        let found = self.0.contains(Plain::of(value.borrow()), flags);
        found.map_err(MapError::from).map_err(no_element)
    }
}

impl<T: BorrowMut<MapData>, V: Pod> BloomFilter<T, V> {
    /// Adds a value.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn insert(&mut self, value: impl Borrow<V>, flags: u64) -> Result<(), MapError> {
        Ok(self.0.insert(Plain::of(value.borrow()), flags)?)
    }
}

/// An element that is not there has no key either in these maps.
fn no_element(error: MapError) -> MapError {
    match error {
        MapError::KeyNotFound => MapError::ElementNotFound,
        other => other,
    }
}

macro_rules! lines {
    ($($view:ident)*) => { $(
        impl<T: Borrow<MapData>, V: Pod> $view<T, V> {
            /// How many values there is room for.
            pub fn capacity(&self) -> u32 {
                self.0.capacity()
            }
        }

        impl<T: BorrowMut<MapData>, V: Pod> $view<T, V> {
            /// Takes the next value out.
            ///
            /// # Errors
            /// [`MapError::ElementNotFound`] when there is none, and what the kernel refuses.
            pub fn pop(&mut self, flags: u64) -> Result<V, MapError> {
                match self.0.pop(flags) {
                    Ok(value) => Ok(value.0),
                    Err(error) => Err(no_element(error.into())),
                }
            }

            /// Puts a value in. `flags`: 0, or `BPF_EXIST` to push the oldest out of a full one.
            ///
            /// # Errors
            /// What the kernel refuses: `E2BIG` when it is full.
            pub fn push(&mut self, value: impl Borrow<V>, flags: u64) -> Result<(), MapError> {
                Ok(self.0.push(Plain::of(value.borrow()), flags)?)
            }
        }
    )* };
}

lines! { Queue Stack }

macro_rules! storages {
    ($($view:ident)*) => { $(
        impl<T: Borrow<MapData>, V: Pod> $view<T, V> {
            /// The value of what the descriptor stands for.
            ///
            /// # Errors
            /// [`MapError::KeyNotFound`] when it has none, and what the kernel refuses.
            pub fn get(&self, fd: &impl AsRawFd, flags: u64) -> Result<V, MapError> {
                match self.0.get(borrowed(fd)?, flags)? {
                    Some(value) => Ok(value.0),
                    None => Err(MapError::KeyNotFound),
                }
            }
        }

        impl<T: BorrowMut<MapData>, V: Pod> $view<T, V> {
            /// Gives what the descriptor stands for a value.
            ///
            /// # Errors
            /// What the kernel refuses.
            pub fn insert(
                &mut self,
                fd: &impl AsRawFd,
                value: impl Borrow<V>,
                flags: u64,
            ) -> Result<(), MapError> {
                Ok(self.0.insert(borrowed(fd)?, Plain::of(value.borrow()), flags)?)
            }

            /// Removes the value of what the descriptor stands for.
            ///
            /// # Errors
            /// [`MapError::KeyNotFound`] when it has none, and what the kernel refuses.
            pub fn remove(&mut self, fd: &impl AsRawFd) -> Result<(), MapError> {
                Ok(self.0.remove(borrowed(fd)?)?)
            }
        }
    )* };
}

storages! { CgrpStorage InodeStorage SkStorage }

/// The key of [`CgroupStorage`]: `struct bpf_cgroup_storage_key`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct CgroupStorageKey {
    cgroup_inode_id: u64,
    attach_type: u32,
    padding: u32,
}

// SAFETY: integers, without padding other than the named.
unsafe impl Pod for CgroupStorageKey {}

impl CgroupStorageKey {
    /// Of the cgroup with this inode number, for programs of this attach type.
    pub const fn new(cgroup_inode_id: u64, attach_type: u32) -> Self {
        CgroupStorageKey {
            cgroup_inode_id,
            attach_type,
            padding: 0,
        }
    }
}

impl<T: Borrow<MapData>, V: Pod> CgroupStorage<T, V> {
    /// The value of an attachment.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`] when there is none, and what the kernel refuses.
    pub fn get(&self, key: CgroupStorageKey, flags: u64) -> Result<V, MapError> {
        let value = self.0.get(&Plain(key), flags)?;
        value.map(|value| value.0).ok_or(MapError::KeyNotFound)
    }
}

impl<T: BorrowMut<MapData>, V: Pod> CgroupStorage<T, V> {
    /// Changes the value of an attachment. The kernel takes no flags here.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`] when there is none, and what the kernel refuses.
    pub fn insert(
        &mut self,
        key: CgroupStorageKey,
        value: impl Borrow<V>,
        _flags: u64,
    ) -> Result<(), MapError> {
        Ok(self.0.set(&Plain(key), Plain::of(value.borrow()))?)
    }
}

impl<T: Borrow<MapData>, V: Pod> PerCpuCgroupStorage<T, V> {
    /// The values of an attachment.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`] when there is none, and what the kernel refuses.
    pub fn get(&self, key: CgroupStorageKey, flags: u64) -> Result<PerCpuValues<V>, MapError> {
        let values = self.0.get(&Plain(key), flags)?;
        values.map(Into::into).ok_or(MapError::KeyNotFound)
    }
}

impl<T: BorrowMut<MapData>> CgroupArray<T> {
    /// Puts a cgroup at `index`.
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`], and what the kernel refuses.
    pub fn set(&mut self, index: u32, cgroup: impl AsRawFd, flags: u64) -> Result<(), MapError> {
        Ok(self.0.set(index, borrowed(&cgroup)?, flags)?)
    }

    /// Empties `index`.
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`], and what the kernel refuses.
    pub fn unset(&mut self, index: u32) -> Result<(), MapError> {
        Ok(self.0.clear_index(&index)?)
    }
}

impl<T: Borrow<MapData>> CgroupArray<T> {
    /// How many there is room for.
    #[expect(clippy::len_without_is_empty, reason = "it counts places, not cgroups")]
    pub fn len(&self) -> u32 {
        self.0.map().max_entries()
    }
}

impl<T: Borrow<MapData>> XskMap<T> {
    /// How many there is room for.
    #[expect(clippy::len_without_is_empty, reason = "it counts places, not sockets")]
    pub fn len(&self) -> u32 {
        self.0.map().max_entries()
    }
}

impl<T: BorrowMut<MapData>> XskMap<T> {
    /// Puts a socket at `index`.
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`], and what the kernel refuses.
    pub fn set(&mut self, index: u32, socket: impl AsRawFd, flags: u64) -> Result<(), MapError> {
        Ok(self.0.set(index, borrowed(&socket)?, flags)?)
    }

    /// Empties `index`.
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`], and what the kernel refuses.
    pub fn unset(&mut self, index: u32) -> Result<(), MapError> {
        Ok(self.0.clear_index(&index)?)
    }
}

impl<T: Borrow<MapData>> ProgramArray<T> {
    /// All indices, filled or not.
    pub fn indices(&self) -> MapKeys<'_, u32> {
        MapKeys::new(self.0.indices())
    }
}

impl<T: BorrowMut<MapData>> ProgramArray<T> {
    /// Puts a program at `index`.
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`], and what the kernel refuses: a program of another type.
    pub fn set(&mut self, index: u32, program: &ProgramFd, flags: u64) -> Result<(), MapError> {
        Ok(self.0.set(index, program, flags)?)
    }

    /// Empties `index`.
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`], [`MapError::KeyNotFound`], and what the kernel refuses.
    pub fn clear_index(&mut self, index: &u32) -> Result<(), MapError> {
        Ok(self.0.clear_index(index)?)
    }
}

/// The descriptor of a map of sockets, which programs are attached to.
#[derive(Debug)]
#[repr(transparent)]
pub struct SockMapFd(MapFd);

impl SockMapFd {
    fn of(fd: &MapFd) -> &Self {
        // SAFETY: `repr(transparent)`: a reference to the one is a reference to the other.
        unsafe { &*(fd as *const MapFd).cast() }
    }

    /// A descriptor of its own for the same map.
    ///
    /// # Errors
    /// The system's, when the process has too many open files.
    pub fn try_clone(&self) -> io::Result<Self> {
        self.0.try_clone().map(SockMapFd)
    }
}

impl AsFd for SockMapFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl<T: Borrow<MapData>> SockMap<T> {
    /// The descriptor, which programs are attached to.
    pub fn fd(&self) -> &SockMapFd {
        SockMapFd::of(self.0.fd())
    }
}

impl<T: Borrow<MapData>, K: Pod> SockHash<T, K> {
    /// The descriptor, which programs are attached to.
    pub fn fd(&self) -> &SockMapFd {
        SockMapFd::of(self.0.map().fd())
    }

    /// All keys.
    pub fn keys(&self) -> MapKeys<'_, K> {
        MapKeys::new(self.0.keys().map(|key| key.map(|key| key.0)))
    }
}

impl<T: BorrowMut<MapData>, K: Pod> SockHash<T, K> {
    /// Puts a socket at `key`.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn insert<I: AsRawFd>(
        &mut self,
        key: impl Borrow<K>,
        value: I,
        flags: u64,
    ) -> Result<(), MapError> {
        Ok(self
            .0
            .insert(Plain::of(key.borrow()), borrowed(&value)?, flags)?)
    }

    /// Removes `key`.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`], and what the kernel refuses.
    pub fn remove(&mut self, key: &K) -> Result<(), MapError> {
        Ok(self.0.remove(Plain::of(key))?)
    }
}

macro_rules! sockets {
    ($($view:ident)*) => { $(
        impl<T: Borrow<MapData>> $view<T> {
            /// All indices, filled or not.
            pub fn indices(&self) -> MapKeys<'_, u32> {
                MapKeys::new(self.0.indices())
            }
        }

        impl<T: BorrowMut<MapData>> $view<T> {
            /// Puts a socket at `index`.
            ///
            /// # Errors
            /// [`MapError::OutOfBounds`], and what the kernel refuses.
            pub fn set<I: AsRawFd>(
                &mut self,
                index: u32,
                socket: &I,
                flags: u64,
            ) -> Result<(), MapError> {
                Ok(self.0.set(index, borrowed(socket)?, flags)?)
            }

            /// Empties `index`.
            ///
            /// # Errors
            /// [`MapError::OutOfBounds`], and what the kernel refuses.
            pub fn clear_index(&mut self, index: &u32) -> Result<(), MapError> {
                Ok(self.0.clear_index(index)?)
            }
        }
    )* };
}

sockets! { SockMap ReusePortSockArray }

impl<T: Borrow<MapData>> StackTraceMap<T> {
    /// The stack with this number.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`], and what the kernel refuses.
    pub fn get(&self, stack_id: &u32, flags: u64) -> Result<hachi::maps::StackTrace, MapError> {
        Ok(self.0.get(stack_id, flags)?)
    }

    /// The numbers of all stacks.
    pub fn stack_ids(&self) -> MapKeys<'_, u32> {
        MapKeys::new(self.0.stack_ids())
    }

    /// All stacks.
    pub fn iter(&self) -> MapIter<'_, u32, hachi::maps::StackTrace, Self> {
        MapIter {
            keys: self.stack_ids(),
            map: self,
            _value: PhantomData,
        }
    }
}

impl<T: Borrow<MapData>> IterableMap<u32, hachi::maps::StackTrace> for StackTraceMap<T> {
    fn map(&self) -> &MapData {
        MapData::of(self.0.map())
    }

    fn get(&self, key: &u32) -> Result<hachi::maps::StackTrace, MapError> {
        StackTraceMap::get(self, key, 0)
    }
}

impl<'a, T: Borrow<MapData>> IntoIterator for &'a StackTraceMap<T> {
    type Item = Result<(u32, hachi::maps::StackTrace), MapError>;
    type IntoIter = MapIter<'a, u32, hachi::maps::StackTrace, StackTraceMap<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: BorrowMut<MapData>> StackTraceMap<T> {
    /// Removes a stack.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`], and what the kernel refuses.
    pub fn remove(&mut self, stack_id: &u32) -> Result<(), MapError> {
        Ok(self.0.remove(stack_id)?)
    }
}

/// An error of maps that XDP programs redirect to.
#[derive(Debug)]
pub enum XdpMapError {
    /// The kernel does not run a program on redirected packets (Linux < 5.8).
    ChainedProgramNotSupported,
    /// What goes for all maps.
    MapError(MapError),
}

impl std::fmt::Display for XdpMapError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            XdpMapError::ChainedProgramNotSupported => f.write_str(
                "the map's values have no room for a program, so none can run on redirected \
                 packets",
            ),
            XdpMapError::MapError(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for XdpMapError {}

impl From<MapError> for XdpMapError {
    fn from(error: MapError) -> Self {
        XdpMapError::MapError(error)
    }
}

impl XdpMapError {
    fn of(error: hachi::maps::MapError) -> Self {
        match error {
            hachi::maps::MapError::Unsuitable { .. } => XdpMapError::ChainedProgramNotSupported,
            other => XdpMapError::MapError(other.into()),
        }
    }
}

pub use hachi::maps::{CpuMapValue, DevMapValue};

impl<T: Borrow<MapData>> CpuMap<T> {
    /// How many CPUs there is room for.
    #[expect(clippy::len_without_is_empty, reason = "it counts places, not CPUs")]
    pub fn len(&self) -> u32 {
        self.0.map().max_entries()
    }

    /// What is set for a CPU.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`], [`MapError::OutOfBounds`], and what the kernel refuses.
    pub fn get(&self, cpu: u32, flags: u64) -> Result<CpuMapValue, MapError> {
        Ok(self.0.get(cpu, flags)?)
    }

    /// What is set, by CPU.
    pub fn iter(&self) -> impl Iterator<Item = Result<CpuMapValue, MapError>> + '_ {
        (0..self.len()).map(|cpu| self.get(cpu, 0))
    }
}

impl<T: BorrowMut<MapData>> CpuMap<T> {
    /// Lets packets be redirected to a CPU, with a queue of this size and perhaps a program.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn set(
        &mut self,
        cpu: u32,
        queue_size: u32,
        program: Option<&ProgramFd>,
        flags: u64,
    ) -> Result<(), XdpMapError> {
        self.0
            .set(cpu, queue_size, program, flags)
            .map_err(XdpMapError::of)
    }
}

impl<T: Borrow<MapData>> DevMap<T> {
    /// How many interfaces there is room for.
    #[expect(
        clippy::len_without_is_empty,
        reason = "it counts places, not interfaces"
    )]
    pub fn len(&self) -> u32 {
        self.0.map().max_entries()
    }

    /// What is set at `index`.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`], [`MapError::OutOfBounds`], and what the kernel refuses.
    pub fn get(&self, index: u32, flags: u64) -> Result<DevMapValue, MapError> {
        Ok(self.0.get(index, flags)?)
    }

    /// What is set, by index.
    pub fn iter(&self) -> impl Iterator<Item = Result<DevMapValue, MapError>> + '_ {
        (0..self.len()).map(|index| self.get(index, 0))
    }
}

impl<T: BorrowMut<MapData>> DevMap<T> {
    /// Lets packets be redirected to an interface, perhaps with a program.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn set(
        &mut self,
        index: u32,
        target_if_index: u32,
        program: Option<&ProgramFd>,
        flags: u64,
    ) -> Result<(), XdpMapError> {
        self.0
            .set(index, target_if_index, program, flags)
            .map_err(XdpMapError::of)
    }
}

impl<T: Borrow<MapData>> DevMapHash<T> {
    /// What is set at `key`.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`], and what the kernel refuses.
    pub fn get(&self, key: u32, flags: u64) -> Result<DevMapValue, MapError> {
        Ok(self.0.get(key, flags)?)
    }

    /// All keys.
    pub fn keys(&self) -> MapKeys<'_, u32> {
        MapKeys::new(self.0.keys())
    }

    /// All elements.
    pub fn iter(&self) -> MapIter<'_, u32, DevMapValue, Self> {
        MapIter {
            keys: self.keys(),
            map: self,
            _value: PhantomData,
        }
    }
}

impl<T: Borrow<MapData>> IterableMap<u32, DevMapValue> for DevMapHash<T> {
    fn map(&self) -> &MapData {
        MapData::of(self.0.map())
    }

    fn get(&self, key: &u32) -> Result<DevMapValue, MapError> {
        DevMapHash::get(self, *key, 0)
    }
}

impl<T: BorrowMut<MapData>> DevMapHash<T> {
    /// Lets packets be redirected to an interface, perhaps with a program.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn insert(
        &mut self,
        key: u32,
        target_if_index: u32,
        program: Option<&ProgramFd>,
        flags: u64,
    ) -> Result<(), XdpMapError> {
        self.0
            .insert(key, target_if_index, program, flags)
            .map_err(XdpMapError::of)
    }

    /// Removes `key`.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`], and what the kernel refuses.
    pub fn remove(&mut self, key: u32) -> Result<(), MapError> {
        Ok(self.0.remove(key)?)
    }
}

/// Maps by index. `V` is the type of what [`get`](Self::get) hands out.
#[derive(Debug)]
pub struct ArrayOfMaps<T, V = MapData>(hachi::maps::ArrayOfMaps<Held<T>>, PhantomData<V>);

/// Maps by key. `V` is the type of what [`get`](Self::get) hands out.
#[derive(Debug)]
pub struct HashOfMaps<T, K: Pod, V = MapData>(
    hachi::maps::HashOfMaps<Held<T>, Plain<K>>,
    PhantomData<V>,
);

macro_rules! of_maps {
    ($view:ident<$($param:ident)?> = $hachi:ty) => {
        impl<T: Borrow<MapData>, $($param: Pod,)? V> $view<T, $($param,)? V> {
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

        impl<$($param: Pod,)? V> TryFrom<Map> for $view<MapData, $($param,)? V> {
            type Error = MapError;

            fn try_from(map: Map) -> Result<Self, MapError> {
                Self::new(map.into_data())
            }
        }

        impl<'a, $($param: Pod,)? V> TryFrom<&'a Map> for $view<&'a MapData, $($param,)? V> {
            type Error = MapError;

            fn try_from(map: &'a Map) -> Result<Self, MapError> {
                Self::new(map.data())
            }
        }

        impl<'a, $($param: Pod,)? V> TryFrom<&'a mut Map>
            for $view<&'a mut MapData, $($param,)? V>
        {
            type Error = MapError;

            fn try_from(map: &'a mut Map) -> Result<Self, MapError> {
                Self::new(map.data_mut())
            }
        }
    };
}

of_maps!(ArrayOfMaps<> = hachi::maps::ArrayOfMaps<Held<T>>);
of_maps!(HashOfMaps<K> = hachi::maps::HashOfMaps<Held<T>, Plain<K>>);

impl<T: Borrow<MapData>, V: FromMapData> ArrayOfMaps<T, V> {
    /// How many there is room for.
    #[expect(clippy::len_without_is_empty, reason = "an array is never empty")]
    pub fn len(&self) -> u32 {
        self.0.len()
    }

    /// The map at `index`.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`] when there is none, and what the kernel refuses.
    pub fn get(&self, index: &u32, flags: u64) -> Result<V, MapError> {
        V::from_map_data(MapData(self.0.get(index, flags)?))
    }
}

impl<T: BorrowMut<MapData>, V: InnerMap> ArrayOfMaps<T, V> {
    /// Puts a map at `index`.
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`], and what the kernel refuses: a map of another kind.
    pub fn set(&mut self, index: u32, value: &V, flags: u64) -> Result<(), MapError> {
        Ok(self.0.set(index, &value.inner_data().0, flags)?)
    }
}

impl<T: Borrow<MapData>, K: Pod, V: FromMapData> HashOfMaps<T, K, V> {
    /// The map of `key`.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`], and what the kernel refuses.
    pub fn get(&self, key: &K, flags: u64) -> Result<V, MapError> {
        V::from_map_data(MapData(self.0.get(Plain::of(key), flags)?))
    }

    /// All keys.
    pub fn keys(&self) -> MapKeys<'_, K> {
        MapKeys::new(self.0.keys().map(|key| key.map(|key| key.0)))
    }
}

impl<T: BorrowMut<MapData>, K: Pod, V: InnerMap> HashOfMaps<T, K, V> {
    /// Gives `key` a map.
    ///
    /// # Errors
    /// What the kernel refuses: a map of another kind.
    pub fn insert(&mut self, key: impl Borrow<K>, value: &V, flags: u64) -> Result<(), MapError> {
        let key = Plain::of(key.borrow());
        Ok(self.0.insert(key, &value.inner_data().0, flags)?)
    }

    /// Removes `key`.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`], and what the kernel refuses.
    pub fn remove(&mut self, key: &K) -> Result<(), MapError> {
        Ok(self.0.remove(Plain::of(key))?)
    }
}

/// A buffer of records that programs write. Linux ≥ 5.8.
#[derive(Debug)]
pub struct RingBuf<T>(hachi::maps::RingBuf<Held<T>>);

/// A record; its room is given back to programs when it is dropped.
#[derive(Debug)]
pub struct RingBufItem<'a>(hachi::maps::RingBufItem<'a>);

impl Deref for RingBufItem<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<T: Borrow<MapData>> RingBuf<T> {
    fn new(map: T) -> Result<Self, MapError> {
        let map_type = map.borrow().map_type();
        match hachi::maps::RingBuf::new(Held(map)) {
            Ok(ring) => Ok(RingBuf(ring)),
            Err(hachi::maps::MapError::InvalidMapType { .. }) => {
                Err(MapError::InvalidMapType { map_type })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The next record, if there is one.
    #[expect(
        clippy::should_implement_trait,
        reason = "lends from itself, which Iterator cannot"
    )]
    pub fn next(&mut self) -> Option<RingBufItem<'_>> {
        self.0.next().map(RingBufItem)
    }
}

impl TryFrom<Map> for RingBuf<MapData> {
    type Error = MapError;

    fn try_from(map: Map) -> Result<Self, MapError> {
        Self::new(map.into_data())
    }
}

impl<'a> TryFrom<&'a Map> for RingBuf<&'a MapData> {
    type Error = MapError;

    fn try_from(map: &'a Map) -> Result<Self, MapError> {
        Self::new(map.data())
    }
}

impl<'a> TryFrom<&'a mut Map> for RingBuf<&'a mut MapData> {
    type Error = MapError;

    fn try_from(map: &'a mut Map) -> Result<Self, MapError> {
        Self::new(map.data_mut())
    }
}

impl<T: Borrow<MapData>> AsFd for RingBuf<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl<T: Borrow<MapData>> AsRawFd for RingBuf<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
