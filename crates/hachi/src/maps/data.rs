//! A map as such: a descriptor and its parameters.

use std::{
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    path::Path,
    sync::Arc,
};

use super::{MapError, MapInfo, MapType, RawIter, type_name};
use crate::{
    Pod,
    pin::{self, PinError},
    sys::{attr, bpf, cpu, errno::SyscallError, fs::ObjectKind},
};

/// The descriptor of a map. Programs not loaded yet share it, so it stays open until all are done.
#[derive(Clone, Debug)]
pub struct MapFd(Arc<OwnedFd>);

impl AsFd for MapFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for MapFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// A map of any kind: owns the descriptor, knows type and sizes, and reads and writes raw bytes.
///
/// The typed views ([`HashMap`](super::HashMap), [`Array`](super::Array), …) are made from it.
#[derive(Debug)]
pub struct MapData {
    fd: MapFd,
    name: String,
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
}

impl MapData {
    /// Opens the map pinned at `path` on a BPF file system.
    pub fn from_pin<P: AsRef<Path>>(path: P) -> Result<Self, PinError> {
        let path = path.as_ref();
        let fd = pin::open(path, ObjectKind::Map)?;
        Self::from_fd(fd).map_err(|error| PinError::syscall("open", path, error))
    }

    /// Opens the loaded map with the given id (see [`loaded_maps`](super::loaded_maps)). Needs
    /// CAP_SYS_ADMIN.
    pub fn from_id(id: u32) -> Result<Self, MapError> {
        bpf::map_fd_by_id(id)
            .and_then(Self::from_fd)
            .map_err(|error| MapError::SyscallError {
                name: format!("id {id}"),
                error,
            })
    }

    /// Takes over a descriptor of a map, asking the kernel what it is.
    pub(crate) fn from_fd(fd: OwnedFd) -> Result<Self, SyscallError> {
        let info = bpf::map_info(fd.as_fd())?;
        Ok(MapData {
            fd: MapFd(Arc::new(fd)),
            name: bpf::name_text(&info.name),
            map_type: info.map_type,
            key_size: info.key_size,
            value_size: info.value_size,
            max_entries: info.max_entries,
            map_flags: info.map_flags,
        })
    }

    /// Creates a map. `name` is the full name; the kernel gets what fits.
    pub(crate) fn create(name: &str, attr: &mut attr::MapCreate) -> Result<Self, SyscallError> {
        attr.map_name = bpf::object_name(name);
        let fd = bpf::map_create(attr)?;
        Ok(MapData {
            fd: MapFd(Arc::new(fd)),
            name: name.to_owned(),
            map_type: attr.map_type,
            key_size: attr.key_size,
            value_size: attr.value_size,
            max_entries: attr.max_entries,
            map_flags: attr.map_flags,
        })
    }

    /// The map under the name its object gives it, rather than the kernel's shortened one.
    pub(crate) fn with_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// The descriptor.
    pub fn fd(&self) -> &MapFd {
        &self.fd
    }

    /// The name: in full for maps of an object; as the kernel keeps it (15 bytes) for others.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The type; `None` when it is newer than this version of Hachi.
    pub fn map_type(&self) -> Option<MapType> {
        MapType::from_number(self.map_type)
    }

    /// The kernel's name of the type, in lower case: `percpu_array`.
    pub fn type_name(&self) -> String {
        type_name(self.map_type)
    }

    /// Bytes per key.
    pub fn key_size(&self) -> u32 {
        self.key_size
    }

    /// Bytes per value (of one CPU, for per-CPU maps).
    pub fn value_size(&self) -> u32 {
        self.value_size
    }

    /// The most elements the map can hold; the size in bytes of a ring buffer.
    pub fn max_entries(&self) -> u32 {
        self.max_entries
    }

    /// `BPF_F_*` flags the map was created with.
    pub fn flags(&self) -> u32 {
        self.map_flags
    }

    /// Whether each element has one value for each possible CPU.
    pub fn is_per_cpu(&self) -> bool {
        matches!(
            self.map_type(),
            Some(
                MapType::PercpuHash
                    | MapType::PercpuArray
                    | MapType::LruPercpuHash
                    | MapType::PercpuCgroupStorage
            )
        )
    }

    /// Asks the kernel for the map's current description.
    pub fn info(&self) -> Result<MapInfo, MapError> {
        MapInfo::of(self.fd.as_fd()).map_err(|error| self.error(error))
    }

