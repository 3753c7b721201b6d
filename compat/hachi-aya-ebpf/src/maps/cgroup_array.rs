//! Cgroups by index.

use hachi_ebpf::{helpers::bpf_current_task_under_cgroup, maps as hachi};

use super::{c_long, c_void, wrapper};

wrapper! {
    /// Cgroups by index.
    CgroupArray<> = hachi::CgroupArray
}

impl CgroupArray {
    /// Whether the current thread is in or below the cgroup at `index` (4.9).
    ///
    /// # Errors
    /// `-EAGAIN` when there is no cgroup at `index`.
    #[inline(always)]
    pub fn current_task_under_cgroup(&self, index: u32) -> Result<bool, c_long> {
        // SAFETY: the map is one of the object's.
        match unsafe { bpf_current_task_under_cgroup(self.as_ptr(), index) } as i32 {
            error @ ..0 => Err(error.into()),
            under => Ok(under == 1),
        }
    }
}
