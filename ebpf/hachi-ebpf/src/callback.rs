//! Functions that the kernel calls back: closures, made into such.
//!
//! A helper like `bpf_loop` takes the address of a function and a pointer for it. The function is
//! made for each type of closure, the pointer is the closure's. The kernel verifies the function
//! with that pointer as what it is, a pointer to the caller's stack, so a closure may use what it
//! captures.

use core::ops::ControlFlow;

use crate::cty::{c_int, c_long, c_void};
use crate::dynptr::Dynptr;
use crate::maps::{self, TypedMap};
use crate::{MapValue, Shareable};

/// The address of a callback as helpers take it.
#[inline(always)]
pub(crate) fn address(function: *const ()) -> *mut c_void {
    function.cast_mut().cast()
}

/// What a callback returns to the kernel.
#[inline(always)]
fn verdict(flow: ControlFlow<()>) -> c_long {
    match flow {
        ControlFlow::Continue(()) => 0,
        ControlFlow::Break(()) => 1,
    }
}

/// For `bpf_loop`.
pub(crate) unsafe extern "C" fn iteration<F: FnMut(u32) -> ControlFlow<()>>(
    index: u64,
    closure: *mut F,
) -> c_long {
    // SAFETY: the helper passes on the pointer to the closure, which its caller lends it alone.
    verdict(unsafe { (*closure)(index as u32) })
}

/// For `bpf_for_each_map_elem`.
pub(crate) unsafe extern "C" fn map_element<K, V, F: FnMut(*const K, *mut V) -> ControlFlow<()>>(
    _map: *mut c_void,
    key: *const K,
    value: *mut V,
    closure: *mut F,
) -> c_long {
    // SAFETY: the closure is its caller's, lent alone.
    verdict(unsafe { (*closure)(key, value) })
}

/// For `bpf_user_ringbuf_drain`.
pub(crate) unsafe extern "C" fn user_record<F: FnMut(&Dynptr) -> ControlFlow<()>>(
    record: *const Dynptr,
    closure: *mut F,
) -> c_long {
    // SAFETY: the record is the kernel's, there for the call; the closure is its caller's, lent
    // alone.
    verdict(unsafe { (*closure)(&*record) })
}

/// A closure that is called later, with a key of a map and its value in place.
pub trait Later<M: TypedMap>:
    Fn(<M::Key as Shareable>::Read, &<M::Value as MapValue>::Cell) + Copy + 'static
{
}

impl<M: TypedMap, F> Later<M> for F where
    F: Fn(<M::Key as Shareable>::Read, &<M::Value as MapValue>::Cell) + Copy + 'static
{
}

/// The address of a callback for what lies in a value of a map and happens later: a timer, work.
/// `f` is called with key and value.
#[inline(always)]
pub(crate) fn later<M: TypedMap, F: Later<M>>(_f: F) -> *mut c_void {
    const {
        assert!(
            size_of::<F>() == 0,
            "the closure may capture nothing: it runs when the program is long over"
        )
    };
    address(in_value::<M, F> as *const ())
}

unsafe extern "C" fn in_value<M: TypedMap, F: Later<M>>(
    _map: *mut c_void,
    key: *const M::Key,
    value: *const M::Value,
) -> c_int {
    // SAFETY: `F` has no bytes (`later` makes sure), and there was one.
    let f = unsafe { core::ptr::dangling::<F>().read() };
    // SAFETY: key and value are the map's.
    unsafe { f(maps::key(key), &*value.cast()) };
    0
}
