//! `BPF_MAP_TYPE_REUSEPORT_SOCKARRAY`

use crate::cty::c_long;
use crate::helpers;
use crate::programs::SkReuseportContext;

map_kind! {
    /// Sockets that share a port, to choose from (4.19). User space puts them in.
    ///
    /// ```
    /// use hachi_ebpf::macros::{map, sk_reuseport};
    /// use hachi_ebpf::{maps::ReusePortSockArray, programs::SkReuseportContext};
    ///
    /// #[map]
    /// static WORKERS: ReusePortSockArray = ReusePortSockArray::with_max_entries(4, 0);
    ///
    /// /// Spreads by the hash of the connection.
    /// #[sk_reuseport]
    /// fn choose(ctx: SkReuseportContext) -> u32 {
    ///     match WORKERS.select_reuseport(&ctx, ctx.hash() % 4, 0) {
    ///         Ok(()) => 1,
    ///         Err(_) => 0,
    ///     }
    /// }
    /// ```
    ReusePortSockArray = BPF_MAP_TYPE_REUSEPORT_SOCKARRAY(u32 => u64),
    entries: "up to `max_entries` sockets"
}

impl ReusePortSockArray {
    /// Chooses the socket at `index`. `flags` is 0.
    ///
    /// # Errors
    /// `-ENOENT` when there is no such socket, `-EBADFD` when it is not of the group.
    #[inline(always)]
    pub fn select_reuseport(
        &self,
        ctx: &SkReuseportContext,
        index: u32,
        flags: u64,
    ) -> Result<(), c_long> {
        let key = (&raw const index).cast_mut().cast();
        // SAFETY: the context is the kernel's, the map one of the object's with keys of four bytes.
        helpers::check(unsafe {
            helpers::bpf_sk_select_reuseport(ctx.ctx, self.as_ptr(), key, flags)
        })
    }
}
