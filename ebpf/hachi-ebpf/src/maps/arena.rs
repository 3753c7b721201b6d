//! `BPF_MAP_TYPE_ARENA`

use core::marker::PhantomData;

use super::def::{Map, MapDef, Pinning};
use crate::bindings::BPF_F_MMAPABLE;
use crate::bindings::bpf_map_type::BPF_MAP_TYPE_ARENA;
use crate::cty::c_void;
use crate::{Pod, Shared};

/// Memory that programs and user space share, with pointers that mean the same to both (6.9;
/// x86-64, arm64 from 6.10).
///
/// Pages are allocated by a program, or by user space touching them. What lies in them is up to
/// both: lists, trees, tables, joined by [`ArenaPtr`]s. A program names one arena at most.
///
/// ```
/// use hachi_ebpf::{Pod, macros::map, maps::{Arena, ArenaPtr}};
///
/// #[derive(Clone, Copy, Pod)]
/// #[repr(C)]
/// struct Node {
///     value: u64,
///     next: ArenaPtr<Node>,
/// }
///
/// #[map]
/// static MEMORY: Arena = Arena::with_pages(100, 0);
///
/// /// A node in a page of its own, before `next`. In programs that may sleep.
/// fn push(value: u64, next: ArenaPtr<Node>) -> Option<ArenaPtr<Node>> {
///     let node = MEMORY.alloc_pages(1)?.cast();
///     MEMORY.write(node, Node { value, next })?;
///     Some(node)
/// }
/// ```
/// An access to a page that is not there is not an error: it reads zeros, and writes nothing.
#[repr(transparent)]
pub struct Arena {
    // No types of key and value: the kernel knows none for an arena.
    def: Map<(), ()>,
}

/// Bytes in a page, on the machines that have arenas. (Where pages are larger, those that are
/// allocated are as well.)
const PAGE: usize = 4096;

impl Arena {
    /// An arena of at most this many pages; `flags` are those of map creation, usually 0.
    /// `BPF_F_MMAPABLE`, which the kernel demands for this kind, is added.
    pub const fn with_pages(pages: u32, flags: u32) -> Self {
        Arena {
            def: Map::new(MapDef::new(
                BPF_MAP_TYPE_ARENA,
                pages,
                flags | BPF_F_MMAPABLE,
                Pinning::None,
            )),
        }
    }

    /// The same, which user space will have at this address, a multiple of the page size. Without
    /// it the kernel chooses one.
    #[must_use]
    pub const fn at(self, address: u64) -> Self {
        Arena {
            def: self.def.map_extra(address),
        }
    }

    /// The map as the helpers take it.
    #[inline(always)]
    pub fn as_ptr(&self) -> *mut c_void {
        self.def.as_ptr()
    }

    /// Allocates `count` adjacent pages, all zeros, for programs that may sleep; `None` when the
    /// arena has no such place, or the machine no memory.
    #[inline(always)]
    pub fn alloc_pages(&self, count: u32) -> Option<ArenaPtr<[u8; PAGE]>> {
        #[cfg(any(hachi_bpf, not(feature = "test")))]
        let address = {
            let (map, at, node, flags) = (self.as_ptr(), core::ptr::null_mut::<c_void>(), -1, 0);
            // SAFETY: the map is an arena of the object's; any node, any address.
            let pages = crate::__call_kfunc!([unsafe]
                "kfunc:bpf_arena_alloc_pages:fn(*void, *void, u32, i32, u64) -> *void",
                (map: *mut c_void, at: *mut c_void, count: u32, node: i32, flags: u64) *mut c_void);
            pages as u64
        };
        #[cfg(all(feature = "test", not(hachi_bpf)))]
        let address = crate::test::arena_pages(count, self.as_ptr());
        (address != 0).then_some(ArenaPtr::from_address(address))
    }

    /// Gives pages back, for programs that may sleep; reading there gives zeros from then on.
    #[inline(always)]
    pub fn free_pages<T>(&self, at: ArenaPtr<T>, count: u32) {
        let (map, at) = (self.as_ptr(), at.address as *mut c_void);
        // SAFETY: the map is an arena of the object's; the kernel checks the addresses.
        crate::__call_kfunc!([unsafe] "kfunc:bpf_arena_free_pages:fn(*void, *void, u32)",
            (map: *mut c_void, at: *mut c_void, count: u32) ());
    }

