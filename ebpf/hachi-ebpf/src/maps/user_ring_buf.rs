//! `BPF_MAP_TYPE_USER_RINGBUF`

use core::ops::ControlFlow;

use crate::callback;
use crate::cty::c_long;
use crate::dynptr::Dynptr;
use crate::helpers;

map_kind! {
    /// A ring buffer from user space to programs (6.1). `max_entries` is its size in bytes, a power
    /// of two and a multiple of the page size.
    UserRingBuf = BPF_MAP_TYPE_USER_RINGBUF(() => ()),
    entries: "`max_entries` bytes"
}

impl UserRingBuf {
    /// Calls `f` with each record that is there, until it breaks; gives the number of calls.
    /// `flags`: `BPF_RB_NO_WAKEUP`, `BPF_RB_FORCE_WAKEUP`.
    ///
    /// ```
    /// use core::ops::ControlFlow;
    /// use hachi_ebpf::{macros::map, maps::UserRingBuf};
    ///
    /// #[map]
    /// static COMMANDS: UserRingBuf = UserRingBuf::with_max_entries(4096, 0);
    ///
    /// fn sum() -> u64 {
    ///     let mut sum = 0;
    ///     let _ = COMMANDS.drain(0, |record| {
    ///         sum += record.read::<u64>(0).unwrap_or(0);
    ///         ControlFlow::Continue(())
    ///     });
    ///     sum
    /// }
    /// ```
    ///
    /// # Errors
    /// `-EBUSY` when another program drains it, `-EINVAL` when user space wrote nonsense.
    #[inline(always)]
    pub fn drain<F: FnMut(&Dynptr) -> ControlFlow<()>>(
        &self,
        flags: u64,
        mut f: F,
    ) -> Result<u32, c_long> {
        // SAFETY: the map is one of the object's; the callback gets the closure that it is made
        // for, which lives as long as the call.
        let drained = unsafe {
            helpers::bpf_user_ringbuf_drain(
                self.as_ptr(),
                callback::address(callback::user_record::<F> as *const ()),
                (&raw mut f).cast(),
                flags,
            )
        };
        helpers::check(drained)?;
        Ok(drained as u32)
    }
}
