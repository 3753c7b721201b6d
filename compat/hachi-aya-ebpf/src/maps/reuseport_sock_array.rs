//! Sockets that share a port.

use hachi_ebpf::maps as hachi;

use super::{c_long, c_void, wrapper};
use crate::programs::SkReuseportContext;

wrapper! {
    /// Sockets that share a port, by index.
    ReusePortSockArray<> = hachi::ReusePortSockArray
}

impl ReusePortSockArray {
    /// Chooses the socket at `index` for the packet or connection.
    ///
    /// # Errors
    /// `-ENOENT` when there is none, `-EINVAL` when it does not share the port.
    #[inline(always)]
    pub fn select_reuseport(&self, ctx: &SkReuseportContext, index: u32) -> Result<(), c_long> {
        self.0.select_reuseport(ctx, index, 0)
    }
}
