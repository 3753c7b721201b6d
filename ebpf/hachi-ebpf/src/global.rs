//! Settings that user space gives before the program is loaded.

/// A read-only setting: user space may replace its value before loading, the program reads it.
///
/// ```
/// use hachi_ebpf::Global;
///
/// static LOG_DROPS: Global<u8> = Global::new(0);
///
/// fn log_drops() -> bool {
///     LOG_DROPS.load() != 0
/// }
/// ```
/// User space: `EbpfLoader::new().override_global("LOG_DROPS", &1u8, true)`.
///
/// The value lies in the section `.rodata`, which the loader freezes: the verifier knows it then,
/// and leaves out the code that a setting turns off. It takes kernel 5.2 (global data).
#[repr(transparent)]
pub struct Global<T>(T);

impl<T: Copy> Global<T> {
    /// A setting with this value unless user space gives another.
    pub const fn new(value: T) -> Self {
        Global(value)
    }

    /// The value.
    #[inline(always)]
    pub fn load(&self) -> T {
        // SAFETY: reads through a reference. Volatile because the value is replaced after the
        // compiler has seen it.
        unsafe { (&raw const self.0).read_volatile() }
    }
}
