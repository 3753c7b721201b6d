//! What the running system supplies by name: variables of the kernel and options of its
//! configuration; and whether it has a function.

/// Whether this kernel has a function that is declared as weak, by
/// [`#[kfunc]`](crate::macros::kfunc) or in [`kernel_types!`](crate::kernel_types), of that type:
/// `kfunc_exists!(bpf_task_from_pid)`. In a program it is a constant, and the call behind it is
/// dropped where the answer is no.
///
/// ```
/// use hachi_ebpf::{kernel_types, kfunc_exists, macros::kfunc};
///
/// kernel_types! {
///     struct task_struct { pid: i32 }
/// }
///
/// #[kfunc(weak)]
/// extern "C" {
///     fn bpf_task_from_pid(pid: i32) -> *mut task_struct;
///     fn bpf_task_release(p: *mut task_struct);
/// }
///
/// fn runs(pid: i32) -> Option<bool> {
///     if !kfunc_exists!(bpf_task_from_pid) {
///         return None;
///     }
///     match bpf_task_from_pid(pid) {
///         Some(task) => bpf_task_release(task),
///         None => return Some(false),
///     }
///     Some(true)
/// }
/// ```
#[macro_export]
macro_rules! kfunc_exists {
    ($($function:ident)::+) => {
        <$($function)::+>::exists()
    };
}

