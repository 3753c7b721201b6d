//! `BPF_MAP_TYPE_CPUMAP`

use super::redirect::redirect;
use crate::bindings::bpf_cpumap_val;

map_kind! {
    /// CPUs to which XDP programs hand packets, for the network stack to run there (4.15; entries
    /// with programs 5.9).
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
