use super::SockContext;
use crate::bindings::sk_reuseport_md;

super::context! {
    /// A packet or connection for which a socket is chosen.
    SkReuseportContext {
        /// The kernel's context.
        pub md: sk_reuseport_md
    }
}

impl SkReuseportContext {
    /// How many bytes the packet has.
    #[inline(always)]
    #[expect(clippy::len_without_is_empty, reason = "it is Hachi's, through `Deref`")]
    pub fn len(&self) -> usize {
        (**self).len() as usize
    }

    /// The socket that was found so far.
    #[inline(always)]
    pub fn sk(&self) -> SockContext {
        // SAFETY: the context is the kernel's.
        SockContext::new(unsafe { (*self.md).sk })
    }

    /// The socket that is closed while its connections go to another (5.14); `None` for a new
    /// packet or connection.
    #[inline(always)]
    pub fn migrating_sk(&self) -> Option<SockContext> {
        // SAFETY: the context is the kernel's.
        let socket = unsafe { (*self.md).migrating_sk };
        (!socket.is_null()).then(|| SockContext::new(socket))
    }
}