/// The address of a variable of the kernel, as a raw pointer.
///
/// ```
/// use hachi_ebpf::{cty::c_void, helpers::bpf_per_cpu_ptr, kernel::Handle, kernel_types, ksym};
///
/// kernel_types! {
///     struct rq { nr_running: u32 }
/// }
///
/// /// How many tasks want a CPU.
/// fn wanting(cpu: u32) -> Option<u32> {
///     // A variable of each CPU; the verifier knows it by its type.
///     let queues = ksym!(runqueues: struct rq);
///     // SAFETY: any number is looked at by the kernel.
///     let queue = unsafe { bpf_per_cpu_ptr(queues, cpu) };
///     let handle: rq = rq::from_ptr(queue);
///     (!queue.is_null()).then(|| handle.nr_running())
/// }
///
/// /// Where the kernel's code begins; null where the kernel has no such symbol.
/// fn code() -> *const c_void {
///     ksym!(weak _stext)
/// }
/// ```
/// - `ksym!(NAME: TYPE)`: a variable that the kernel's BTF has, of an integer type: `*const TYPE`.
/// - `ksym!(NAME: struct NAME)`, or `union`: `*const c_void`, for [`Handle::from_ptr`].
/// - `ksym!(NAME)`: any symbol of `/proc/kallsyms`, as an address that is only a number.
///
/// With `weak` in front it is null where the kernel has no such variable; else the program does not
/// load there. BTF describes variables of each CPU only, for `bpf_per_cpu_ptr` and
/// `bpf_this_cpu_ptr`; from Linux 5.10, and of modules from 5.12. The kernel must have its
/// address, too: CONFIG_KALLSYMS_ALL.
///
/// [`Handle::from_ptr`]: crate::kernel::Handle::from_ptr
#[macro_export]
macro_rules! ksym {
    (weak $name:ident $(: $($type:tt)+)?) => {
        $crate::__ksym!("ksym_weak:" $name $(: $($type)+)?)
    };
    ($name:ident $(: $($type:tt)+)?) => {
        $crate::__ksym!("ksym:" $name $(: $($type)+)?)
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __ksym {
    ($kind:literal $name:ident) => {
        $crate::__question!($kind, stringify!($name), ":void") as usize
            as *const $crate::cty::c_void
    };
    ($kind:literal $name:ident: struct $type:ident) => {
        $crate::__question!($kind, stringify!($name), ":struct ", stringify!($type)) as usize
            as *const $crate::cty::c_void
    };
    ($kind:literal $name:ident: union $type:ident) => {
        $crate::__question!($kind, stringify!($name), ":union ", stringify!($type)) as usize
            as *const $crate::cty::c_void
    };
    ($kind:literal $name:ident: $type:ty) => {
        $crate::__question!($kind, stringify!($name), ":", stringify!($type)) as usize
            as *const $type
    };
}

/// The value of an option of the running kernel's configuration: `kconfig!(CONFIG_HZ: u32)`.
///
/// ```
/// use hachi_ebpf::{kconfig, kernel::Tristate};
///
/// fn nanoseconds_of_a_tick() -> u64 {
///     1_000_000_000 / u64::from(kconfig!(CONFIG_HZ: u32))
/// }
///
/// fn has_conntrack() -> bool {
///     kconfig!(weak CONFIG_NF_CONNTRACK: tristate) != Tristate::No
/// }
/// ```
/// | type | for values such as |
/// | --- | --- |
/// | `bool` | `y`, `n` |
/// | `tristate` | `y`, `m`, `n`: a [`Tristate`](crate::kernel::Tristate) |
/// | `u8`, `i8` | the letter itself, or a small number |
/// | `u16` to `u64`, `i16` to `i64` | numbers |
/// | `[u8; N]` | texts; what is left of the array is zero, at least its last byte |
///
/// The loader reads `/boot/config-RELEASE` or `/proc/config.gz`. An option that is not set there is
/// an error, of the programs that read it; with `weak` in front it is zero. The verifier knows the
/// value, and leaves out code that it turns off.
///
/// Three are no options, but known to loaders: `LINUX_KERNEL_VERSION` (`u32`: 6.12.7 is
/// `0x060c07`), `LINUX_HAS_BPF_COOKIE` and `LINUX_HAS_SYSCALL_WRAPPER` (`bool`).
///
/// It takes kernel 5.2 (global data).
#[macro_export]
macro_rules! kconfig {
    (weak $name:ident: $($type:tt)+) => {
        $crate::__kconfig!("kconfig_weak:" $name: $($type)+)
    };
    ($name:ident: $($type:tt)+) => {
        $crate::__kconfig!("kconfig:" $name: $($type)+)
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __kconfig {
    ($kind:literal $name:ident: tristate) => {
        <$crate::kernel::Tristate as $crate::kernel::OptionValue>::at($crate::__question!(
            $kind,
            stringify!($name),
            ":enum libbpf_tristate { TRI_NO = 0, TRI_YES = 1, TRI_MODULE = 2 }"
        ))
    };
    ($kind:literal $name:ident: $type:ty) => {
        <$type as $crate::kernel::OptionValue>::at($crate::__question!(
            $kind,
            stringify!($name),
            ":",
            stringify!($type)
        ))
    };
}

/// Whether a part of the kernel is built in, as [`kconfig!`](crate::kconfig) says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tristate {
    /// It is not.
    No,
    /// It is.
    Yes,
    /// It is a module.
    Module,
}

/// What [`kconfig!`](crate::kconfig) gives.
#[doc(hidden)]
pub trait OptionValue: Copy {
    /// The value, from its place in the map of the loader's.
    fn at(place: u64) -> Self;
}

/// Reads what is at a place that the loader made for a `T`. On the development machine it is zero.
#[inline(always)]
fn read<T: crate::Pod>(place: u64) -> T {
    #[cfg(hachi_bpf)]
    // SAFETY: the linker puts a place there that the loader makes of that size, aligned and
    // initialised.
    unsafe {
        *(place as usize as *const T)
    }
    #[cfg(not(hachi_bpf))]
    {
        let _ = place;
        // SAFETY: all bytes make a `T`.
        unsafe { core::mem::zeroed() }
    }
}

macro_rules! integers {
    ($($t:ty),*) => { $(
        impl OptionValue for $t {
            #[inline(always)]
            fn at(place: u64) -> $t {
                read(place)
            }
        }
    )* };
}

integers!(u8, u16, u32, u64, i8, i16, i32, i64);

impl OptionValue for bool {
    #[inline(always)]
    fn at(place: u64) -> bool {
        read::<u8>(place) != 0
    }
}

impl<const N: usize> OptionValue for [u8; N] {
    #[inline(always)]
    fn at(place: u64) -> [u8; N] {
        read(place)
    }
}

impl OptionValue for Tristate {
    #[inline(always)]
    fn at(place: u64) -> Tristate {
        match read::<u32>(place) {
            0 => Tristate::No,
            1 => Tristate::Yes,
            _ => Tristate::Module,
        }
    }
}
