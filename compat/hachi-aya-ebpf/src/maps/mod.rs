//! Maps. Keys and values are whatever the program says; nothing is required of them, so that most
//! methods that read one in place are as safe as their users.

use core::borrow::Borrow;

use hachi_ebpf::{
    MapValue, Pod,
    cty::{c_long, c_void},
    helpers::bpf_map_update_elem,
    maps as hachi,
};

use crate::{EbpfContext, check};

pub use hachi_ebpf::maps::{CpuMap, DevMapValue, XskMap};

pub mod cgroup_array;
pub mod cgroup_storage;
pub mod reuseport_sock_array;
pub mod ring_buf;
pub mod sock_hash;
pub mod sock_map;

pub use cgroup_array::CgroupArray;
pub use cgroup_storage::{CgroupStorage, PerCpuCgroupStorage};
pub use reuseport_sock_array::ReusePortSockArray;
pub use ring_buf::RingBuf;
pub use sock_hash::SockHash;
pub use sock_map::SockMap;

/// A key, or what is pushed: its bytes.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Plain<T>(T);

// SAFETY: none of Hachi's safe methods reads it as anything but bytes; padding is the program's
// business, as in Aya, and the verifier's.
unsafe impl<T: Copy + 'static> Pod for Plain<T> {}

impl<T> Plain<T> {
    #[inline(always)]
    pub(crate) fn of(value: &T) -> &Self {
        // SAFETY: `repr(transparent)`: a reference to the one is a reference to the other.
        unsafe { &*core::ptr::from_ref(value).cast() }
    }
}

/// A value of a map, used in place.
#[repr(transparent)]
pub(crate) struct Value<T>(T);

// SAFETY: looking gives a pointer, of which nothing is promised.
unsafe impl<T: 'static> MapValue for Value<T> {
    type Ref<'a> = *mut T;
    type Cell = Value<T>;

    #[inline(always)]
    unsafe fn look<'a>(place: *mut Self) -> *mut T
    where
        Self: 'a,
    {
        place.cast()
    }
}

impl<T> Value<T> {
    #[inline(always)]
    pub(crate) fn of(value: &T) -> &Self {
        // SAFETY: `repr(transparent)`: a reference to the one is a reference to the other.
        unsafe { &*core::ptr::from_ref(value).cast() }
    }
}

#[inline(always)]
fn narrow<T>(result: Result<T, c_long>) -> Result<T, i32> {
    result.map_err(|error| error as i32)
}

