use hachi_ebpf::helpers::bpf_sock_ops_cb_flags_set;

use crate::bindings::bpf_sock_ops;

super::context! {
    /// An event of a TCP connection.
    SockOpsContext {
        /// The kernel's context.
        pub ops: bpf_sock_ops
    }
}

impl SockOpsContext {
    /// Says for which further events of this socket the program is called (4.16).
    ///
    /// # Errors
    /// `-EINVAL` when the socket is no full one; a positive number are flags that the kernel does
    /// not know.
    #[inline(always)]
    pub fn set_cb_flags(&self, flags: i32) -> Result<(), i32> {
        // SAFETY: the context is the kernel's.
        match unsafe { bpf_sock_ops_cb_flags_set(self.ops, flags) } as i32 {
            0 => Ok(()),
            other => Err(other),
        }
    }

    /// Sets the answer to an event that asks for one.
    #[inline(always)]
    pub fn set_reply(&self, reply: u32) {
        // SAFETY: the context is the kernel's; writing to a union is.
        unsafe { (&raw mut (*self.ops).__bindgen_anon_1.reply).write_volatile(reply) };
    }
}
