//! Values of the cgroups that programs are attached to.

use hachi_ebpf::maps as hachi;

use super::Value;

macro_rules! storages {
    ($($(#[$doc:meta])* $name:ident;)*) => { $(
        $(#[$doc])*
        #[repr(transparent)]
        pub struct $name<V: 'static>(hachi::$name<Value<V>>);

        // SAFETY: what the program does with pointers into the map is its own business.
        unsafe impl<V: 'static> Sync for $name<V> {}

        impl<V: 'static> $name<V> {
            /// An empty map.
            pub const fn new() -> Self {
                $name(hachi::$name::new(0))
            }

            /// The same, pinned by its name.
            pub const fn pinned() -> Self {
                $name(hachi::$name::pinned(0))
            }

            /// A pointer to the value of the cgroup that the program is attached to.
            #[inline(always)]
            pub fn get_ptr_mut(&self) -> *mut V {
                self.0.get_ptr_mut().cast()
            }
        }

        impl<V: 'static> Default for $name<V> {
            fn default() -> Self {
                Self::new()
            }
        }
    )* };
}

storages! {
    /// A value for each cgroup that a program with this map is attached to (4.19).
    CgroupStorage;
    /// The same, with a value for each CPU (4.20).
    PerCpuCgroupStorage;
}
