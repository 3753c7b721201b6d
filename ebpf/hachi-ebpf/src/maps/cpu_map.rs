//! `BPF_MAP_TYPE_CPUMAP`

use super::redirect::redirect;
use crate::bindings::bpf_cpumap_val;

map_kind! {
    /// CPUs to which XDP programs hand packets, for the network stack to run there (4.15; entries
    /// with programs 5.9).
    ///
    /// ```
    /// use hachi_ebpf::{macros::{map, xdp}, maps::CpuMap, programs::XdpContext};
    ///
    /// #[map]
    /// static CPUS: CpuMap = CpuMap::with_max_entries(8, 0);
    ///
    /// #[xdp]
    /// fn spread(ctx: XdpContext) -> u32 {
    ///     let cpu = ctx.rx_queue_index() % 8;
    ///     CPUS.redirect(cpu, 0).unwrap_or_else(|action| action)
    /// }
    /// ```
    CpuMap = BPF_MAP_TYPE_CPUMAP(u32 => bpf_cpumap_val),
    entries: "up to `max_entries` CPUs"
}

impl CpuMap {
    /// Hands the packet to CPU `index`: return `XDP_REDIRECT`, which is the result, from the
    /// program. The lowest two bits of `flags` are the action that is the result when there is no
    /// such entry.
    ///
    /// # Errors
    /// That action (`XDP_ABORTED`, if `flags` is 0).
    #[inline(always)]
    pub fn redirect(&self, index: u32, flags: u64) -> Result<u32, u32> {
        redirect(self.as_ptr(), index, flags)
    }
}
