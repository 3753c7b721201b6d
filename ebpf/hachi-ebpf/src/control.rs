//! Loops that the verifier accepts however long they are.
//!
//! | | kernel | verified |
//! |---|---|---|
//! | an ordinary loop with bounds known when loading | 5.3 | each round |
//! | [`bpf_loop`] | 5.17 | the closure once |
//! | [`bpf_for!`](crate::bpf_for) | 6.4 | until nothing new is learned |
//! | [`may_goto`] | 6.9 | until nothing new is learned |

use core::ops::ControlFlow;

use crate::cty::c_long;
use crate::{callback, helpers};

/// Calls `f` with 0, 1, … up to `count - 1`, or until it breaks; gives the number of calls (5.17).
///
/// ```
/// use core::ops::ControlFlow;
/// use hachi_ebpf::bpf_loop;
///
/// fn sum(count: u32) -> u64 {
///     let mut sum = 0;
///     let _ = bpf_loop(count, |i| {
///         sum += u64::from(i);
///         ControlFlow::Continue(())
///     });
///     sum
/// }
/// ```
///
/// # Errors
/// `-E2BIG` for more than 2²³ (8388608) calls.
#[inline(always)]
pub fn bpf_loop<F: FnMut(u32) -> ControlFlow<()>>(count: u32, mut f: F) -> Result<u32, c_long> {
    // SAFETY: the callback gets the closure that it is made for, which lives as long as the call.
    let calls = unsafe {
        helpers::bpf_loop(
            count,
            callback::address(callback::iteration::<F> as *const ()),
            (&raw mut f).cast(),
            0,
        )
    };
    helpers::check(calls)?;
    Ok(calls as u32)
}

/// Whether the loop around it may go on: `while may_goto() { … }` is a loop without bounds that the
/// verifier can follow (6.9).
///
/// The kernel says no after 8388608 times in one run of the program (all loops together; newer kernels
/// also after a quarter of a second), so it is not to be relied on that a loop ends by itself.
#[inline(always)]
pub fn may_goto() -> bool {
    #[cfg(hachi_bpf)]
    {
        unsafe extern "C" {
            fn __hachi_may_goto() -> u64;
        }
        // SAFETY: it has no conditions.
        unsafe { __hachi_may_goto() != 0 }
    }
    #[cfg(not(hachi_bpf))]
    true
}

/// Calls `f` until it breaks, or the kernel says that it is enough (6.9). See [`may_goto`].
#[inline(always)]
pub fn repeat(mut f: impl FnMut() -> ControlFlow<()>) {
    while may_goto() {
        if f().is_break() {
            break;
        }
    }
}

/// A loop over a range of `i32` that need not be known when loading (6.4).
///
/// ```
/// use hachi_ebpf::bpf_for;
///
/// fn first_multiple(of: i32, end: i32) -> Option<i32> {
///     bpf_for!(i in 1..end => {
///         if i % of == 0 {
///             return Some(i);
///         }
///     });
///     None
/// }
/// ```
/// `break`, `continue`, `return` and `?` work as in a `for`. The verifier follows the body until another
/// round can bring nothing new: what changes in each round without limit (a counter, a sum) should be
/// memory of a map or a global, or [`bpf_loop`] be taken.
#[macro_export]
macro_rules! bpf_for {
    ($variable:pat in $range:expr => $body:block) => {{
        let mut state = $crate::__private::NumState::new();
        let mut numbers = $crate::__private::Numbers::new(&mut state, $range);
        while let ::core::option::Option::Some($variable) = numbers.next_number() {
            $body
        }
    }};
}

/// `struct bpf_iter_num`, which the kernel wants to find where it was made.
#[doc(hidden)]
#[repr(C, align(8))]
pub struct NumState(
    #[cfg(hachi_bpf)] core::mem::MaybeUninit<u64>,
    #[cfg(not(hachi_bpf))] core::ops::Range<i32>,
);

impl NumState {
    #[doc(hidden)]
    #[inline(always)]
    #[allow(clippy::new_without_default, reason = "for the macro only")]
    pub const fn new() -> Self {
        #[cfg(hachi_bpf)]
        return NumState(core::mem::MaybeUninit::uninit());
        #[cfg(not(hachi_bpf))]
        NumState(0..0)
    }
}

/// An iteration over numbers, ended when it is dropped.
#[doc(hidden)]
pub struct Numbers<'a>(&'a mut NumState);

#[cfg(hachi_bpf)]
mod kfuncs {
    use super::NumState;

    unsafe extern "C" {
        #[link_name = "hachi:1:kfunc:bpf_iter_num_new:fn(*bpf_iter_num, i32, i32) -> i32"]
        pub fn bpf_iter_num_new(state: *mut NumState, start: i32, end: i32) -> i32;
        #[link_name = "hachi:1:kfunc:bpf_iter_num_next:fn(*bpf_iter_num) -> *i32"]
        pub fn bpf_iter_num_next(state: *mut NumState) -> *const i32;
        #[link_name = "hachi:1:kfunc:bpf_iter_num_destroy:fn(*bpf_iter_num)"]
        pub fn bpf_iter_num_destroy(state: *mut NumState);
    }
}

impl<'a> Numbers<'a> {
    #[doc(hidden)]
    #[inline(always)]
    pub fn new(state: &'a mut NumState, range: core::ops::Range<i32>) -> Self {
        #[cfg(hachi_bpf)]
        // SAFETY: the state is not in use; it stays where it is until `drop`. If the range is bad the
        // iteration is an empty one.
        unsafe {
            kfuncs::bpf_iter_num_new(state, range.start, range.end)
        };
        #[cfg(not(hachi_bpf))]
        {
            state.0 = range;
        }
        Numbers(state)
    }

    #[doc(hidden)]
    #[inline(always)]
    pub fn next_number(&mut self) -> Option<i32> {
        #[cfg(hachi_bpf)]
        {
            // SAFETY: the state was made by `new`; the number is there until the next call.
            unsafe {
                let number = kfuncs::bpf_iter_num_next(self.0);
                if number.is_null() {
                    None
                } else {
                    Some(*number)
                }
            }
        }
        #[cfg(not(hachi_bpf))]
        self.0.0.next()
    }
}

impl Drop for Numbers<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        #[cfg(hachi_bpf)]
        // SAFETY: the state was made by `new`, and is not used any more.
        unsafe {
            kfuncs::bpf_iter_num_destroy(self.0)
        };
    }
}
