//! Elements of maps as memory.

use hachi_obj::flags::BPF_F_MMAPABLE;
use std::{cell::UnsafeCell, fmt, marker::PhantomData, mem::MaybeUninit, ops::Deref, sync::Arc};

use hachi_common::{load_shared, store_shared};
use hachi_obj::GlobalVar;

use super::{ElementFlags, MapData, MapError, Unsuitable};
use crate::{Pod, sys::mmap::Mmap};

/// The elements of an [`Array`](super::Array) as a slice of [`MappedElement`]s, by
/// [`Array::mmap`](super::Array::mmap). Works on after the map's own descriptor is closed.
#[derive(Debug)]
pub struct MappedArray<V> {
    memory: Arc<Mmap>,
    name: String,
    len: usize,
    _value: PhantomData<V>,
}

impl<V: Pod> MappedArray<V> {
    /// The view that calls this has checked `V`.
    pub(crate) fn new(map: &MapData) -> Result<Self, MapError> {
        // The kernel places elements at multiples of 8 bytes, as `MappedElement` is aligned; an
        // array is
        // mapped from its first element on.
        const { assert!(align_of::<MappedElement<V>>() <= 16) };
        if map.flags() & BPF_F_MMAPABLE == 0 {
            return Err(MapError::Unsuitable {
                name: map.name().to_owned(),
                reason: Unsuitable::NotMappable,
            });
        }
        Ok(MappedArray {
            memory: map.mapping()?.clone(),
            name: map.name().to_owned(),
            len: map.max_entries() as usize,
            _value: PhantomData,
        })
    }

