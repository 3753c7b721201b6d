//! Work to be done later, by a thread that may sleep.

use core::cell::UnsafeCell;

use crate::cty::{c_long, c_void};
use crate::kernel::first_kfunc;
use crate::maps::TypedMap;
use crate::{MapValue, Shareable, callback, helpers};

/// Work in a value, by the name that the kernel looks for: `struct bpf_wq` (6.10).
///
/// As a [timer](crate::sync::bpf_timer), but what is called runs at once, in a thread of the
/// kernel's, and may call what sleeps.
/// ```
/// use hachi_ebpf::{MapValue, Shared, macros::map, maps::HashMap, sync::bpf_wq as Work};
///
/// #[derive(MapValue)]
/// #[repr(C)]
/// struct Job {
///     requests: Shared<u64>,
///     work: Work,
/// }
///
/// #[map]
/// static JOBS: HashMap<u32, Job> = HashMap::with_max_entries(64, 0);
///
/// fn later(job: u32) -> Result<(), i64> {
///     let Some(entry) = JOBS.get(job) else { return Ok(()) };
///     let _ = entry.work.init(&JOBS);
///     entry.work.set_callback(&JOBS, |job, _| {
///         let _ = JOBS.remove(job);
///     })?;
///     entry.work.start()
/// }
/// ```
#[allow(non_camel_case_types, reason = "C's own name")]
#[repr(C)]
pub struct bpf_wq {
    opaque: UnsafeCell<[u64; 2]>,
}

// SAFETY: only the kernel touches it, with a lock of its own.
unsafe impl Sync for bpf_wq {}

crate::maps::in_place!(bpf_wq);

impl bpf_wq {
    /// Work that was not prepared yet.
    pub const fn new() -> Self {
        bpf_wq {
            opaque: UnsafeCell::new([0; 2]),
        }
    }

    fn as_ptr(&self) -> *mut c_void {
        self.opaque.get().cast()
    }

    /// Prepares the work, which lies in a value of `map`, once.
    ///
    /// # Errors
    /// `-EBUSY` when it is prepared already, `-EPERM` when user space holds no reference to the
    /// map.
    #[inline(always)]
    pub fn init(&self, map: &impl TypedMap) -> Result<(), c_long> {
        let (work, map, flags) = (self.as_ptr(), map.as_map_ptr(), 0);
        // SAFETY: the verifier makes sure that the work lies in a value of the map.
        let result = crate::__call_kfunc!([unsafe]
            "kfunc:bpf_wq_init:fn(*bpf_wq, *void, u32) -> i32",
            (work: *mut c_void, map: *mut c_void, flags: u32) i32);
        helpers::check(result.into())
    }

    /// Sets what is called with key and value. `f` may capture nothing: it runs after the program.
    ///
    /// # Errors
    /// `-EINVAL` when the work is not prepared; `-ENOSYS` where the kernel has no work queues.
    #[inline(always)]
    pub fn set_callback<M: TypedMap>(
        &self,
        _map: &M,
        f: impl Fn(<M::Key as Shareable>::Read, &<M::Value as MapValue>::Cell) + Copy + 'static,
    ) -> Result<(), c_long> {
        let (work, flags, aux) = (self.as_ptr(), 0, core::ptr::null_mut::<c_void>());
        let callback = callback::later::<M, _>(f);
        // Linux 7.0 fills in the last parameter itself. SAFETY: the function is one for the keys
        // and values of the map, in which the verifier makes sure that the work lies.
        let result = first_kfunc!(
            "bpf_wq_set_callback_impl:fn(*bpf_wq, \
             *fn(*void, *i32, *void) -> i32, u32, *void) -> i32"
            (work: *mut c_void, callback: *mut c_void, flags: u32, aux: *mut c_void),
            "bpf_wq_set_callback:fn(*bpf_wq, *fn(*void, *i32, *void) -> i32, u32) -> i32"
            (work: *mut c_void, callback: *mut c_void, flags: u32),
            => i32);
        helpers::check_found(result)
    }

    /// Lets it be done.
    ///
    /// # Errors
    /// `-EINVAL` when it is not prepared.
    #[inline(always)]
    pub fn start(&self) -> Result<(), c_long> {
        let (work, flags) = (self.as_ptr(), 0);
        // SAFETY: the verifier makes sure that the work lies in a value of a map.
        let result = crate::__call_kfunc!([unsafe] "kfunc:bpf_wq_start:fn(*bpf_wq, u32) -> i32",
            (work: *mut c_void, flags: u32) i32);
        helpers::check(result.into())
    }
}

impl Default for bpf_wq {
    fn default() -> Self {
        bpf_wq::new()
    }
}