    /// Pins the map, so that it outlives the process and others can open it with
    /// [`from_pin`](Self::from_pin).
    ///
    /// `path` must be on a BPF file system (`/sys/fs/bpf`) and free; missing directories are made.
    pub fn pin<P: AsRef<Path>>(&self, path: P) -> Result<(), PinError> {
        pin::pin(self.fd.as_fd(), path.as_ref(), ObjectKind::Map)
    }

    /// Makes the map read-only for user space, for good; programs still write it. Linux ≥ 5.2.
    pub fn freeze(&self) -> Result<(), MapError> {
        bpf::map_freeze(self.fd.as_fd()).map_err(|error| self.error(error))
    }

    /// Bytes that one lookup writes: the value's size; for per-CPU maps, rounded up to 8 and once
    /// for each possible CPU.
    pub fn lookup_size(&self) -> Result<usize, MapError> {
        let size = self.value_size as usize;
        if !self.is_per_cpu() {
            return Ok(size);
        }
        Ok(size.next_multiple_of(8) * self.possible_cpus()?)
    }

    pub(crate) fn possible_cpus(&self) -> Result<usize, MapError> {
        cpu::possible().map_err(|error| MapError::IoError {
            name: self.name.clone(),
            error,
        })
    }

    /// The value of `key` as bytes; `None` when there is no such key. `key` must have the map's key
    /// size.
    pub fn lookup_bytes(&self, key: &[u8], flags: u64) -> Result<Option<Vec<u8>>, MapError> {
        let mut value = vec![0; self.lookup_size()?];
        Ok(self
            .lookup_bytes_into(key, &mut value, flags)?
            .then_some(value))
    }

    /// As [`lookup_bytes`](Self::lookup_bytes) into a buffer of [`lookup_size`](Self::lookup_size)
    /// bytes; false when there is no such key.
    pub fn lookup_bytes_into(
        &self,
        key: &[u8],
        value: &mut [u8],
        flags: u64,
    ) -> Result<bool, MapError> {
        self.check_key(key.len())?;
        self.check_value(value.len())?;
        // SAFETY: both lengths were just checked.
        unsafe { bpf::map_lookup(self.fd.as_fd(), key.as_ptr(), value.as_mut_ptr(), flags) }
            .map_err(|error| self.error(error))
    }

    /// Sets the value of `key`, both as bytes of the map's sizes
    /// ([`lookup_size`](Self::lookup_size) for the value).
    pub fn update_bytes(&mut self, key: &[u8], value: &[u8], flags: u64) -> Result<(), MapError> {
        self.check_key(key.len())?;
        self.check_value(value.len())?;
        // SAFETY: both lengths were just checked.
        unsafe { bpf::map_update(self.fd.as_fd(), key.as_ptr(), value.as_ptr(), flags) }
            .map_err(|error| self.error(error))
    }

    /// Removes `key`; false when there is no such key.
    pub fn delete_bytes(&mut self, key: &[u8]) -> Result<bool, MapError> {
        self.check_key(key.len())?;
        // SAFETY: the length was just checked.
        unsafe { bpf::map_delete(self.fd.as_fd(), key.as_ptr()) }.map_err(|error| self.error(error))
    }

