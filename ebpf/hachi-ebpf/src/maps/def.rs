//! What all maps are made of.

use core::cell::UnsafeCell;
use core::ops::ControlFlow;
use core::ptr::null;

use crate::bindings::BPF_F_NUMA_NODE;
use crate::callback;
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
    pub fn for_each<F: FnMut(&K, *mut V) -> ControlFlow<()>>(
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

/// A map with keys and values whose types are known.
pub trait TypedMap {
    /// The type of its keys.
    type Key;
    /// The type of its values.
    type Value;
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

/// Defines a kind of map: the struct, and how it is made.
///
/// `flags` are added to those that the user gives.
macro_rules! map_kind {
    (
        $(#[$doc:meta])*
        $name:ident$(<$($param:ident),+>)? = $kind:ident($key:ty => $value:ty),
        $(flags: $flags:expr,)?
        entries: $entries:literal
    ) => {
        $(#[$doc])*
        #[repr(transparent)]
        pub struct $name$(<$($param),+>)? {
            def: $crate::maps::def::Map<$key, $value>,
        }

        impl$(<$($param),+>)? $name$(<$($param),+>)? {
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

        impl$(<$($param),+>)? $crate::maps::TypedMap for $name$(<$($param),+>)? {
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
        [$($param:ident),+] $name:ty: ($key:ident: $key_ty:ty => $key_ref:expr) -> $value:ty,
        $the:literal, none: $none:literal, values: $values:ident
    ) => {
        impl<$($param),+> $name {
            #[doc = concat!("The ", $the, ", in place; `None` ", $none, ".")]
            #[inline(always)]
            pub fn get(&self, $key: $key_ty) -> Option<&$value> {
                self.def.get($key_ref)
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
            #[doc = concat!("Gives `None`, and changes nothing, ", $none, ".")]
            ///
            #[doc = who_races!($values)]
            #[inline(always)]
            pub fn update(&self, $key: $key_ty, change: impl FnOnce($value) -> $value) -> Option<()>
            where
                $value: Copy,
            {
                self.def.update($key_ref, change)
            }
        }
    };
}

/// Methods of maps with a value for each CPU.
macro_rules! map_per_cpu {
    ([$($param:ident),+] $name:ty: ($key:ident: $key_ty:ty => $key_ref:expr) -> $value:ty) => {
        impl<$($param),+> $name {
            /// The value on the CPU of that number, which may be changing it at this moment (5.19).
            #[inline(always)]
            pub fn get_on_cpu(&self, $key: $key_ty, cpu: u32) -> Option<&$value> {
                // SAFETY: as of `get`.
                self.def.lookup_on($key_ref, cpu).map(|value| unsafe { &*value })
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
    ([$($param:ident),+] $name:ty: $key:ty => $value:ty) => {
        impl<$($param),+> $name {
            /// Calls `f` with each key and a pointer to its value, until it breaks; gives the
            /// number of calls (5.13).
            ///
            /// The program is verified with `f` once, however many entries there are. What `f`
            /// captures by reference are variables of the program, as in any closure.
            ///
            /// # Errors
            /// `-EINVAL` when the kernel cannot go through maps of the kind.
            #[inline(always)]
            pub fn for_each(
                &self,
                f: impl FnMut(&$key, *mut $value) -> ::core::ops::ControlFlow<()>,
            ) -> Result<u32, $crate::cty::c_long> {
                self.def.for_each(f)
            }
        }
    };
}

/// Methods of maps whose entries come and go.
macro_rules! map_entries {
    ([$($param:ident),+] $name:ty: $key:ty => $value:ty, of: $of:literal, full: $full:literal) => {
        impl<$($param),+> $name {
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
            ) -> Option<&$value> {
                let value = self.def.get_or_insert(key.borrow(), initial.borrow())?;
                // SAFETY: as of `get`.
                Some(unsafe { &*value })
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
                change: impl FnOnce($value) -> $value,
            ) -> Option<()>
            where
                $value: Copy,
            {
                let value = self.def.get_or_insert(key.borrow(), initial.borrow())?;
                // SAFETY: the pointer is to a value of the map; see `Map::update`.
                unsafe { value.write(change(value.read())) };
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
            /// All bytes of a key count, so a key type must have no padding: derive
            /// [`Pod`](crate::Pod).
            $name<K, V> = $kind(K => V),
            entries: "up to `max_entries` entries"
        }

        map_values! {
            [K, V] $name<K, V>: (key: impl ::core::borrow::Borrow<K> => key.borrow()) -> V, $the,
            none: "when there is no such key", values: $values
        }

        map_for_each! { [K, V] $name<K, V>: K => V }

        map_entries! { [K, V] $name<K, V>: K => V, of: $of, full: $full }
    };
}

/// Methods of maps of values without keys.
macro_rules! map_queue {
    ([$($param:ident),+] $name:ty: $value:ty, next: $next:literal) => {
        impl<$($param),+> $name {
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
            pub fn pop(&self) -> Option<$value> {
                let mut value = ::core::mem::MaybeUninit::<$value>::uninit();
                // SAFETY: the map is one of the object's, and there is room for a value.
                let result = unsafe {
                    $crate::helpers::bpf_map_pop_elem(self.as_ptr(), value.as_mut_ptr().cast())
                };
                // SAFETY: success means that all of the value was written.
                (result == 0).then(|| unsafe { value.assume_init() })
            }

            #[doc = concat!("A copy of the value ", $next, "; `None` when there is none.")]
            #[inline(always)]
            pub fn peek(&self) -> Option<$value>
            where
                $value: Copy,
            {
                let mut value = ::core::mem::MaybeUninit::<$value>::uninit();
                // SAFETY: the map is one of the object's, and there is room for a value.
                let result = unsafe {
                    $crate::helpers::bpf_map_peek_elem(self.as_ptr(), value.as_mut_ptr().cast())
                };
                // SAFETY: success means that all of the value was written.
                (result == 0).then(|| unsafe { value.assume_init() })
            }
        }
    };
}
