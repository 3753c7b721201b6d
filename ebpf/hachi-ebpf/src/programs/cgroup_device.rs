//! Devices that the processes of a cgroup open and make.

use super::{context, context_fields};
use crate::bindings::bpf_cgroup_dev_ctx;

context! {
    /// The access a `#[cgroup_device]` program is called for (4.15). The program returns 1 to
    /// allow, 0 to forbid.
    ///
    /// ```
    /// use hachi_ebpf::macros::cgroup_device;
    /// use hachi_ebpf::programs::DeviceContext;
    ///
    /// #[cgroup_device]
    /// fn only_null(ctx: DeviceContext) -> i32 {
    ///     // /dev/null and its like.
    ///     (ctx.major() == 1).into()
    /// }
    /// ```
    DeviceContext(bpf_cgroup_dev_ctx), "#[cgroup_device]"
}

context_fields! { DeviceContext {
    /// `BPF_DEVCG_DEV_…` in the lower 16 bits, `BPF_DEVCG_ACC_…` in the upper ones.
    access_type: access_type -> u32;
    /// Major number of the device.
    major: major -> u32;
    /// Minor number of the device.
    minor: minor -> u32;
} }

impl DeviceContext {
    /// What kind of device: `BPF_DEVCG_DEV_BLOCK` or `BPF_DEVCG_DEV_CHAR`.
    #[inline(always)]
    pub fn device_type(&self) -> u32 {
        self.access_type() & 0xffff
    }

    /// What is to be done with it: flags `BPF_DEVCG_ACC_…`.
    #[inline(always)]
    pub fn access(&self) -> u32 {
        self.access_type() >> 16
    }
}