/// The map in a wrapper, and how it is declared.
macro_rules! wrapper {
    (
        $(#[$doc:meta])*
        $name:ident<$($param:ident $(: $bound:ident)?),*> = $hachi:ty
    ) => {
        $(#[$doc])*
        #[repr(transparent)]
        pub struct $name<$($param: $($bound +)? 'static),*>($hachi);

        // SAFETY: the kernel's maps are shared by all CPUs; what the program does with pointers
        // into them is its own business.
        unsafe impl<$($param: $($bound +)? 'static),*> Sync for $name<$($param),*> {}

        impl<$($param: $($bound +)? 'static),*> $name<$($param),*> {
            /// A map of this capacity. `flags` are those of map creation, usually 0.
            pub const fn with_max_entries(max_entries: u32, flags: u32) -> Self {
                $name(<$hachi>::with_max_entries(max_entries, flags))
            }

            /// The same, pinned by its name.
            pub const fn pinned(max_entries: u32, flags: u32) -> Self {
                $name(<$hachi>::pinned(max_entries, flags))
            }

            /// The map as the helpers take it.
            #[inline(always)]
            pub fn as_ptr(&self) -> *mut c_void {
                self.0.as_ptr()
            }
        }
    };
}
use wrapper;

macro_rules! tables {
    ($($(#[$doc:meta])* $name:ident;)*) => { $(
        wrapper! {
            $(#[$doc])*
            $name<K: Copy, V> = hachi::$name<Plain<K>, Value<V>>
        }

        impl<K: Copy + 'static, V: 'static> $name<K, V> {
            /// The value of `key`, in place.
            ///
            /// # Safety
            /// Others may write it at the same time, and its entry may be used for another key.
            #[inline(always)]
            pub unsafe fn get(&self, key: impl Borrow<K>) -> Option<&V> {
                // SAFETY: the kernel keeps the memory until the program ends; the caller promises
                // the rest.
                self.get_ptr(key).map(|value| unsafe { &*value })
            }

            /// A pointer to the value of `key`.
            #[inline(always)]
            pub fn get_ptr(&self, key: impl Borrow<K>) -> Option<*const V> {
                self.0.get_ptr(Plain::of(key.borrow())).map(<*const _>::cast)
            }

            /// A pointer to the value of `key`, to write it.
            #[inline(always)]
            pub fn get_ptr_mut(&self, key: impl Borrow<K>) -> Option<*mut V> {
                self.0.get_ptr_mut(Plain::of(key.borrow())).map(<*mut _>::cast)
            }

            /// Gives `key` a value. `flags`: 0, `BPF_NOEXIST` or `BPF_EXIST`.
            ///
            /// # Errors
            /// What the kernel returns, negative.
            #[inline(always)]
            pub fn insert(
                &self,
                key: impl Borrow<K>,
                value: impl Borrow<V>,
                flags: u64,
            ) -> Result<(), i32> {
                let (key, value) = (Plain::of(key.borrow()), Value::of(value.borrow()));
                narrow(self.0.insert(key, value, flags))
            }

            /// Removes `key`.
            ///
            /// # Errors
            /// What the kernel returns, negative.
            #[inline(always)]
            pub fn remove(&self, key: impl Borrow<K>) -> Result<(), i32> {
                narrow(self.0.remove(Plain::of(key.borrow())))
            }
        }
    )* };
}

tables! {
    /// A hash table.
    HashMap;
    /// A hash table that makes room by removing what was not used lately.
    LruHashMap;
    /// A hash table with one value for each CPU.
    PerCpuHashMap;
    /// A hash table with one value for each CPU that makes room by removing what was not used
    /// lately.
    LruPerCpuHashMap;
}

macro_rules! arrays {
    ($($(#[$doc:meta])* $name:ident;)*) => { $(
        wrapper! {
            $(#[$doc])*
            $name<T> = hachi::$name<Value<T>>
        }

        impl<T: 'static> $name<T> {
            /// The value at `index`, in place. Others may write it at the same time.
            #[inline(always)]
            pub fn get(&self, index: u32) -> Option<&T> {
                // SAFETY: the elements of an array last as long as the map.
                self.get_ptr(index).map(|value| unsafe { &*value })
            }

            /// A pointer to the value at `index`.
            #[inline(always)]
            pub fn get_ptr(&self, index: u32) -> Option<*const T> {
                self.0.get_ptr(index).map(<*const _>::cast)
            }

            /// A pointer to the value at `index`, to write it.
            #[inline(always)]
            pub fn get_ptr_mut(&self, index: u32) -> Option<*mut T> {
                self.0.get_ptr_mut(index).map(<*mut _>::cast)
            }

            /// Writes the value at `index`. `flags`: 0 or `BPF_EXIST`.
            ///
            /// # Errors
            /// What the kernel returns, negative.
            #[inline(always)]
            pub fn set(&self, index: u32, value: impl Borrow<T>, flags: u64) -> Result<(), i32> {
                // SAFETY: the map is one of the object's; key and value are readable.
                let result = unsafe {
                    bpf_map_update_elem(
                        self.0.as_ptr(),
                        core::ptr::from_ref(&index).cast_mut().cast(),
                        core::ptr::from_ref(value.borrow()).cast_mut().cast(),
                        flags,
                    )
                };
                check(result)
            }
        }
    )* };
}

arrays! {
    /// Values by index.
    Array;
    /// One value for each CPU, by index.
    PerCpuArray;
}

/// Values by prefixes.
pub mod lpm_trie {
    use super::*;

    /// A prefix: this many bits of `data`.
    #[derive(Clone, Copy)]
    #[repr(C, packed)]
    pub struct Key<K> {
        /// How many bits of `data` count.
        pub prefix_len: u32,
        /// The bits, the most significant first.
        pub data: K,
    }

    impl<K> Key<K> {
        /// A prefix.
        pub const fn new(prefix_len: u32, data: K) -> Self {
            Key { prefix_len, data }
        }
    }

    wrapper! {
        /// Values by prefixes: the longest that fits is found.
        LpmTrie<K: Copy, V> = hachi::LpmTrie<Plain<K>, Value<V>>
    }

    impl<K: Copy + 'static, V: 'static> LpmTrie<K, V> {
        #[inline(always)]
        fn key(key: &Key<K>) -> hachi::lpm_trie::Key<Plain<K>> {
            hachi::lpm_trie::Key::new(key.prefix_len, Plain(key.data))
        }

        /// The value of the longest prefix that fits, in place.
        #[inline(always)]
        pub fn get(&self, key: impl Borrow<Key<K>>) -> Option<&V> {
            let value = self.0.get_ptr(Self::key(key.borrow()))?;
            // SAFETY: the kernel keeps the memory until the program ends.
            Some(unsafe { &*value.cast() })
        }

        /// Gives a prefix a value. `flags`: 0, `BPF_NOEXIST` or `BPF_EXIST`.
        ///
        /// # Errors
        /// What the kernel returns, negative.
        #[inline(always)]
        pub fn insert(
            &self,
            key: impl Borrow<Key<K>>,
            value: impl Borrow<V>,
            flags: u64,
        ) -> Result<(), i32> {
            let value = Value::of(value.borrow());
            narrow(self.0.insert(Self::key(key.borrow()), value, flags))
        }

        /// Removes a prefix.
        ///
        /// # Errors
        /// What the kernel returns, negative.
        #[inline(always)]
        pub fn remove(&self, key: impl Borrow<Key<K>>) -> Result<(), i32> {
            narrow(self.0.remove(Self::key(key.borrow())))
        }
    }
}

pub use lpm_trie::LpmTrie;

wrapper! {
    /// A set that may say yes wrongly.
    BloomFilter<T: Copy> = hachi::BloomFilter<Plain<T>>
}

impl<T: Copy + 'static> BloomFilter<T> {
    /// Whether `value` may have been added.
    ///
    /// # Errors
    /// `-ENOENT` when it was surely not.
    #[inline(always)]
    pub fn contains(&self, value: impl Borrow<T>) -> Result<(), i32> {
        narrow(self.0.contains(Plain::of(value.borrow())))
    }

    /// Adds a value.
    ///
    /// # Errors
    /// What the kernel returns, negative.
    #[inline(always)]
    pub fn insert(&self, value: impl Borrow<T>, flags: u64) -> Result<(), i32> {
        narrow(self.0.insert(Plain::of(value.borrow()), flags))
    }
}

macro_rules! lines {
    ($($(#[$doc:meta])* $name:ident;)*) => { $(
        wrapper! {
            $(#[$doc])*
            $name<T: Copy> = hachi::$name<Plain<T>>
        }

        impl<T: Copy + 'static> $name<T> {
            /// Puts a value in. `flags`: 0, or `BPF_EXIST` to push the oldest out of a full one.
            ///
            /// # Errors
            /// What the kernel returns, negative.
            #[inline(always)]
            pub fn push(&self, value: impl Borrow<T>, flags: u64) -> Result<(), i32> {
                narrow(self.0.push(Plain::of(value.borrow()), flags))
            }

            /// Takes the next value out.
            ///
            /// # Errors
            /// None: the kernel's only one is that there is no value.
            #[inline(always)]
            pub fn pop(&self) -> Result<Option<T>, i32> {
                Ok(self.0.pop().map(|value| value.0))
            }

            /// The next value, which stays.
            ///
            /// # Errors
            /// None: the kernel's only one is that there is no value.
            #[inline(always)]
            pub fn peek(&self) -> Result<Option<T>, i32> {
                Ok(self.0.peek().map(|value| value.0))
            }
        }
    )* };
}

lines! {
    /// First in, first out.
    Queue;
    /// Last in, first out.
    Stack;
}

wrapper! {
    /// Programs by index, for tail calls.
    ProgramArray<> = hachi::ProgramArray
}

impl ProgramArray {
    /// Goes on with the program at `index`, and comes back only when there is none.
    ///
    /// # Safety
    /// None is needed.
    #[inline(always)]
    pub unsafe fn tail_call<C: EbpfContext>(&self, ctx: &C, index: u32) {
        let Err(_) = self.0.tail_call(ctx.as_hachi(), index);
    }
}

wrapper! {
    /// Stacks of calls, by number.
    StackTrace<> = hachi::StackTrace
}

impl StackTrace {
    #[inline(always)]
    pub(crate) fn hachi(&self) -> &hachi::StackTrace {
        &self.0
    }

    /// The number of the current stack.
    ///
    /// # Safety
    /// None is needed.
    ///
    /// # Errors
    /// What the kernel returns, negative.
    #[inline(always)]
    pub unsafe fn get_stackid<C: EbpfContext>(&self, ctx: &C, flags: u64) -> Result<i64, i64> {
        self.0.get_stackid(ctx.as_hachi(), flags)
    }
}

macro_rules! devices {
    ($($(#[$doc:meta])* $name:ident;)*) => { $(
        wrapper! {
            $(#[$doc])*
            $name<> = hachi::$name
        }

        impl $name {
            /// The interface at a place, and its program.
            #[inline(always)]
            pub fn get(&self, key: u32) -> Option<DevMapValue> {
                self.0.get(key)
            }

            /// The index of the interface at a place.
            #[inline(always)]
            pub fn get_ifindex(&self, key: u32) -> Option<u32> {
                self.0.get(key).map(|value| value.if_index)
            }

            /// Redirects the packet to the interface at a place.
            ///
            /// # Errors
            /// The action in `flags` when there is none.
            #[inline(always)]
            pub fn redirect(&self, key: u32, flags: u64) -> Result<u32, u32> {
                self.0.redirect(key, flags)
            }
        }
    )* };
}

devices! {
    /// Interfaces by index.
    DevMap;
    /// Interfaces by key.
    DevMapHash;
}

/// Events by perf buffers.
pub mod perf {
    pub use super::{PerfEventArray, PerfEventByteArray};
}

/// A buffer of events for each CPU, of one type.
#[repr(transparent)]
pub struct PerfEventArray<T: Copy + 'static>(hachi::PerfEventArray<Plain<T>>);

// SAFETY: the kernel's maps are shared by all CPUs.
unsafe impl<T: Copy + 'static> Sync for PerfEventArray<T> {}

impl<T: Copy + 'static> PerfEventArray<T> {
    /// A buffer for each CPU. `flags` are those of map creation, usually 0.
    pub const fn new(flags: u32) -> Self {
        PerfEventArray(hachi::PerfEventArray::new(flags))
    }

    /// The same, for this number of CPUs at most (0: all).
    pub const fn with_max_entries(max_entries: u32, flags: u32) -> Self {
        PerfEventArray(hachi::PerfEventArray::with_max_entries(max_entries, flags))
    }

    /// A buffer for each CPU, pinned by its name.
    pub const fn pinned(flags: u32) -> Self {
        PerfEventArray(hachi::PerfEventArray::pinned(0, flags))
    }

    /// Sends an event. One for which there is no room is lost.
    #[inline(always)]
    pub fn output<C: EbpfContext>(&self, ctx: &C, data: impl Borrow<T>, flags: u32) {
        let _ = self
            .0
            .output(ctx.as_hachi(), Plain::of(data.borrow()), flags);
    }

    /// Sends an event through the buffer at `index`.
    #[inline(always)]
    pub fn output_at_index<C: EbpfContext>(
        &self,
        ctx: &C,
        index: u32,
        data: impl Borrow<T>,
        flags: u32,
    ) {
        let _ = self
            .0
            .output_at_index(ctx.as_hachi(), index, Plain::of(data.borrow()), flags);
    }
}

/// A buffer of events for each CPU, of any bytes.
#[repr(transparent)]
pub struct PerfEventByteArray(hachi::PerfEventByteArray);

impl PerfEventByteArray {
    /// A buffer for each CPU. `flags` are those of map creation, usually 0.
    pub const fn new(flags: u32) -> Self {
        PerfEventByteArray(hachi::PerfEventByteArray::new(flags))
    }

    /// A buffer for each CPU, pinned by its name.
    pub const fn pinned(flags: u32) -> Self {
        PerfEventByteArray(hachi::PerfEventByteArray::pinned(0, flags))
    }

    /// Sends an event. One for which there is no room is lost.
    #[inline(always)]
    pub fn output<C: EbpfContext>(&self, ctx: &C, data: &[u8], flags: u32) {
        let _ = self.0.output(ctx.as_hachi(), data, flags);
    }

    /// Sends an event through the buffer at `index`.
    #[inline(always)]
    pub fn output_at_index<C: EbpfContext>(&self, ctx: &C, index: u32, data: &[u8], flags: u32) {
        let _ = self.0.output_at_index(ctx.as_hachi(), index, data, flags);
    }
}

macro_rules! modules {
    ($($(#[$doc:meta])* $module:ident: $($name:ident)*;)*) => { $(
        $(#[$doc])*
        pub mod $module {
            pub use super::{$($name),*};
        }
    )* };
}

modules! {
    /// Arrays.
    array: Array;
    /// Sets that may say yes wrongly.
    bloom_filter: BloomFilter;
    /// Hash tables.
    hash_map: HashMap LruHashMap LruPerCpuHashMap PerCpuHashMap;
    /// Arrays with one value for each CPU.
    per_cpu_array: PerCpuArray;
    /// Programs by index.
    program_array: ProgramArray;
    /// First in, first out.
    queue: Queue;
    /// Last in, first out.
    stack: Stack;
    /// Stacks of calls.
    stack_trace: StackTrace;
    /// Where XDP programs redirect packets to.
    xdp: CpuMap DevMap DevMapHash DevMapValue XskMap;
}

/// Maps, whatever their kind: none has methods that all have.
pub trait Map {}

macro_rules! kinds {
    ($($name:ident $(<$($param:ident $(: $bound:ident)?),+>)?;)*) => { $(
        impl $(<$($param: $($bound +)? 'static),+>)? Map for $name $(<$($param),+>)? {}
    )* };
}

kinds! {
    Array<T>;
    BloomFilter<T: Copy>;
    CgroupArray;
    CgroupStorage<T>;
    CpuMap;
    DevMap;
    DevMapHash;
    HashMap<K: Copy, V>;
    LpmTrie<K: Copy, V>;
    LruHashMap<K: Copy, V>;
    LruPerCpuHashMap<K: Copy, V>;
    PerCpuArray<T>;
    PerCpuCgroupStorage<T>;
    PerCpuHashMap<K: Copy, V>;
    PerfEventArray<T: Copy>;
    PerfEventByteArray;
    ProgramArray;
    Queue<T: Copy>;
    ReusePortSockArray;
    RingBuf;
    SockHash<K: Copy>;
    SockMap;
    Stack<T: Copy>;
    StackTrace;
    XskMap;
}
