//! Local storage: a value for each socket, inode or cgroup, which goes when that goes.

use core::ptr;

use hachi_ebpf::{bindings::BPF_LOCAL_STORAGE_GET_F_CREATE, helpers, maps as hachi};

use crate::{
    bindings::{bpf_sock, cgroup, inode},
    check, maps,
    programs::SockAddrContext,
};

macro_rules! storage {
    (
        $(#[$doc:meta])*
        $module:ident: $name:ident, $owner:ident: $owner_ty:ty => $pointer:expr,
        $get:ident, $delete:ident: $deleted:ty
    ) => {
        $(#[$doc])*
        #[repr(transparent)]
        pub struct $name<T: 'static>(hachi::$name<maps::Value<T>>);

        // SAFETY: what the program does with pointers into the map is its own business.
        unsafe impl<T: 'static> Sync for $name<T> {}

        impl<T: 'static> $name<T> {
            /// The map.
            pub const fn new() -> Self {
                $name(hachi::$name::new(0))
            }

            /// A pointer to the owner's value; null when it has none.
            ///
            /// # Safety
            /// The owner is one that the kernel has given.
            #[inline(always)]
            pub unsafe fn get_ptr_mut(&self, $owner: $owner_ty) -> *mut T {
                // SAFETY: the map is one of the object's; the verifier checks the owner.
                unsafe { helpers::$get(self.0.as_ptr(), $pointer, ptr::null_mut(), 0) }.cast()
            }

            /// A pointer to the owner's value, which is `value` (or zeros) if it had none; null
            /// when there is no memory.
            ///
            /// # Safety
            /// The owner is one that the kernel has given.
            #[inline(always)]
            pub unsafe fn get_or_insert_ptr_mut(
                &self,
                $owner: $owner_ty,
                value: Option<&mut T>,
            ) -> *mut T {
                let value = value.map_or(ptr::null_mut(), ptr::from_mut).cast();
                let flags = BPF_LOCAL_STORAGE_GET_F_CREATE;
                // SAFETY: as above; the value is readable for its size.
                unsafe { helpers::$get(self.0.as_ptr(), $pointer, value, flags) }.cast()
            }

            /// Removes the owner's value.
            ///
            /// # Safety
            /// The owner is one that the kernel has given.
            ///
            /// # Errors
            /// `-ENOENT` when it has none.
            #[inline(always)]
            pub unsafe fn delete(&self, owner: $deleted) -> Result<(), i32> {
                // SAFETY: as above.
                check(unsafe { helpers::$delete(self.0.as_ptr(), owner.cast()) }.into())
            }
        }

        impl<T: 'static> Default for $name<T> {
            fn default() -> Self {
                Self::new()
            }
        }

        #[doc = concat!("See [`", stringify!($name), "`].")]
        pub mod $module {
            pub use super::$name;
        }
    };
}

storage! {
    /// A value for each socket (5.2).
    sk_storage: SkStorage,
    ctx: &SockAddrContext => (*ctx.sock_addr).sk.cast(),
    bpf_sk_storage_get, bpf_sk_storage_delete: *mut bpf_sock
}

storage! {
    /// A value for each inode (5.10).
    inode_storage: InodeStorage,
    inode: *mut inode => inode.cast(),
    bpf_inode_storage_get, bpf_inode_storage_delete: *mut inode
}

storage! {
    /// A value for each cgroup (6.2).
    cgrp_storage: CgrpStorage,
    cgroup: *mut cgroup => cgroup.cast(),
    bpf_cgrp_storage_get, bpf_cgrp_storage_delete: *mut cgroup
}