    /// Sets element `index`.
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`]; [`MapError::Unsuitable`] when the map is frozen.
    pub fn set(&self, index: usize, value: V) -> Result<(), MapError> {
        if !self.memory.is_writable() {
            return Err(read_only(&self.name));
        }
        match self.get(index) {
            Some(element) => {
                // SAFETY: the element is inside of the mapping, which is writable.
                unsafe { store_shared(element.0.get().cast(), hachi_common::bytes_of(&value)) };
                Ok(())
            }
            None => Err(MapError::OutOfBounds {
                name: self.name.clone(),
                index: u32::try_from(index).unwrap_or(u32::MAX),
                max_entries: self.len as u32,
            }),
        }
    }
}

/// A value whose bytes `fill` writes; those it does not are 0.
#[inline]
pub(super) fn filled<V: Pod>(fill: impl FnOnce(&mut [u8])) -> V {
    let mut value = MaybeUninit::<V>::zeroed();
    // SAFETY: zeroed, so all bytes are initialised before they are lent; and a Pod accepts any.
    unsafe {
        let bytes = std::slice::from_raw_parts_mut(value.as_mut_ptr().cast::<u8>(), size_of::<V>());
        fill(bytes);
        value.assume_init()
    }
}

fn read_only(name: &str) -> MapError {
    MapError::Unsuitable {
        name: name.to_owned(),
        reason: Unsuitable::Constant,
    }
}

impl<V: Pod> Deref for MappedArray<V> {
    type Target = [MappedElement<V>];

    fn deref(&self) -> &[MappedElement<V>] {
        debug_assert!(self.len * size_of::<MappedElement<V>>() <= self.memory.len());
        // SAFETY: the kernel's elements have the size and alignment of `MappedElement<V>`, there
        // are
        // `len`, and they stay mapped as long as this value is borrowed. Others write them at any
        // time, which is why they are cells.
        unsafe { std::slice::from_raw_parts(self.memory.ptr().cast(), self.len) }
    }
}

/// An element of a [`MappedArray`], which programs and processes read and write at the same time.
///
/// Integers are read and written in one piece. Of larger values, every aligned 8 bytes are; a
/// reader may see half of an update.
#[repr(C, align(8))]
pub struct MappedElement<V>(UnsafeCell<V>);

// SAFETY: all access is atomic.
unsafe impl<V: Pod + Send> Sync for MappedElement<V> {}

impl<V: Pod> MappedElement<V> {
    /// The value now.
    #[inline]
    pub fn get(&self) -> V {
        filled(|bytes| {
            // SAFETY: the cell is readable for the size of `V`.
            unsafe { load_shared(self.0.get().cast(), bytes) }
        })
    }

    /// The address, for atomic operations of one's own.
    pub fn as_ptr(&self) -> *mut V {
        self.0.get()
    }
}

impl<V: Pod + fmt::Debug> fmt::Debug for MappedElement<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// A global variable of loaded programs, by [`Ebpf::global`](crate::Ebpf::global): read and written
/// while they run.
///
/// Where the variable's section can be memory-mapped (Linux ≥ 5.5), [`get`](Self::get) and
/// [`set`](Self::set) are plain loads and stores, in one piece for integers. Elsewhere they are
/// system calls on the section as a whole: then `set` undoes what programs write to *other*
/// variables of the section at the same moment.
#[derive(Debug)]
pub struct GlobalVariable<V> {
    place: Place,
    _value: PhantomData<V>,
}

#[derive(Debug)]
struct Place {
    name: String,
    offset: usize,
    memory: Memory,
}

#[derive(Debug)]
enum Memory {
    Mapped(Arc<Mmap>),
    /// A hold of its own on the map.
    Called(MapData),
}

impl<V: Pod> GlobalVariable<V> {
    /// The variable, in the map that holds its section.
    pub(crate) fn new(variable: &GlobalVar, map: &MapData) -> Result<Self, MapError> {
        map.check_global::<V>(variable)?;
        let memory = if map.flags() & BPF_F_MMAPABLE != 0 {
            Memory::Mapped(map.mapping()?.clone())
        } else {
            Memory::Called(map.share())
        };
        Ok(GlobalVariable {
            place: Place {
                name: variable.name.clone(),
                offset: variable.offset as usize,
                memory,
            },
            _value: PhantomData,
        })
    }

    /// The value now.
    ///
    /// # Errors
    /// Where the section is not memory-mapped, what the kernel refuses.
    pub fn get(&self) -> Result<V, MapError> {
        let mut read = Ok(());
        let value = filled(|bytes| read = self.place.read(bytes));
        read.map(|()| value)
    }

    /// Sets it.
    ///
    /// # Errors
    /// [`MapError::Unsuitable`] for constants (`.rodata`), which are so since they were loaded;
    /// where the section is not memory-mapped, what the kernel refuses.
    pub fn set(&self, value: V) -> Result<(), MapError> {
        self.place.write(hachi_common::bytes_of(&value))
    }
}

impl Place {
    #[inline]
    fn read(&self, to: &mut [u8]) -> Result<(), MapError> {
        let (inside, size) = match &self.memory {
            Memory::Mapped(memory) => (memory.read(self.offset, to), memory.len()),
            Memory::Called(map) => {
                let section = map
                    .lookup_bytes(&[0; 4], ElementFlags::ANY)?
                    .unwrap_or_default();
                let found = section.get(self.offset..self.offset + to.len());
                if let Some(from) = found {
                    to.copy_from_slice(from);
                }
                (found.is_some(), section.len())
            }
        };
        match inside {
            true => Ok(()),
            false => Err(MapError::Unsuitable {
                name: self.name.clone(),
                reason: Unsuitable::OutsideMemory {
                    offset: self.offset,
                    len: to.len(),
                    size,
                },
            }),
        }
    }

    #[inline]
    fn write(&self, from: &[u8]) -> Result<(), MapError> {
        match &self.memory {
            Memory::Mapped(memory) if memory.write(self.offset, from) => Ok(()),
            Memory::Mapped(_) => Err(read_only(&self.name)),
            Memory::Called(map) => {
                let mut section = map
                    .lookup_bytes(&[0; 4], ElementFlags::ANY)?
                    .unwrap_or_default();
                if let Some(to) = section.get_mut(self.offset..self.offset + from.len()) {
                    to.copy_from_slice(from);
                }
                map.write_contents(&section)
            }
        }
    }
}
