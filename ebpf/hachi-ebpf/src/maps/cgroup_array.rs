//! `BPF_MAP_TYPE_CGROUP_ARRAY`

use crate::cty::c_long;
use crate::helpers;

map_kind! {
    /// An array of cgroups (v2), to ask whether a task is in one of them (4.8). User space puts
    /// them in.
    ///
    /// ```
    /// use hachi_ebpf::{macros::map, maps::CgroupArray};
    ///
    /// #[map]
    /// static SERVICES: CgroupArray = CgroupArray::with_max_entries(1, 0);
    ///
    /// fn is_service() -> bool {
    ///     SERVICES.contains_current(0) == Ok(true)
    /// }
    /// ```
    CgroupArray = BPF_MAP_TYPE_CGROUP_ARRAY(u32 => u32),
    entries: "up to `max_entries` cgroups"
}

impl CgroupArray {
    /// Whether the thread that runs is in the cgroup at `index`, or one below it (4.9).
    ///
    /// # Errors
    /// `-EAGAIN` when there is no cgroup at `index`, `-E2BIG` beyond the end.
    #[inline(always)]
    pub fn contains_current(&self, index: u32) -> Result<bool, c_long> {
        // SAFETY: the map is one of the object's.
        let result = unsafe { helpers::bpf_current_task_under_cgroup(self.as_ptr(), index) };
        helpers::check(result)?;
        Ok(result == 1)
    }
}
