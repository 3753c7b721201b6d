//! What all maps are made of.

use core::cell::UnsafeCell;
use core::ops::ControlFlow;
use core::ptr::null;

use crate::bindings::BPF_F_NUMA_NODE;
use crate::callback;
use crate::cty::{c_long, c_void};
use crate::{MapValue, Shareable, Shared, helpers};

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
    // On the development machine the types are not to be found out in another way.
    #[cfg(not(hachi_bpf))]
    key_size: u32,
    #[cfg(not(hachi_bpf))]
    value_size: u32,
    map_extra: u64,
    numa_node: u32,
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

impl<K, V> MapDef<K, V> {
    pub(super) const fn new(
        r#type: u32,
        max_entries: u32,
        map_flags: u32,
        pinning: Pinning,
    ) -> Self {
        MapDef {
            r#type,
            max_entries,
            map_flags,
            pinning: pinning as u32,
            #[cfg(not(hachi_bpf))]
            key_size: size_of::<K>() as u32,
            #[cfg(not(hachi_bpf))]
            value_size: size_of::<V>() as u32,
            map_extra: 0,
            numa_node: 0,
            key: null(),
            value: null(),
        }
    }
}

/// A definition in a static. (The cell makes the static writable, which the kernel's view of it
/// is.)
#[repr(transparent)]
pub(super) struct Map<K, V>(UnsafeCell<MapDef<K, V>>);

// SAFETY: programs only ever pass the address on; the kernel's maps are made for concurrent use.
unsafe impl<K, V> Sync for Map<K, V> {}

impl<K, V> Map<K, V> {
    pub const fn new(def: MapDef<K, V>) -> Self {
        const {
            assert!(
                align_of::<V>() <= 8,
                "the kernel aligns the values of maps to 8 bytes, and this type wants more: take \
                 `[u64; 2]` for a `u128`"
            );
        }
        Map(UnsafeCell::new(def))
    }

    pub const fn numa_node(self, node: u32) -> Self {
        let mut def = self.0.into_inner();
        def.map_flags |= BPF_F_NUMA_NODE;
        def.numa_node = node;
        Map::new(def)
    }

    pub const fn map_extra(self, extra: u64) -> Self {
        let mut def = self.0.into_inner();
        def.map_extra = extra;
        Map::new(def)
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
        non_null(value)
    }

