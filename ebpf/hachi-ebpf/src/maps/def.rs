//! What all maps are made of.

use core::cell::UnsafeCell;
use core::ptr::null;

use crate::cty::{c_long, c_void};
use crate::helpers;

/// The definition of a map, as a value in the section `.maps`.
///
/// The linker turns it into the form that libbpf reads there (BTF in which the numbers are array
/// lengths). It finds the definition inside any number of structs with one member, takes the
/// members that are integers and not zero for properties of their names, and the pointers for the
/// types of key and value.
#[repr(C)]
pub struct MapDef<K, V> {
    r#type: u32,
    max_entries: u32,
    map_flags: u32,
    pinning: u32,
    map_extra: u64,
    key: *const K,
    value: *const V,
}

/// Where a map is pinned when it is loaded: `enum libbpf_pin_type`.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(super) enum Pinning {
    None = 0,
    /// `/sys/fs/bpf/<name>`, or another directory that the loader is given.
    ByName = 1,
}

/// A definition in a static. (The cell makes the static writable, which the kernel's view of it
/// is.)
#[repr(transparent)]
pub(super) struct Map<K, V>(UnsafeCell<MapDef<K, V>>);

// SAFETY: programs only ever pass the address on; the kernel's maps are made for concurrent use.
unsafe impl<K, V> Sync for Map<K, V> {}

impl<K, V> Map<K, V> {
    pub const fn new(r#type: u32, max_entries: u32, map_flags: u32, pinning: Pinning) -> Self {
        Map(UnsafeCell::new(MapDef {
            r#type,
            max_entries,
            map_flags,
            pinning: pinning as u32,
            map_extra: 0,
            key: null(),
            value: null(),
        }))
    }

    #[inline(always)]
    pub fn as_ptr(&self) -> *mut c_void {
        self.0.get().cast()
    }

    /// A pointer to the value of `key`.
    #[inline(always)]
    pub fn lookup(&self, key: &K) -> Option<*mut V> {
        // SAFETY: the map is one of the object's, and `K` is its key type.
        let value =
            unsafe { helpers::bpf_map_lookup_elem(self.as_ptr(), (&raw const *key).cast()) };
        if value.is_null() {
            None
        } else {
            Some(value.cast())
        }
    }

    /// The value of `key`, in place.
    #[inline(always)]
    pub fn get(&self, key: &K) -> Option<&V> {
        // SAFETY: the kernel frees no value while a program runs that may hold a pointer to it
        // (RCU).
        self.lookup(key).map(|value| unsafe { &*value })
    }

    #[inline(always)]
    pub fn insert(&self, key: &K, value: &V, flags: u64) -> Result<(), c_long> {
        // SAFETY: the map is one of the object's, `K` and `V` are its key and value type.
        helpers::check(unsafe {
            helpers::bpf_map_update_elem(
                self.as_ptr(),
                (&raw const *key).cast(),
                (&raw const *value).cast(),
                flags,
            )
        })
    }

    #[inline(always)]
    pub fn remove(&self, key: &K) -> Result<(), c_long> {
        // SAFETY: the map is one of the object's, and `K` is its key type.
        helpers::check(unsafe {
            helpers::bpf_map_delete_elem(self.as_ptr(), (&raw const *key).cast())
        })
    }

    /// Replaces the value of `key` by what `change` makes of it.
    #[inline(always)]
    pub fn update(&self, key: &K, change: impl FnOnce(V) -> V) -> Option<()>
    where
        V: Copy,
    {
        let value = self.lookup(key)?;
        // SAFETY: the pointer is to a value of the map. No reference is made, so that `change` may
        // do what it likes with the map.
        unsafe { value.write(change(value.read())) };
        Some(())
    }
}
