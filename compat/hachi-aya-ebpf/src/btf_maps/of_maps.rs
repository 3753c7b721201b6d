//! Maps of maps.

use hachi_ebpf::{helpers::bpf_map_lookup_elem, maps as hachi};

use super::{Array, HashMap, LpmTrie, LruHashMap, LruPerCpuHashMap, PerCpuArray, PerCpuHashMap};
use crate::{cty::c_void, maps};

/// A map that can stand in another.
pub trait MapDef {
    /// Its keys.
    #[doc(hidden)]
    type Key;
    /// Its values.
    #[doc(hidden)]
    type Value;

    /// Its definition.
    #[doc(hidden)]
    const NEW: Self;

    /// The map as the helpers take it.
    #[doc(hidden)]
    fn map_ptr(&self) -> *mut c_void;
}

/// A map in another whose values last as long as it does.
pub trait SafeInnerLookup: MapDef {}

macro_rules! inner {
    ($($name:ident<$($param:ident $(: $bound:ident)?),*>: $key:ty => $value:ty;)*) => { $(
        impl<
            $($param: $($bound +)? 'static,)*
            const MAX_ENTRIES: usize,
            const FLAGS: usize,
        > MapDef for $name<$($param,)* MAX_ENTRIES, FLAGS>
        {
            type Key = $key;
            type Value = $value;

            const NEW: Self = $name::new();

            #[inline(always)]
            fn map_ptr(&self) -> *mut c_void {
                self.as_ptr()
            }
        }
    )* };
}

inner! {
    Array<T>: u32 => T;
    HashMap<K: Copy, V>: K => V;
    LpmTrie<K: Copy, V>: maps::lpm_trie::Key<K> => V;
    LruHashMap<K: Copy, V>: K => V;
    LruPerCpuHashMap<K: Copy, V>: K => V;
    PerCpuArray<T>: u32 => T;
    PerCpuHashMap<K: Copy, V>: K => V;
}

impl<T: 'static, const MAX_ENTRIES: usize, const FLAGS: usize> SafeInnerLookup
    for Array<T, MAX_ENTRIES, FLAGS>
{
}

impl<T: 'static, const MAX_ENTRIES: usize, const FLAGS: usize> SafeInnerLookup
    for PerCpuArray<T, MAX_ENTRIES, FLAGS>
{
}

#[inline(always)]
fn lookup<K, T>(map: *mut c_void, key: &K) -> Option<*mut T> {
    // SAFETY: the map is one of the object's, with this type of key.
    let value = unsafe { bpf_map_lookup_elem(map, core::ptr::from_ref(key).cast()) };
    (!value.is_null()).then_some(value.cast())
}

/// Maps by index.
#[repr(transparent)]
pub struct ArrayOfMaps<V, const MAX_ENTRIES: usize, const FLAGS: usize = 0>(hachi::ArrayOfMaps<V>);

impl<V: MapDef, const MAX_ENTRIES: usize, const FLAGS: usize> ArrayOfMaps<V, MAX_ENTRIES, FLAGS> {
    /// The map.
    pub const fn new() -> Self {
        let (entries, flags) = (MAX_ENTRIES as u32, FLAGS as u32);
        ArrayOfMaps(hachi::ArrayOfMaps::with_max_entries(entries, flags, V::NEW))
    }

    /// The map at `index`.
    #[inline(always)]
    pub fn get(&self, index: u32) -> Option<&V> {
        self.0.get(index)
    }

    /// A pointer to the value of `key` in the map at `index`.
    #[inline(always)]
    pub fn get_value_ptr_mut(&self, index: u32, key: &V::Key) -> Option<*mut V::Value> {
        lookup(self.get(index)?.map_ptr(), key)
    }
}

impl<V: SafeInnerLookup, const MAX_ENTRIES: usize, const FLAGS: usize>
    ArrayOfMaps<V, MAX_ENTRIES, FLAGS>
{
    /// The value of `key` in the map at `index`, in place.
    #[inline(always)]
    pub fn get_value(&self, index: u32, key: &V::Key) -> Option<&V::Value> {
        // SAFETY: the elements of such a map last as long as it does.
        self.get_value_ptr_mut(index, key)
            .map(|value| unsafe { &*value })
    }
}

impl<V: MapDef, const MAX_ENTRIES: usize, const FLAGS: usize> Default
    for ArrayOfMaps<V, MAX_ENTRIES, FLAGS>
{
    fn default() -> Self {
        Self::new()
    }
}

/// Maps by key.
#[repr(transparent)]
pub struct HashOfMaps<K: Copy + 'static, V, const MAX_ENTRIES: usize, const FLAGS: usize = 0>(
    hachi::HashOfMaps<maps::Plain<K>, V>,
);

impl<K: Copy + 'static, V: MapDef, const MAX_ENTRIES: usize, const FLAGS: usize>
    HashOfMaps<K, V, MAX_ENTRIES, FLAGS>
{
    /// The map.
    pub const fn new() -> Self {
        let (entries, flags) = (MAX_ENTRIES as u32, FLAGS as u32);
        HashOfMaps(hachi::HashOfMaps::with_max_entries(entries, flags, V::NEW))
    }

    /// The map of `outer`.
    ///
    /// # Safety
    /// Its entry may be used for another key at any time.
    #[inline(always)]
    pub unsafe fn get(&self, outer: &K) -> Option<&V> {
        self.0.get(maps::Plain::of(outer))
    }

    /// A pointer to the value of `key` in the map of `outer`.
    ///
    /// # Safety
    /// As [`get`](Self::get).
    #[inline(always)]
    pub unsafe fn get_value_ptr_mut(&self, outer: &K, key: &V::Key) -> Option<*mut V::Value> {
        // SAFETY: the caller's promise.
        lookup(unsafe { self.get(outer) }?.map_ptr(), key)
    }

    /// The value of `key` in the map of `outer`, in place.
    ///
    /// # Safety
    /// As [`get`](Self::get); and others may write it at the same time.
    #[inline(always)]
    pub unsafe fn get_value(&self, outer: &K, key: &V::Key) -> Option<&V::Value> {
        // SAFETY: the caller's promise.
        unsafe { self.get_value_ptr_mut(outer, key).map(|value| &*value) }
    }
}

impl<K: Copy + 'static, V: MapDef, const MAX_ENTRIES: usize, const FLAGS: usize> Default
    for HashOfMaps<K, V, MAX_ENTRIES, FLAGS>
{
    fn default() -> Self {
        Self::new()
    }
}
