//! Aya's kernel-side API on top of Hachi.
//!
//! A program written for Aya ports by renaming the dependency:
//!
//! ```toml
//! aya-ebpf = { package = "hachi-aya-ebpf", version = "0.1" }
//! ```
//!
//! Names, shapes and errors are those of aya-ebpf 0.2. What is different is in `docs/aya.md` of
//! Hachi's repository. New programs are better off with [`hachi_ebpf`] itself, where maps cannot be
//! read wrongly.

#![no_std]

pub mod bindings;
pub mod btf_maps;
pub mod helpers;
pub mod maps;
pub mod programs;

pub use hachi_ebpf::{cty, kernel::Argument};

mod printk;

pub use crate::global::Global;

/// The attributes of programs and maps.
pub mod macros {
    pub use hachi_ebpf::macros::{map as btf_map, *};
}

mod global;

/// What the linker makes the licence of a program that states none: Aya takes it as under the GPL.
#[cfg(hachi_bpf)]
#[used]
#[unsafe(link_section = ".hachi.license")]
static ASSUMED_LICENSE: [u8; 4] = *b"GPL\0";

/// The longest name of a thread, with its NUL.
pub const TASK_COMM_LEN: usize = helpers::TASK_COMM_LEN;

/// What a helper returned, of which only the lower half counts: negative numbers are errors.
#[inline(always)]
pub(crate) fn check(result: cty::c_long) -> Result<(), i32> {
    match result as i32 {
        0.. => Ok(()),
        error => Err(error),
    }
}

/// What the contexts of all program types have in common.
pub trait EbpfContext {
    /// Itself.
    #[doc(hidden)]
    type Hachi: hachi_ebpf::EbpfContext;

    /// Itself. Hachi's trait is not above this one, since it has methods of the same names.
    #[doc(hidden)]
    fn as_hachi(&self) -> &Self::Hachi;

    /// The pointer that the kernel called the program with.
    #[inline(always)]
    fn as_ptr(&self) -> *mut cty::c_void {
        hachi_ebpf::EbpfContext::as_ptr(self.as_hachi())
    }

    /// The name of the current thread.
    ///
    /// # Errors
    /// What the kernel returns, negative.
    #[inline(always)]
    fn command(&self) -> Result<[u8; TASK_COMM_LEN], i32> {
        hachi_ebpf::EbpfContext::command(self.as_hachi()).map_err(|error| error as i32)
    }

    /// The current thread's id.
    #[inline(always)]
    fn pid(&self) -> u32 {
        hachi_ebpf::EbpfContext::pid(self.as_hachi())
    }

    /// The current process's id.
    #[inline(always)]
    fn tgid(&self) -> u32 {
        hachi_ebpf::EbpfContext::tgid(self.as_hachi())
    }

    /// The current user's id.
    #[inline(always)]
    fn uid(&self) -> u32 {
        hachi_ebpf::EbpfContext::uid(self.as_hachi())
    }

    /// The current group's id.
    #[inline(always)]
    fn gid(&self) -> u32 {
        hachi_ebpf::EbpfContext::gid(self.as_hachi())
    }
}

impl<C: hachi_ebpf::EbpfContext> EbpfContext for C {
    type Hachi = C;

    #[inline(always)]
    fn as_hachi(&self) -> &C {
        self
    }
}

/// `len` as the flags of `adjust_room` that tell the length of a new inner link-layer header.
#[inline(always)]
pub const fn bpf_f_adj_room_encap_l2(len: u64) -> u64 {
    (len & 0xff) << 56
}

/// Whether `value` is between `lower` and `upper`, both included.
#[inline(always)]
pub fn check_bounds_signed<T: Into<i64>>(value: T, lower: T, upper: T) -> bool {
    let value = value.into();
    value >= lower.into() && value <= upper.into()
}
