//! Reading and writing single elements.
//!
//! What is done with bytes is done once, here; the typed views are thin wrappers that have checked
//! that their Rust types have the map's sizes.

use std::{
    mem::MaybeUninit,
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd},
    ptr,
};

use super::{
    ElementFlags, MapData, MapError, MapType, Operation, RawIter, types,
    walk::{KeyWalk, Walked},
};
use crate::{
    Pod,
    fd::MapFd,
    features,
    sys::{
        bpf, cpu,
        errno::{ENOTSUPP, SyscallError},
    },
};

impl ElementFlags {
    /// As the number for the kernel, if there are no others than those `allowed`, and they do not
    /// contradict each other.
    #[inline]
    pub(super) fn check(
        self,
        map: &MapData,
        operation: Operation,
        allowed: Self,
    ) -> Result<u64, MapError> {
        let both = Self::NO_EXIST | Self::EXIST;
        if self.bits() & !allowed.bits() == 0 && !self.contains(both) {
            return Ok(self.bits());
        }
        Err(MapError::InvalidFlags {
            name: map.name().to_owned(),
            operation,
            flags: self,
            allowed,
        })
    }
}

impl MapData {
    /// Bytes that one lookup writes: the value's size; for per-CPU maps, rounded up to 8 and once
    /// for each possible CPU.
    ///
    /// # Errors
    /// [`MapError::IoError`] when the system does not say how many CPUs there are.
    #[inline]
    pub fn lookup_size(&self) -> Result<usize, MapError> {
        let size = self.value_size() as usize;
        if !self.is_per_cpu() {
            return Ok(size);
        }
        Ok(size.next_multiple_of(8) * self.possible_cpus()?)
    }

    #[inline]
    pub(crate) fn possible_cpus(&self) -> Result<usize, MapError> {
        cpu::possible().map_err(|error| MapError::IoError {
            name: self.name().to_owned(),
            error,
        })
    }

    /// The value of `key` as bytes; `None` when there is no such key. `key` must have the map's key
    /// size (and be empty for maps without keys: queues, stacks). `flags`: 0 or
    /// [`ElementFlags::LOCK`].
    ///
    /// # Errors
    /// [`MapError::InvalidKeySize`], [`MapError::InvalidFlags`], and what the kernel refuses.
    pub fn lookup_bytes(
        &self,
        key: &[u8],
        flags: impl Into<ElementFlags>,
    ) -> Result<Option<Vec<u8>>, MapError> {
        let mut value = vec![0; self.lookup_size()?];
        Ok(self
            .lookup_bytes_into(key, &mut value, flags)?
            .then_some(value))
    }

    /// As [`lookup_bytes`](Self::lookup_bytes) into a buffer of [`lookup_size`](Self::lookup_size)
    /// bytes; false when there is no such key.
    ///
    /// # Errors
    /// As [`lookup_bytes`](Self::lookup_bytes), and [`MapError::InvalidValueSize`] for a buffer of
    /// another length.
    #[inline]
    pub fn lookup_bytes_into(
        &self,
        key: &[u8],
        value: &mut [u8],
        flags: impl Into<ElementFlags>,
    ) -> Result<bool, MapError> {
        self.check_key(key.len())?;
        self.check_value(value.len())?;
        let flags = self.lookup_flags(flags.into())?;
        // SAFETY: both lengths were just checked.
        unsafe { self.lookup_raw(bpf::pointer(key), bpf::pointer_mut(value), flags) }
    }

    /// As [`lookup_bytes`](Self::lookup_bytes), and removes the element in the same step. Linux ≥
    /// 4.20 for queues and stacks, ≥ 5.14 for hash maps.
    ///
    /// # Errors
    /// As [`lookup_bytes`](Self::lookup_bytes); [`MapError::Unsupported`] on older kernels.
    pub fn take_bytes(
        &mut self,
        key: &[u8],
        flags: impl Into<ElementFlags>,
    ) -> Result<Option<Vec<u8>>, MapError> {
        self.check_key(key.len())?;
        let flags = flags
            .into()
            .check(self, Operation::Take, ElementFlags::LOCK)?;
        let mut value = vec![0; self.lookup_size()?];
        // SAFETY: the key's length was just checked, the value's is the map's.
        let found = unsafe { self.take_raw(bpf::pointer(key), value.as_mut_ptr(), flags) }?;
        Ok(found.then_some(value))
    }

