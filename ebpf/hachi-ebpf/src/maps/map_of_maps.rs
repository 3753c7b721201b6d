//! `BPF_MAP_TYPE_ARRAY_OF_MAPS` and `BPF_MAP_TYPE_HASH_OF_MAPS`

use core::borrow::Borrow;
use core::cell::UnsafeCell;
use core::ptr::null;

use super::def::{Pinning, TypedMap, cell, look, non_null};
use crate::bindings::bpf_map_type::{BPF_MAP_TYPE_ARRAY_OF_MAPS, BPF_MAP_TYPE_HASH_OF_MAPS};
use crate::cty::c_void;
use crate::{MapValue, helpers};

/// The definition of a map of maps; see [`MapDef`](super::MapDef). The member `values` says what
/// maps there are in it.
#[repr(C)]
struct OuterDef<K, M> {
    r#type: u32,
    max_entries: u32,
    map_flags: u32,
    pinning: u32,
    #[cfg(not(hachi_bpf))]
    key_size: u32,
    #[cfg(not(hachi_bpf))]
    value_size: u32,
    key: *const K,
    values: M,
}

macro_rules! map_of_maps {
    (
        $(#[$doc:meta])*
        $name:ident<$($param:ident: $bound:ident)?> = $kind:ident($key:ty),
        ($arg:ident: $arg_ty:ty => $key_ref:expr)
    ) => {
        $(#[$doc])*
        #[repr(transparent)]
        pub struct $name<$($param: $crate::$bound,)? M> {
            def: UnsafeCell<OuterDef<$key, M>>,
        }

        // SAFETY: programs only ever pass the address on; the kernel's maps are made for concurrent
        // use.
        unsafe impl<$($param: $crate::$bound,)? M> Sync for $name<$($param,)? M> {}

        #[cfg(all(feature = "test", not(hachi_bpf)))]
        impl<$($param: $crate::$bound,)? M> crate::test::Outer for $name<$($param,)? M> {
            type Key = $key;
            type Inner = M;

            fn address(&self) -> *mut c_void {
                self.as_ptr()
            }
        }

        impl<$($param: $crate::$bound,)? M> $name<$($param,)? M> {
            const fn define(max_entries: u32, flags: u32, inner: M, pinning: Pinning) -> Self {
                $name {
                    def: UnsafeCell::new(OuterDef {
                        r#type: $kind,
                        max_entries,
                        map_flags: flags,
                        pinning: pinning as u32,
                        #[cfg(not(hachi_bpf))]
                        key_size: size_of::<$key>() as u32,
                        #[cfg(not(hachi_bpf))]
                        value_size: size_of::<*const M>() as u32,
                        key: null(),
                        values: inner,
                    }),
                }
            }

            /// A map of up to `max_entries` maps like `inner`, which says what they are and is none
            /// of them; `flags` are those of map creation, usually 0.
            pub const fn with_max_entries(max_entries: u32, flags: u32, inner: M) -> Self {
                $name::define(max_entries, flags, inner, Pinning::None)
            }

            /// The same, pinned by its name: loaded a second time, it is the map that is there
            /// already.
            pub const fn pinned(max_entries: u32, flags: u32, inner: M) -> Self {
                $name::define(max_entries, flags, inner, Pinning::ByName)
            }

            /// The map as the helpers take it.
            #[inline(always)]
            pub fn as_ptr(&self) -> *mut c_void {
                self.def.get().cast()
            }

            /// The map that is there. User space may exchange it at any time; this one stays while
            /// the program runs.
            #[inline(always)]
            pub fn get(&self, $arg: $arg_ty) -> Option<&M> {
                let key: *const $key = $key_ref;
                // SAFETY: the map is one of the object's with this type of key.
                let map = unsafe { helpers::bpf_map_lookup_elem(self.as_ptr(), key.cast()) };
                // SAFETY: what the kernel gives stands for a map like `inner`, whose methods only
                // ever pass its address on.
                non_null::<M>(map).map(|map| unsafe { &*map })
            }

            /// The value of `key` in the map that is there: what its `get` gives.
            #[inline(always)]
            pub fn get_value(
                &self,
                $arg: $arg_ty,
                key: impl Borrow<M::Key>,
            ) -> Option<<M::Value as MapValue>::Ref<'_>>
            where
                M: TypedMap,
            {
                let value = self.get_value_ptr_mut($key_ref, key)?;
                // SAFETY: the kernel gave the pointer.
                Some(unsafe { look(value) })
            }

            /// The value of `key` in the map that is there, in place.
            #[inline(always)]
            pub fn value_cell(
                &self,
                $arg: $arg_ty,
                key: impl Borrow<M::Key>,
            ) -> Option<&<M::Value as MapValue>::Cell>
            where
                M: TypedMap,
            {
                let value = self.get_value_ptr_mut($key_ref, key)?;
                // SAFETY: the kernel gave the pointer.
                Some(unsafe { cell(value) })
            }

            /// A pointer to the value of `key` in the map that is there, to write through.
            #[inline(always)]
            pub fn get_value_ptr_mut(
                &self,
                $arg: impl Borrow<$key>,
                key: impl Borrow<M::Key>,
            ) -> Option<*mut M::Value>
            where
                M: TypedMap,
            {
                let outer: *const $key = $arg.borrow();
                // SAFETY: as in `get`; the inner map has keys and values of these types.
                unsafe {
                    let map = helpers::bpf_map_lookup_elem(self.as_ptr(), outer.cast());
                    let map = non_null::<c_void>(map)?;
                    let key: *const M::Key = key.borrow();
                    non_null(helpers::bpf_map_lookup_elem(map, key.cast()))
                }
            }
        }
    };
}

map_of_maps! {
    /// Maps, by index (4.12). User space puts them in.
    ///
    /// ```
    /// use hachi_ebpf::{macros::map, maps::{ArrayOfMaps, HashMap}};
    ///
    /// /// For each interface the ports that are allowed.
    /// #[map]
    /// static PORTS: ArrayOfMaps<HashMap<u16, u8>> =
    ///     ArrayOfMaps::with_max_entries(64, 0, HashMap::with_max_entries(1024, 0));
    ///
    /// fn allowed(interface: u32, port: u16) -> bool {
    ///     PORTS.get_value(interface, port).is_some()
    /// }
    /// ```
    ArrayOfMaps<> = BPF_MAP_TYPE_ARRAY_OF_MAPS(u32),
    (index: u32 => &index)
}

map_of_maps! {
    /// Maps, by key (4.12). User space puts them in.
    ///
    /// All bytes of a key count, so a key type has no padding: see
    /// [`Shareable`](crate::Shareable).
    HashOfMaps<K: Shareable> = BPF_MAP_TYPE_HASH_OF_MAPS(K),
    (outer: impl Borrow<K> => outer.borrow())
}