    /// A pointer to what `at` means, to read and write through in this program; `None` for a
    /// pointer
    /// that is null or not aligned for a `T`.
    #[inline(always)]
    pub fn get_ptr_mut<T>(&self, at: ArenaPtr<T>) -> Option<*mut T> {
        if at.is_null() || at.address & (align_of::<T>() as u64 - 1) != 0 {
            return None;
        }
        #[cfg(hachi_bpf)]
        {
            unsafe extern "C" {
                fn __hachi_arena_cast(at: *mut c_void, arena: *mut c_void) -> *mut c_void;
            }
            // SAFETY: any address will do: the kernel takes what lies in the arena of it.
            Some(unsafe { __hachi_arena_cast(at.address as *mut c_void, self.as_ptr()) }.cast())
        }
        #[cfg(all(feature = "test", not(hachi_bpf)))]
        {
            crate::test::in_arena(at.address, size_of::<T>()).map(<*mut u8>::cast)
        }
        #[cfg(not(any(feature = "test", hachi_bpf)))]
        None
    }

    /// What `at` means, in place; `None` for a pointer that is null or not aligned for a `T`.
    #[inline(always)]
    pub fn cell<T: Pod>(&self, at: ArenaPtr<T>) -> Option<&Shared<T>> {
        // SAFETY: the kernel makes of any address one in the arena, where reading is always
        // possible, and which stays as aligned as it is; any bytes make a `T`.
        self.get_ptr_mut(at)
            .map(|at| unsafe { Shared::from_ptr(at) })
    }

    /// A copy of what `at` means; `None` for a pointer that is null or not aligned for a `T`.
    #[inline(always)]
    pub fn read<T: Pod>(&self, at: ArenaPtr<T>) -> Option<T> {
        self.cell(at).map(Shared::get)
    }

    /// Overwrites what `at` means; `None`, with nothing written, for a pointer that is null or not
    /// aligned for a `T`.
    #[inline(always)]
    pub fn write<T: Pod>(&self, at: ArenaPtr<T>, value: T) -> Option<()> {
        self.cell(at).map(|at| at.set(value))
    }
}

/// A pointer into an [`Arena`], as user space sees it: a structure in an arena may hold it, and
/// both sides follow it. 8 bytes; 0 is null.
#[derive(Debug)]
#[repr(transparent)]
pub struct ArenaPtr<T> {
    address: u64,
    to: PhantomData<fn() -> T>,
}

impl<T> Clone for ArenaPtr<T> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for ArenaPtr<T> {}

// SAFETY: it is an integer, and any will do.
unsafe impl<T: 'static> Pod for ArenaPtr<T> {}

impl<T> ArenaPtr<T> {
    /// The pointer to what user space has at this address, which user space has told. What is not
    /// aligned for a `T` leads nowhere, as null does.
    pub const fn from_address(address: u64) -> Self {
        ArenaPtr {
            address,
            to: PhantomData,
        }
    }

    /// The pointer to nothing.
    pub const fn null() -> Self {
        ArenaPtr::from_address(0)
    }

    /// Whether it is the pointer to nothing.
    #[inline(always)]
    pub fn is_null(self) -> bool {
        self.address == 0
    }

    /// The address in user space.
    #[inline(always)]
    pub fn address(self) -> u64 {
        self.address
    }

    /// The same place as one of another type.
    #[inline(always)]
    pub fn cast<U>(self) -> ArenaPtr<U> {
        ArenaPtr::from_address(self.address)
    }

    /// The place `count` values of this type further on.
    #[inline(always)]
    #[must_use]
    #[allow(
        clippy::should_implement_trait,
        reason = "Rust's own pointers have it so"
    )]
    pub fn add(self, count: usize) -> Self {
        let distance = count.wrapping_mul(size_of::<T>());
        ArenaPtr::from_address(self.address.wrapping_add(distance as u64))
    }
}