    /// Sets the value of `key`, both as bytes of the map's sizes
    /// ([`lookup_size`](Self::lookup_size) for the value). `flags`: 0, [`ElementFlags::NO_EXIST`]
    /// or [`ElementFlags::EXIST`], with [`ElementFlags::LOCK`] or without.
    ///
    /// # Errors
    /// [`MapError::InvalidKeySize`], [`MapError::InvalidValueSize`], [`MapError::InvalidFlags`],
    /// and what the kernel refuses.
    pub fn update_bytes(
        &mut self,
        key: &[u8],
        value: &[u8],
        flags: impl Into<ElementFlags>,
    ) -> Result<(), MapError> {
        self.check_key(key.len())?;
        self.check_value(value.len())?;
        let flags = self.update_flags(flags.into())?;
        // SAFETY: both lengths were just checked.
        unsafe { self.update_raw(bpf::pointer(key), bpf::pointer(value), flags) }
    }

    /// Removes `key`; false when there is no such key.
    ///
    /// # Errors
    /// [`MapError::InvalidKeySize`], and what the kernel refuses: arrays have all their elements,
    /// always (`EINVAL`).
    pub fn delete_bytes(&mut self, key: &[u8]) -> Result<bool, MapError> {
        self.check_key(key.len())?;
        // SAFETY: the length was just checked.
        unsafe { self.delete_raw(bpf::pointer(key)) }
    }

