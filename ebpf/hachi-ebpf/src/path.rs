//! The names of files as a program sees them, and the file that a task runs.
//!
//! ```
//! use hachi_ebpf::{kernel_types, macros::lsm, macros::map, maps::RingBuf};
//! use hachi_ebpf::{path::name_of, programs::LsmContext};
//!
//! kernel_types! {
//!     struct file { f_path: path }
//!     struct path {}
//! }
//!
//! #[map]
//! static OPENED: RingBuf = RingBuf::with_byte_size(1 << 16, 0);
//!
//! #[lsm(hook = "file_open")]
//! fn opened(ctx: LsmContext) -> i32 {
//!     let mut text = [0; 256];
//!     if let Some(file) = ctx.arg::<Option<file>>(0)
//!         && let Ok(name) = name_of(file.f_path(), &mut text)
//!     {
//!         let _ = OPENED.output(name, 0);
//!     }
//!     0
//! }
//! ```

use core::ops::Deref;

use crate::cty::{c_long, c_void};
use crate::helpers::{self, generated};
use crate::kernel::{Direct, Handle};

/// Writes the name that a path has from the root of the running task to the beginning of `to`
/// (`bpf_d_path`, 5.10), and gives it, without the NUL that ends it. `path` is a handle of the
/// kernel's `struct path`, embedded in a `struct file` for instance.
///
/// `lsm` programs (5.11) at hooks that may sleep can call it, `fentry` and `fexit` programs at a
/// few functions (`vfs_open`, `filp_close` and others in the kernel's `btf_allowlist_d_path`), and
/// iterators. A file that was deleted has ` (deleted)` after its name.
///
/// # Errors
/// `-ENAMETOOLONG` when it does not fit.
#[inline(always)]
pub fn name_of<H: Handle<Mode = Direct>>(path: H, to: &mut [u8]) -> Result<&[u8], c_long> {
    let (start, size) = (to.as_mut_ptr().cast(), to.len() as u32);
    // SAFETY: the buffer is writable for its length; the verifier knows what a path is.
    let length = unsafe { generated::bpf_d_path(path.as_ptr().cast_mut(), start, size) };
    helpers::check(length)?;
    Ok(without_nul(to, length))
}

/// As [`name_of`], by the kernel function `bpf_path_d_path` (6.12), which all `lsm` programs may
/// call. The verifier wants a path that it trusts, such as one in an argument of the hook.
///
/// # Errors
/// `-ENAMETOOLONG` when it does not fit.
#[inline(always)]
pub fn name_of_trusted<H: Handle<Mode = Direct>>(path: H, to: &mut [u8]) -> Result<&[u8], c_long> {
    let path = path.as_ptr();
    let (start, size): (*mut c_void, u64) = (to.as_mut_ptr().cast(), to.len() as u64);
    // SAFETY: the buffer is writable for its length; the verifier knows what a path is.
    let length = crate::__call_kfunc!([unsafe]
        "kfunc:bpf_path_d_path:fn(*path, *i8, u64) -> i32",
        (path: *const c_void, start: *mut c_void, size: u64) i32);
    helpers::check(length.into())?;
    Ok(without_nul(to, length.into()))
}

/// The text of a length that counts the NUL.
#[inline(always)]
fn without_nul(text: &[u8], length: c_long) -> &[u8] {
    text.get(..(length as usize).saturating_sub(1))
        .unwrap_or(&[])
}

/// The file that a task runs, a reference that is given back when it is dropped (6.12, `lsm`
/// programs). `F` is the handle that `file` is declared as in
/// [`kernel_types!`](crate::kernel_types).
///
/// ```
/// use hachi_ebpf::{EbpfContext, kernel_types, macros::lsm, programs::LsmContext};
/// use hachi_ebpf::path::{Executable, name_of_trusted};
///
/// kernel_types! {
///     struct task_struct {}
///     struct file { f_path: path }
///     struct path {}
/// }
///
/// #[lsm(hook = "file_open")]
/// fn only_shells(ctx: LsmContext) -> i32 {
///     let mut text = [0; 64];
///     let Some(file) = Executable::<file>::of(ctx.current_task::<task_struct>()) else {
///         return 0; // a thread of the kernel
///     };
///     match name_of_trusted(file.f_path(), &mut text) {
///         Ok(name) if name.ends_with(b"sh") => 0,
///         _ => -13, // EACCES
///     }
/// }
/// ```
#[must_use = "dropped, it is given back"]
pub struct Executable<F: Handle<Mode = Direct>>(F);

impl<F: Handle<Mode = Direct>> Executable<F> {
    /// That of `task` (`bpf_get_task_exe_file`); `None` for threads of the kernel.
    #[inline(always)]
    pub fn of<T: Handle<Mode = Direct>>(task: T) -> Option<Self> {
        let task = task.as_ptr();
        let file = crate::__call_kfunc!([safe]
            "kfunc:bpf_get_task_exe_file:fn(*task_struct) -> *file",
            (task: *const c_void) *const c_void);
        (!file.is_null()).then(|| Executable(F::from_ptr(file)))
    }
}

impl<F: Handle<Mode = Direct>> Deref for Executable<F> {
    type Target = F;

    #[inline(always)]
    fn deref(&self) -> &F {
        &self.0
    }
}

impl<F: Handle<Mode = Direct>> Drop for Executable<F> {
    #[inline(always)]
    fn drop(&mut self) {
        let file = self.0.as_ptr();
        crate::__call_kfunc!([safe]
            "kfunc:bpf_put_file:fn(*file)", (file: *const c_void) ());
    }
}
