//! Loops that the verifier accepts however long they are.
//!
//! | | kernel | verified |
//! |---|---|---|
//! | an ordinary loop with bounds known when loading | 5.3 | each round |
//! | [`bpf_loop`] | 5.17 | the closure once |
//! | [`bpf_for!`](crate::bpf_for) over numbers | 6.4 | until nothing new is learned |
//! | [`bpf_for!`](crate::bpf_for) over [tasks and the like](crate::iterate) | 6.7 | the same |
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
/// The kernel says no after 8388608 times in one run of the program (all loops together; newer
/// kernels also after a quarter of a second), so it is not to be relied on that a loop ends by
/// itself.
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

/// Ends the program at once, from however deep in its functions, with the value `cookie` (6.7).
///
/// The verifier refuses it while the program holds a lock or a reference: no destructors run. (A
/// panic needs no kernel of that version: the linker makes it a way out of the function. Only in
/// functions that are verified by themselves, exported ones, it becomes this.)
///
/// # Panics
/// In a test, always.
#[inline(always)]
pub fn throw(cookie: u64) -> ! {
    #[cfg(hachi_bpf)]
    {
        unsafe extern "C" {
            #[link_name = "hachi:1:kfunc:bpf_throw:fn(u64)"]
            safe fn bpf_throw(cookie: u64) -> !;
        }
        bpf_throw(cookie)
    }
    #[cfg(not(hachi_bpf))]
    panic!("the program throws {cookie}")
}