    /// All elements as bytes, for any map type that has keys.
    pub fn iter_bytes(&self) -> RawIter<'_> {
        RawIter::new(self)
    }

    pub(crate) fn check_key(&self, size: usize) -> Result<(), MapError> {
        if size == self.key_size as usize {
            return Ok(());
        }
        Err(MapError::InvalidKeySize {
            name: self.name.clone(),
            size,
            expected: self.key_size as usize,
        })
    }

    fn check_value(&self, size: usize) -> Result<(), MapError> {
        let expected = self.lookup_size()?;
        if size == expected {
            return Ok(());
        }
        Err(MapError::InvalidValueSize {
            name: self.name.clone(),
            size,
            expected,
        })
    }

    pub(crate) fn error(&self, error: SyscallError) -> MapError {
        MapError::SyscallError {
            name: self.name.clone(),
            error,
        }
    }

    /// Writes the one value of a map of global variables, which need not be writable from outside
    /// the loader.
    pub(crate) fn write_contents(&self, contents: &[u8]) -> Result<(), MapError> {
        self.check_key(4)?;
        self.check_value(contents.len())?;
        let key = 0u32;
        // SAFETY: both lengths were just checked.
        unsafe {
            bpf::map_update(
                self.fd.as_fd(),
                std::ptr::from_ref(&key).cast(),
                contents.as_ptr(),
                0,
            )
        }
        .map_err(|error| self.error(error))
    }

    /// Puts a map or program into slot `index` of a map of those.
    pub(crate) fn put_descriptor(&self, index: u32, value: BorrowedFd<'_>) -> Result<(), MapError> {
        self.check_key(4)?;
        Self::put_descriptor_in(&self.fd, index, value).map_err(|error| self.error(error))
    }

    /// As [`put_descriptor`](Self::put_descriptor), into a map known to have 4-byte keys: all that
    /// hold descriptors do.
    pub(crate) fn put_descriptor_in(
        map: &MapFd,
        index: u32,
        value: BorrowedFd<'_>,
    ) -> Result<(), SyscallError> {
        let value = value.as_raw_fd();
        // SAFETY: maps of descriptors have 4-byte keys, as the kernel checks when it creates arrays
        // of maps or programs and `put_descriptor` for hashes of maps, and 4-byte values.
        unsafe {
            bpf::map_update(
                map.as_fd(),
                std::ptr::from_ref(&index).cast(),
                std::ptr::from_ref(&value).cast(),
                0,
            )
        }
    }

    /// The check of every typed view: one of `kinds`, with keys `K` and values `V` by size.
    pub(crate) fn check<K: Pod, V: Pod>(
        &self,
        kinds: &[MapType],
        view: &'static str,
    ) -> Result<(), MapError> {
        if !self.map_type().is_some_and(|kind| kinds.contains(&kind)) {
            return Err(MapError::InvalidMapType {
                name: self.name.clone(),
                expected: view,
                actual: self.type_name(),
            });
        }
        self.check_key(size_of::<K>())?;
        if size_of::<V>() != self.value_size as usize {
            return Err(MapError::InvalidValueSize {
                name: self.name.clone(),
                size: size_of::<V>(),
                expected: self.value_size as usize,
            });
        }
        Ok(())
    }

    /// The check of indexed maps.
    pub(crate) fn check_index(&self, index: u32) -> Result<(), MapError> {
        if index < self.max_entries {
            return Ok(());
        }
        Err(MapError::OutOfBounds {
            name: self.name.clone(),
            index,
            max_entries: self.max_entries,
        })
    }

    /// Typed lookup for maps that are not per-CPU; the view has [`check`](Self::check)ed `K` and
    /// `V`.
    pub(crate) fn get<K: Pod, V: Pod>(&self, key: &K, flags: u64) -> Result<Option<V>, MapError> {
        debug_assert!(!self.is_per_cpu());
        debug_assert_eq!(
            (size_of::<K>(), size_of::<V>()),
            (self.key_size as usize, self.value_size as usize)
        );
        let mut value = std::mem::MaybeUninit::<V>::uninit();
        // SAFETY: the sizes are the map's, as every view checks when it is made.
        let found = unsafe {
            bpf::map_lookup(
                self.fd.as_fd(),
                std::ptr::from_ref(key).cast(),
                value.as_mut_ptr().cast(),
                flags,
            )
        }
        .map_err(|error| self.error(error))?;
        // SAFETY: when the key was found the kernel wrote the whole value, and a Pod accepts any
        // bytes.
        Ok(found.then(|| unsafe { value.assume_init() }))
    }

    /// Typed update; as [`get`](Self::get).
    pub(crate) fn set<K: Pod, V: Pod>(
        &self,
        key: &K,
        value: &V,
        flags: u64,
    ) -> Result<(), MapError> {
        debug_assert!(!self.is_per_cpu());
        debug_assert_eq!(
            (size_of::<K>(), size_of::<V>()),
            (self.key_size as usize, self.value_size as usize)
        );
        // SAFETY: the sizes are the map's, as every view checks when it is made.
        unsafe {
            bpf::map_update(
                self.fd.as_fd(),
                std::ptr::from_ref(key).cast(),
                std::ptr::from_ref(value).cast(),
                flags,
            )
        }
        .map_err(|error| self.error(error))
    }

    /// Typed delete; as [`get`](Self::get).
    pub(crate) fn remove<K: Pod>(&self, key: &K) -> Result<(), MapError> {
        debug_assert_eq!(size_of::<K>(), self.key_size as usize);
        // SAFETY: the size is the map's, as every view checks when it is made.
        let found = unsafe { bpf::map_delete(self.fd.as_fd(), std::ptr::from_ref(key).cast()) }
            .map_err(|error| self.error(error))?;
        if found {
            Ok(())
        } else {
            Err(MapError::KeyNotFound {
                name: self.name.clone(),
            })
        }
    }
}

impl AsFd for MapData {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for MapData {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}
