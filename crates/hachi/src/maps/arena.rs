//! `BPF_MAP_TYPE_ARENA`: memory that programs and this process address alike.

use hachi_obj::flags::BPF_F_SEGV_ON_FAULT;
use std::{borrow::Borrow, fmt, sync::Arc};

use super::{MapData, MapError, MapType, Unsuitable, mapped::filled, view::conversions};
use crate::{Pod, sys::mmap::Mmap};

/// Up to 4 GiB of sparse memory, shared with programs: a pointer into it means the same on both
/// sides. Linux ≥ 6.9 (x86-64; arm64 ≥ 6.10).
///
/// Pages come to be when they are touched from here, or allocated by a program.
///
/// ```no_run
/// use hachi::maps::Arena;
///
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// let arena = Arena::try_from(ebpf.take_map("MEMORY")?)?;
/// // What the program sees at the same offset.
/// arena.set(0, &17u64)?;
/// let number: u64 = arena.get(0)?;
/// # Ok(()) }
/// ```
pub struct Arena<T> {
    inner: T,
    memory: Arc<Mmap>,
}

impl<T: Borrow<MapData>> Arena<T> {
    /// The view of a map that anything holds: a [`MapData`], a reference to one, an `Arc`.
    ///
    /// # Errors
    /// [`MapError`] that says what is different when the map is of another kind, or has
    /// other keys or values.
    pub fn new(map: T) -> Result<Self, MapError> {
        map.borrow().check_kind(&[MapType::Arena], "Arena")?;
        let memory = map.borrow().mapping()?.clone();
        Ok(Arena { inner: map, memory })
    }

    /// The map itself: its name, its description, pinning.
    pub fn map(&self) -> &MapData {
        self.inner.borrow()
    }

    /// Where it begins, in this process and for programs.
    pub fn as_ptr(&self) -> *mut u8 {
        self.memory.ptr()
    }

    /// Bytes of addresses.
    pub fn len(&self) -> usize {
        self.memory.len()
    }

    /// Never true: the kernel refuses arenas without pages.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value at `offset`, in bytes. Integers at a multiple of their size are read in one piece.
    ///
    /// # Errors
    /// [`MapError::Unsuitable`]: the value does not lie in the arena, or the arena has the flag
    /// `BPF_F_SEGV_ON_FAULT`.
    pub fn get<V: Pod>(&self, offset: usize) -> Result<V, MapError> {
        self.check(offset, size_of::<V>())?;
        Ok(filled(|bytes| {
            self.memory.read(offset, bytes);
        }))
    }

    /// Sets the value at `offset`; as [`get`](Self::get).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn set<V: Pod>(&self, offset: usize, value: &V) -> Result<(), MapError> {
        self.check(offset, size_of::<V>())?;
        self.memory.write(offset, hachi_common::bytes_of(value));
        Ok(())
    }

    fn check(&self, offset: usize, len: usize) -> Result<(), MapError> {
        if self.map().flags() & BPF_F_SEGV_ON_FAULT != 0 {
            return Err(MapError::Unsuitable {
                name: self.map().name().to_owned(),
                reason: Unsuitable::FaultsOnAccess,
            });
        }
        match offset.checked_add(len) {
            Some(end) if end <= self.len() => Ok(()),
            _ => Err(self.outside(offset, len)),
        }
    }

    fn outside(&self, offset: usize, len: usize) -> MapError {
        MapError::Unsuitable {
            name: self.map().name().to_owned(),
            reason: Unsuitable::OutsideMemory {
                offset,
                len,
                size: self.len(),
            },
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Arena<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arena")
            .field("map", &self.inner)
            .finish_non_exhaustive()
    }
}

conversions!(Arena);