    /// All elements as bytes, for any map type that has keys.
    pub fn iter_bytes(&self) -> RawIter<'_> {
        RawIter::new(self)
    }

    /// All keys as bytes, also of maps whose values the kernel lets nobody read (sockets, XSKs).
    ///
    /// # Errors
    /// What the kernel refuses; it is the last item then.
    pub fn key_bytes(&self) -> impl Iterator<Item = Result<Vec<u8>, MapError>> + '_ {
        let mut walk = KeyWalk::new(self, Walked::Stay);
        std::iter::from_fn(move || match walk.next_key(self) {
            Ok(true) => Some(Ok(walk.key().to_vec())),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        })
    }

    #[inline]
    pub(super) fn lookup_flags(&self, flags: ElementFlags) -> Result<u64, MapError> {
        flags.check(self, Operation::Lookup, ElementFlags::LOCK)
    }

    #[inline]
    pub(super) fn update_flags(&self, flags: ElementFlags) -> Result<u64, MapError> {
        flags.check(self, Operation::Update, ElementFlags::WRITE)
    }

    /// The kernel's refusal of an operation with `flags`.
    #[cold]
    fn refused(&self, error: SyscallError, flags: u64) -> MapError {
        let locked = flags & ElementFlags::LOCK.bits() != 0;
        self.error(match error.errno() {
            libc::EINVAL if locked => error.noted(
                "BPF_F_LOCK is for values that contain a spin lock (struct bpf_spin_lock), in maps \
                 that know their type",
            ),
            _ => error,
        })
    }

    /// # Safety
    /// As [`bpf::map_lookup`].
    #[inline]
    pub(crate) unsafe fn lookup_raw(
        &self,
        key: *const u8,
        value: *mut u8,
        flags: u64,
    ) -> Result<bool, MapError> {
        // SAFETY: passed on.
        unsafe { bpf::map_lookup(self.as_fd(), key, value, flags) }
            .map_err(|error| self.refused(error, flags))
    }

    /// # Safety
    /// As [`bpf::map_lookup`].
    #[inline]
    pub(crate) unsafe fn take_raw(
        &self,
        key: *const u8,
        value: *mut u8,
        flags: u64,
    ) -> Result<bool, MapError> {
        // SAFETY: passed on.
        unsafe { bpf::map_lookup_and_delete(self.as_fd(), key, value, flags) }.map_err(|error| {
            let new = !matches!(self.map_type(), Some(MapType::Queue | MapType::Stack));
            match error.errno() {
                libc::EINVAL | ENOTSUPP | libc::EOPNOTSUPP if new => {
                    match features::HASH_LOOKUP_AND_DELETE.require() {
                        Err(unsupported) => unsupported.into(),
                        Ok(()) => self.error(error),
                    }
                }
                _ => self.error(error),
            }
        })
    }

    /// # Safety
    /// As [`bpf::map_update`].
    #[inline]
    pub(crate) unsafe fn update_raw(
        &self,
        key: *const u8,
        value: *const u8,
        flags: u64,
    ) -> Result<(), MapError> {
        // SAFETY: passed on.
        unsafe { bpf::map_update(self.as_fd(), key, value, flags) }
            .map_err(|error| self.refused(error, flags))
    }

    /// # Safety
    /// As [`bpf::map_delete`].
    #[inline]
    pub(crate) unsafe fn delete_raw(&self, key: *const u8) -> Result<bool, MapError> {
        // SAFETY: passed on.
        unsafe { bpf::map_delete(self.as_fd(), key) }.map_err(|error| self.error(error))
    }

    #[inline]
    pub(crate) fn check_key(&self, size: usize) -> Result<(), MapError> {
        match self.key_size() as usize {
            expected if size == expected => Ok(()),
            _ => Err(self.wrong_key(size)),
        }
    }

    #[cold]
    fn wrong_key(&self, size: usize) -> MapError {
        MapError::InvalidKeySize {
            name: self.name().to_owned(),
            given: "the slice given",
            size,
            expected: self.key_size() as usize,
            declared: types::declared(self).0,
        }
    }

    #[inline]
    fn check_value(&self, size: usize) -> Result<(), MapError> {
        match self.lookup_size()? {
            expected if size == expected => Ok(()),
            expected => Err(self.wrong_value(size, expected)),
        }
    }

    #[cold]
    fn wrong_value(&self, size: usize, expected: usize) -> MapError {
        MapError::InvalidValueSize {
            name: self.name().to_owned(),
            given: "the slice given",
            size,
            expected,
            declared: types::declared(self).1,
        }
    }

    /// Writes the one value of a map of global variables, which need not be writable from outside
    /// the loader; in a per-CPU map that of each CPU.
    pub(crate) fn write_contents(&self, contents: &[u8]) -> Result<(), MapError> {
        self.check_key(4)?;
        let key = 0u32;
        let repeated;
        let bytes = if self.is_per_cpu() {
            let mut one = contents.to_vec();
            one.resize(contents.len().next_multiple_of(8), 0);
            repeated = one.repeat(self.possible_cpus()?);
            &repeated
        } else {
            contents
        };
        self.check_value(bytes.len())?;
        // SAFETY: the key has 4 bytes, and there is a value of the map's size, or one for each
        // possible CPU in strides of 8 bytes, as the kernel reads them.
        unsafe { self.update_raw(ptr::from_ref(&key).cast(), bpf::pointer(bytes), 0) }
    }

    /// Puts a map or program into slot `index` of a map of those.
    pub(crate) fn put_descriptor(&self, index: u32, value: BorrowedFd<'_>) -> Result<(), MapError> {
        self.check_key(4)?;
        Self::put_descriptor_in(self.fd(), index, value).map_err(|error| self.error(error))
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
                ptr::from_ref(&index).cast(),
                ptr::from_ref(&value).cast(),
                0,
            )
        }
    }

    /// Puts what a descriptor refers to (a map, program, socket, cgroup) under `key`, whose view
    /// has been checked. Where values have 8 bytes (to be read as socket cookies), so has this one.
    pub(crate) fn put_fd<K: Pod>(
        &self,
        key: &K,
        value: BorrowedFd<'_>,
        flags: ElementFlags,
    ) -> Result<(), MapError> {
        let value = value.as_raw_fd() as u32;
        match self.value_size() {
            8 => self.set(key, &u64::from(value), flags),
            _ => self.set(key, &value, flags),
        }
    }

    /// The check of indexed maps.
    #[inline]
    pub(crate) fn check_index(&self, index: u32) -> Result<(), MapError> {
        if index < self.max_entries() {
            return Ok(());
        }
        Err(MapError::OutOfBounds {
            name: self.name().to_owned(),
            index,
            max_entries: self.max_entries(),
        })
    }

    pub(crate) fn key_not_found(&self) -> MapError {
        MapError::KeyNotFound {
            name: self.name().to_owned(),
        }
    }

    /// Typed lookup for maps that are not per-CPU; the view has [`check`](Self::check)ed `K` and
    /// `V`.
    #[inline]
    pub(crate) fn get<K: Pod, V: Pod>(
        &self,
        key: &K,
        flags: ElementFlags,
    ) -> Result<Option<V>, MapError> {
        let flags = self.lookup_flags(flags)?;
        self.fetch(|value| {
            // SAFETY: the sizes are the map's, as every view checks when it is made.
            unsafe { self.lookup_raw(key_pointer(key), value, flags) }
        })
    }

    /// As [`get`](Self::get), removing the element.
    pub(crate) fn take<K: Pod, V: Pod>(
        &self,
        key: &K,
        flags: ElementFlags,
    ) -> Result<Option<V>, MapError> {
        let flags = flags.check(self, Operation::Take, ElementFlags::LOCK)?;
        self.fetch(|value| {
            // SAFETY: as in `get`.
            unsafe { self.take_raw(key_pointer(key), value, flags) }
        })
    }

    #[inline]
    fn fetch<V: Pod>(
        &self,
        read: impl FnOnce(*mut u8) -> Result<bool, MapError>,
    ) -> Result<Option<V>, MapError> {
        debug_assert!(!self.is_per_cpu());
        debug_assert_eq!(size_of::<V>(), self.value_size() as usize);
        let mut value = MaybeUninit::<V>::uninit();
        let found = read(value.as_mut_ptr().cast())?;
        // SAFETY: when the key was found the kernel wrote the whole value, and a Pod accepts any
        // bytes.
        Ok(found.then(|| unsafe { value.assume_init() }))
    }

    /// Typed update; as [`get`](Self::get).
    #[inline]
    pub(crate) fn set<K: Pod, V: Pod>(
        &self,
        key: &K,
        value: &V,
        flags: ElementFlags,
    ) -> Result<(), MapError> {
        debug_assert!(!self.is_per_cpu());
        let flags = self.update_flags(flags)?;
        debug_assert_eq!(
            (size_of::<K>(), size_of::<V>()),
            (self.key_size() as usize, self.value_size() as usize)
        );
        // SAFETY: the sizes are the map's, as every view checks when it is made.
        unsafe { self.update_raw(key_pointer(key), ptr::from_ref(value).cast(), flags) }
    }

    /// Typed delete; as [`get`](Self::get).
    #[inline]
    pub(crate) fn remove<K: Pod>(&self, key: &K) -> Result<(), MapError> {
        debug_assert_eq!(size_of::<K>(), self.key_size() as usize);
        // SAFETY: the size is the map's, as every view checks when it is made.
        if unsafe { self.delete_raw(ptr::from_ref(key).cast()) }? {
            Ok(())
        } else {
            Err(self.key_not_found())
        }
    }
}

/// The address of a key; of one that has no bytes, none: the kernel insists on that where maps have
/// no keys.
#[inline]
fn key_pointer<K: Pod>(key: &K) -> *const u8 {
    bpf::pointer(hachi_common::bytes_of(key))
}
