//! Sysctls that the processes of a cgroup read and write.

use super::{context, context_fields};
use crate::bindings::bpf_sysctl;
use crate::cty::c_long;
use crate::errno::{E2BIG, EINVAL};
use crate::helpers;

context! {
    /// The access a `#[cgroup_sysctl]` program is called for (5.2). The program returns 1 to allow,
    /// 0 to forbid.
    ///
    /// ```
    /// use hachi_ebpf::macros::cgroup_sysctl;
    /// use hachi_ebpf::programs::SysctlContext;
    ///
    /// #[cgroup_sysctl]
    /// fn read_only(ctx: SysctlContext) -> i32 {
    ///     (ctx.write() == 0).into()
    /// }
    /// ```
    SysctlContext(bpf_sysctl), "#[cgroup_sysctl]"
}

context_fields! { SysctlContext {
    /// 1 for a write, 0 for a read.
    write: write -> u32;
    /// Position in the file.
    file_pos: file_pos -> u32;
} }

impl SysctlContext {
    /// The name of the sysctl, such as `net/ipv4/tcp_mem`, in `to`, with a NUL behind; gives its
    /// length. With `BPF_F_SYSCTL_BASE_NAME` only what is behind the last `/`.
    ///
    /// # Errors
    /// `-E2BIG` when `to` is too short.
    #[inline(always)]
    pub fn name(&self, to: &mut [u8], flags: u64) -> Result<usize, c_long> {
        // The helper takes no empty buffer.
        if to.is_empty() {
            return Err(-E2BIG);
        }
        // SAFETY: the context is the kernel's, the buffer is writable for its length.
        let length = unsafe {
            helpers::bpf_sysctl_get_name(self.ctx, to.as_mut_ptr().cast(), to.len() as u64, flags)
        };
        helpers::check(length)?;
        Ok(length as usize)
    }

    /// The value as text in `to`, with a NUL behind; gives its length.
    ///
    /// # Errors
    /// `-E2BIG` when `to` is too short, `-EINVAL` when it cannot be read.
    #[inline(always)]
    pub fn current_value(&self, to: &mut [u8]) -> Result<usize, c_long> {
        // The helper takes no empty buffer.
        if to.is_empty() {
            return Err(-E2BIG);
        }
        // SAFETY: the context is the kernel's, the buffer is writable for its length.
        let length = unsafe {
            helpers::bpf_sysctl_get_current_value(self.ctx, to.as_mut_ptr().cast(), to.len() as u64)
        };
        helpers::check(length)?;
        Ok(length as usize)
    }

    /// What is about to be written, as text in `to`, with a NUL behind; gives its length.
    ///
    /// # Errors
    /// `-E2BIG` when `to` is too short, `-EINVAL` when this is no write.
    #[inline(always)]
    pub fn new_value(&self, to: &mut [u8]) -> Result<usize, c_long> {
        // The helper takes no empty buffer.
        if to.is_empty() {
            return Err(-E2BIG);
        }
        // SAFETY: the context is the kernel's, the buffer is writable for its length.
        let length = unsafe {
            helpers::bpf_sysctl_get_new_value(self.ctx, to.as_mut_ptr().cast(), to.len() as u64)
        };
        helpers::check(length)?;
        Ok(length as usize)
    }

    /// Replaces what is about to be written.
    ///
    /// # Errors
    /// `-E2BIG` when it is too long, `-EINVAL` when it is empty or this is no write.
    #[inline(always)]
    pub fn set_new_value(&mut self, value: &[u8]) -> Result<(), c_long> {
        // The helper takes no empty buffer.
        if value.is_empty() {
            return Err(-EINVAL);
        }
        // SAFETY: the context is the kernel's, the buffer is readable for its length.
        helpers::check(unsafe {
            helpers::bpf_sysctl_set_new_value(self.ctx, value.as_ptr().cast(), value.len() as u64)
        })
    }
}