    /// A pointer to the value of `key` on another CPU.
    #[inline(always)]
    pub fn lookup_on(&self, key: &K, cpu: u32) -> Option<*mut V> {
        // SAFETY: the map is a per-CPU one of the object's, and `K` is its key type.
        let value = unsafe {
            helpers::bpf_map_lookup_percpu_elem(self.as_ptr(), (&raw const *key).cast(), cpu)
        };
        non_null(value)
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

    /// The value of `key`, which is made from `initial` if there is none.
    #[inline(always)]
    pub fn get_or_insert(&self, key: &K, initial: &V) -> Option<*mut V> {
        if let Some(value) = self.lookup(key) {
            return Some(value);
        }
        // Another CPU may have been first; its value is as good.
        let _ = self.insert(key, initial, crate::bindings::BPF_NOEXIST);
        self.lookup(key)
    }

    /// Calls `f` for each entry, until it says to stop.
    #[inline(always)]
    pub fn for_each<F: FnMut(*const K, *mut V) -> ControlFlow<()>>(
        &self,
        mut f: F,
    ) -> Result<u32, c_long> {
        // SAFETY: the map is one of the object's; the callback gets the closure that it is made
        // for, which lives as long as the call.
        let visited = unsafe {
            helpers::bpf_for_each_map_elem(
                self.as_ptr(),
                callback::address(callback::map_element::<K, V, F> as *const ()),
                (&raw mut f).cast(),
                0,
            )
        };
        helpers::check(visited)?;
        Ok(visited as u32)
    }
}

/// Looks at a value of a map.
///
/// # Safety
/// The pointer must be one that the kernel gave for a value of a map: it frees none while a program
/// runs that may hold a pointer to it (RCU).
#[inline(always)]
pub(super) unsafe fn look<'a, V: MapValue>(value: *mut V) -> V::Ref<'a> {
    // SAFETY: the caller's promise.
    unsafe { V::look(value) }
}

/// A value of a map, in place.
///
/// # Safety
/// As of [`look`].
#[inline(always)]
pub(super) unsafe fn cell<'a, V: MapValue>(value: *mut V) -> &'a V::Cell {
    // SAFETY: the caller's promise. A cell is the value itself, or transparent around it.
    unsafe { &*value.cast::<V::Cell>() }
}

/// Replaces a value by what `change` makes of it.
///
/// # Safety
/// As of [`look`].
#[inline(always)]
pub(super) unsafe fn change<V: Shareable>(value: *mut V, change: impl FnOnce(V::Read) -> V) {
    // SAFETY: the caller's promise.
    let value = unsafe { Shared::from_ptr(value) };
    value.set(change(value.get()));
}

/// A key of a map that the kernel has called back with: a copy, since its entry may be removed and
/// used for another key meanwhile.
///
/// # Safety
/// It must be a key of a map.
#[inline(always)]
pub(crate) unsafe fn key<K: Shareable>(key: *const K) -> K::Read {
    // SAFETY: the caller's promise. Only read.
    unsafe { Shared::from_ptr(key.cast_mut()) }.get()
}

/// A map with keys and values whose types are known.
pub trait TypedMap {
    /// The type of its keys.
    type Key: Shareable;
    /// The type of its values.
    type Value: MapValue;
    /// The map as the helpers take it.
    fn as_map_ptr(&self) -> *mut c_void;
}

/// What a helper returned, as a pointer to a `T` if it is not null.
#[inline(always)]
pub(super) fn non_null<T>(pointer: *mut c_void) -> Option<*mut T> {
    if pointer.is_null() {
        None
    } else {
        Some(pointer.cast())
    }
}

/// Makes a type the value of a map that is used in place, by several at once.
macro_rules! in_place {
    ($name:ty $(, [$($param:ident: $bound:tt),+])?) => {
        // SAFETY: it is integers that are used atomically, or by the kernel alone: any bytes are
        // good, and none are padding.
        unsafe impl$(<$($param: $bound),+>)? $crate::MapValue for $name {
            type Ref<'a> = &'a Self;
            type Cell = Self;

            #[inline(always)]
            unsafe fn look<'a>(place: *mut Self) -> &'a Self
            where
                Self: 'a,
            {
                // SAFETY: the caller's promise.
                unsafe { &*place }
            }
        }
    };
}
pub(crate) use in_place;

/// Defines a kind of map: the struct, and how it is made.
///
/// `flags` are added to those that the user gives.
macro_rules! map_kind {
    (
        $(#[$doc:meta])*
        $name:ident$(<$($param:ident: $bound:ident),+>)? = $kind:ident($key:ty => $value:ty),
        $(flags: $flags:expr,)?
        entries: $entries:literal
    ) => {
        $(#[$doc])*
        #[repr(transparent)]
        pub struct $name$(<$($param: $crate::$bound),+>)? {
            def: $crate::maps::def::Map<$key, $value>,
        }

        impl$(<$($param: $crate::$bound),+>)? $name$(<$($param),+>)? {
            const fn define(
                max_entries: u32,
                flags: u32,
                pinning: $crate::maps::def::Pinning,
            ) -> Self {
                $name {
                    def: $crate::maps::def::Map::new($crate::maps::def::MapDef::new(
                        $crate::bindings::bpf_map_type::$kind,
                        max_entries,
                        flags $(| $flags)?,
                        pinning,
                    )),
                }
            }

            #[doc = concat!("A map of ", $entries, ".")]
            ///
            /// `flags` are the flags of map creation (`BPF_F_…`), usually 0.
            pub const fn with_max_entries(max_entries: u32, flags: u32) -> Self {
                $name::define(max_entries, flags, $crate::maps::def::Pinning::None)
            }

            /// The same, pinned by its name: loaded a second time, it is the map that is there
            /// already.
            pub const fn pinned(max_entries: u32, flags: u32) -> Self {
                $name::define(max_entries, flags, $crate::maps::def::Pinning::ByName)
            }

            /// The same, in the memory of this NUMA node (4.14).
            #[must_use]
            pub const fn with_numa_node(self, node: u32) -> Self {
                $name { def: self.def.numa_node(node) }
            }

            /// The map as the helpers take it.
            #[inline(always)]
            pub fn as_ptr(&self) -> *mut $crate::cty::c_void {
                self.def.as_ptr()
            }
        }

        impl$(<$($param: $crate::$bound),+>)? $crate::maps::TypedMap for $name$(<$($param),+>)? {
            type Key = $key;
            type Value = $value;

            #[inline(always)]
            fn as_map_ptr(&self) -> *mut $crate::cty::c_void {
                self.def.as_ptr()
            }
        }
    };
}

/// What may race with a change that is not atomic, by what values a map has.
macro_rules! who_races {
    (shared) => {
        "This is a read and a write, not one atomic step: when two CPUs do it at once, one of the \
         changes may be lost. Exact counts take [atomics](crate::atomic), or a map with a value \
         for each CPU."
    };
    (per_cpu) => {
        "Programs that may interrupt each other on one CPU (as tracing programs do) can lose a \
         change."
    };
}

/// Methods of maps whose values lie in place: looking at them and changing them.
///
/// After the type comes how a key is taken, as a parameter and as a reference, and how the
/// documentation calls the value and its absence.
macro_rules! map_values {
    (
        [$($param:ident: $bound:ident),+] $name:ty: ($key:ident: $key_ty:ty => $key_ref:expr)
        -> $value:ident, $the:literal, none: $none:literal, values: $values:ident
    ) => {
        impl<$($param: $crate::$bound),+> $name {
            #[doc = concat!("The ", $the, "; `None` ", $none, ".")]
            ///
            /// It is a copy of plain data, of a `bool` or of an enum (which is `None` where the
            /// number in the map is no variant), and a reference to what is made to be shared, such
            /// as atomic numbers and locks: see [`MapValue`](crate::MapValue). To read or change a
            /// part of a large value there is [`cell`](Self::cell).
            #[inline(always)]
            pub fn get(&self, $key: $key_ty) -> Option<$value::Ref<'_>> {
                // SAFETY: the kernel gave the pointer.
                self.def.lookup($key_ref).map(|value| unsafe { $crate::maps::def::look(value) })
            }

            #[doc = concat!("The ", $the, ", in place; `None` ", $none, ".")]
            ///
            /// Plain data is in a [`Shared`](crate::Shared), of which [`field!`](crate::field)
            /// gives a part.
            #[inline(always)]
            pub fn cell(&self, $key: $key_ty) -> Option<&$value::Cell> {
                // SAFETY: the kernel gave the pointer.
                self.def.lookup($key_ref).map(|value| unsafe { $crate::maps::def::cell(value) })
            }

            #[doc = concat!("A pointer to the ", $the, "; `None` ", $none, ".")]
            #[inline(always)]
            pub fn get_ptr(&self, $key: $key_ty) -> Option<*const $value> {
                self.def.lookup($key_ref).map(|value| value.cast_const())
            }

            #[doc = concat!("A pointer to the ", $the, ", to write through; `None` ", $none, ".")]
            #[inline(always)]
            pub fn get_ptr_mut(&self, $key: $key_ty) -> Option<*mut $value> {
                self.def.lookup($key_ref)
            }

            #[doc = concat!("Replaces the ", $the, " by what `change` makes of it.")]
            ///
            #[doc = concat!("`None`, with nothing done, ", $none, ".")]
            ///
            ///
            #[doc = who_races!($values)]
            #[inline(always)]
            pub fn update(
                &self,
                $key: $key_ty,
                change: impl FnOnce($value::Read) -> $value,
            ) -> Option<()>
            where
                $value: $crate::Shareable,
            {
                let value = self.def.lookup($key_ref)?;
                // SAFETY: the kernel gave the pointer.
                unsafe { $crate::maps::def::change(value, change) };
                Some(())
            }
        }
    };
}

/// Methods of maps with a value for each CPU.
macro_rules! map_per_cpu {
    (
        [$($param:ident: $bound:ident),+] $name:ty: ($key:ident: $key_ty:ty => $key_ref:expr)
        -> $value:ident
    ) => {
        impl<$($param: $crate::$bound),+> $name {
            /// The value on the CPU of that number, which may be changing it at this moment (5.19).
            #[inline(always)]
            pub fn get_on_cpu(&self, $key: $key_ty, cpu: u32) -> Option<$value::Ref<'_>> {
                let value = self.def.lookup_on($key_ref, cpu)?;
                // SAFETY: the kernel gave the pointer.
                Some(unsafe { $crate::maps::def::look(value) })
            }

            /// The value on the CPU of that number, in place (5.19).
            #[inline(always)]
            pub fn cell_on_cpu(&self, $key: $key_ty, cpu: u32) -> Option<&$value::Cell> {
                let value = self.def.lookup_on($key_ref, cpu)?;
                // SAFETY: the kernel gave the pointer.
                Some(unsafe { $crate::maps::def::cell(value) })
            }

            /// A pointer to the value on the CPU of that number (5.19).
            #[inline(always)]
            pub fn get_ptr_mut_on_cpu(&self, $key: $key_ty, cpu: u32) -> Option<*mut $value> {
                self.def.lookup_on($key_ref, cpu)
            }
        }
    };
}

/// Going through all entries of a map.
macro_rules! map_for_each {
    ([$($param:ident: $bound:ident),+] $name:ty: $key:ty => $value:ident) => {
        impl<$($param: $crate::$bound),+> $name {
            /// Calls `f` with each key and its value, in place, until it breaks; gives the number
            /// of
            /// calls (5.13).
            ///
            /// The program is verified with `f` once, however many entries there are. What `f`
            /// captures by reference are variables of the program, as in any closure.
            ///
            /// # Errors
            /// `-EINVAL` when the kernel cannot go through maps of the kind.
            #[inline(always)]
            pub fn for_each(
                &self,
                mut f: impl FnMut(
                    <$key as $crate::Shareable>::Read,
                    &$value::Cell,
                ) -> ::core::ops::ControlFlow<()>,
            ) -> Result<u32, $crate::cty::c_long> {
                // SAFETY: the kernel gives keys and values of the map.
                self.def.for_each(|key, value| unsafe {
                    f($crate::maps::def::key(key), $crate::maps::def::cell(value))
                })
            }
        }
    };
}

/// Methods of maps whose entries come and go.
macro_rules! map_entries {
    (
        [$($param:ident: $bound:ident),+] $name:ty: $key:ty => $value:ident,
        of: $of:literal, full: $full:literal
    ) => {
        impl<$($param: $crate::$bound),+> $name {
            #[doc = concat!("Gives `key` the value `value`", $of, ".")]
            ///
            /// `flags` is `BPF_ANY` (0), `BPF_NOEXIST` or `BPF_EXIST`.
            ///
            /// # Errors
            #[doc = concat!($full, " `-EEXIST` or `-ENOENT` as the flags say.")]
            #[inline(always)]
            pub fn insert(
                &self,
                key: impl ::core::borrow::Borrow<$key>,
                value: impl ::core::borrow::Borrow<$value>,
                flags: u64,
            ) -> Result<(), $crate::cty::c_long> {
                self.def.insert(key.borrow(), value.borrow(), flags)
            }

            /// Removes `key` and its value.
            ///
            /// # Errors
            /// `-ENOENT` when there is no such key.
            #[inline(always)]
            pub fn remove(
                &self,
                key: impl ::core::borrow::Borrow<$key>,
            ) -> Result<(), $crate::cty::c_long> {
                self.def.remove(key.borrow())
            }

            /// The value of `key`, which is `initial` if there was none; `None` when there is no
            /// room for it.
            ///
            /// With [atomics](crate::atomic) it counts exactly, even if others count too:
            /// ```
            /// # use hachi_ebpf::{atomic::{AtomicU64, Ordering}, maps::HashMap};
            /// static SEEN: HashMap<u32, AtomicU64> = HashMap::with_max_entries(1024, 0);
            ///
            /// fn saw(address: u32) -> Option<()> {
            ///     SEEN.get_or_insert(address, AtomicU64::new(0))?.fetch_add(1, Ordering::Relaxed);
            ///     Some(())
            /// }
            /// ```
            #[inline(always)]
            pub fn get_or_insert(
                &self,
                key: impl ::core::borrow::Borrow<$key>,
                initial: impl ::core::borrow::Borrow<$value>,
            ) -> Option<$value::Ref<'_>> {
                let value = self.def.get_or_insert(key.borrow(), initial.borrow())?;
                // SAFETY: the kernel gave the pointer.
                Some(unsafe { $crate::maps::def::look(value) })
            }

            /// As [`get_or_insert`](Self::get_or_insert), in place.
            #[inline(always)]
            pub fn cell_or_insert(
                &self,
                key: impl ::core::borrow::Borrow<$key>,
                initial: impl ::core::borrow::Borrow<$value>,
            ) -> Option<&$value::Cell> {
                let value = self.def.get_or_insert(key.borrow(), initial.borrow())?;
                // SAFETY: the kernel gave the pointer.
                Some(unsafe { $crate::maps::def::cell(value) })
            }

            /// Replaces the value of `key` by what `change` makes of it; if there is none, `change`
            /// gets `initial`. `None`, with nothing done, when there is no room for it.
            ///
            /// As [`update`](Self::update), this is a read and a write.
            #[inline(always)]
            pub fn update_or_insert(
                &self,
                key: impl ::core::borrow::Borrow<$key>,
                initial: impl ::core::borrow::Borrow<$value>,
                change: impl FnOnce($value::Read) -> $value,
            ) -> Option<()>
            where
                $value: $crate::Shareable,
            {
                let value = self.def.get_or_insert(key.borrow(), initial.borrow())?;
                // SAFETY: the kernel gave the pointer.
                unsafe { $crate::maps::def::change(value, change) };
                Some(())
            }
        }
    };
}

