use hachi_ebpf::helpers::{bpf_msg_pop_data, bpf_msg_push_data};

use crate::{bindings::sk_msg_md, check};

super::context! {
    /// What a process sends through a socket in a map.
    SkMsgContext {
        /// The kernel's context.
        pub msg: sk_msg_md
    }
}

impl SkMsgContext {
    /// Makes room for `len` bytes at `start` (4.20). `flags` is 0.
    ///
    /// # Errors
    /// `-EINVAL` for places outside of the message, `-ENOMEM`.
    #[inline(always)]
    pub fn push_data(&self, start: u32, len: u32, flags: u64) -> Result<(), i32> {
        // SAFETY: the context is the kernel's.
        check(unsafe { bpf_msg_push_data(self.msg, start, len, flags) })
    }

    /// Removes `len` bytes at `start` (5.0). `flags` is 0.
    ///
    /// # Errors
    /// As [`push_data`](Self::push_data).
    #[inline(always)]
    pub fn pop_data(&self, start: u32, len: u32, flags: u64) -> Result<(), i32> {
        // SAFETY: the context is the kernel's.
        check(unsafe { bpf_msg_pop_data(self.msg, start, len, flags) })
    }
}