/// A kind of hash table, with all its methods.
macro_rules! map_hash {
    (
        $(#[$doc:meta])*
        $name:ident = $kind:ident, $the:literal, values: $values:ident,
        of: $of:literal, full: $full:literal
    ) => {
        map_kind! {
            $(#[$doc])*
            ///
            /// All bytes of a key count, so a key type has no padding: see
            /// [`Shareable`](crate::Shareable).
            $name<K: Shareable, V: MapValue> = $kind(K => V),
            entries: "up to `max_entries` entries"
        }

        map_values! {
            [K: Shareable, V: MapValue] $name<K, V>:
            (key: impl ::core::borrow::Borrow<K> => key.borrow()) -> V, $the,
            none: "when there is no such key", values: $values
        }

        map_for_each! { [K: Shareable, V: MapValue] $name<K, V>: K => V }

        map_entries! {
            [K: Shareable, V: MapValue] $name<K, V>: K => V, of: $of, full: $full
        }
    };
}

/// Methods of maps of values without keys.
macro_rules! map_queue {
    ([$($param:ident: $bound:ident),+] $name:ty: $value:ident, next: $next:literal) => {
        impl<$($param: $crate::$bound),+> $name {
            /// Adds a value; with `flags` `BPF_EXIST`, the oldest makes room for it if the map is
            /// full.
            ///
            /// # Errors
            /// `-E2BIG` when the map is full.
            #[inline(always)]
            pub fn push(
                &self,
                value: impl ::core::borrow::Borrow<$value>,
                flags: u64,
            ) -> Result<(), $crate::cty::c_long> {
                let value: *const $value = value.borrow();
                // SAFETY: the map is one of the object's, and the value of its type.
                $crate::helpers::check(unsafe {
                    $crate::helpers::bpf_map_push_elem(self.as_ptr(), value.cast(), flags)
                })
            }

            #[doc = concat!("Takes out the value ", $next, "; `None` when there is none.")]
            #[inline(always)]
            pub fn pop(&self) -> Option<$value::Read> {
                let mut value = ::core::mem::MaybeUninit::<$value::Bits>::uninit();
                // SAFETY: the map is one of the object's, and there is room for a value.
                let result = unsafe {
                    $crate::helpers::bpf_map_pop_elem(self.as_ptr(), value.as_mut_ptr().cast())
                };
                // SAFETY: success means that all of the value was written, and any bytes are bits.
                (result == 0).then(|| $value::from_bits(unsafe { value.assume_init() }))
            }

            #[doc = concat!("A copy of the value ", $next, "; `None` when there is none.")]
            #[inline(always)]
            pub fn peek(&self) -> Option<$value::Read> {
                let mut value = ::core::mem::MaybeUninit::<$value::Bits>::uninit();
                // SAFETY: the map is one of the object's, and there is room for a value.
                let result = unsafe {
                    $crate::helpers::bpf_map_peek_elem(self.as_ptr(), value.as_mut_ptr().cast())
                };
                // SAFETY: success means that all of the value was written, and any bytes are bits.
                (result == 0).then(|| $value::from_bits(unsafe { value.assume_init() }))
            }
        }
    };
}
