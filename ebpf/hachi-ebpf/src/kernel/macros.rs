//! Reading and asking by path; questions about types and enumerators.

use super::Handle;
use crate::cty::c_long;

/// `-EFAULT`: there is nothing at that address.
const EFAULT: c_long = 14;

/// What a step of a path gives, as a `Result` whatever the mode.
#[doc(hidden)]
pub trait Step {
    type Out;
    fn step(self) -> Result<Self::Out, c_long>;
}

/// What a read gives that may fail.
impl<T> Step for Result<T, c_long> {
    type Out = T;
    #[inline(always)]
    fn step(self) -> Result<T, c_long> {
        self
    }
}

/// A pointer that may be null.
impl<T> Step for Option<T> {
    type Out = T;
    #[inline(always)]
    fn step(self) -> Result<T, c_long> {
        self.ok_or(-EFAULT)
    }
}

/// An embedded structure.
impl<H: Handle> Step for H {
    type Out = H;
    #[inline(always)]
    fn step(self) -> Result<H, c_long> {
        Ok(self)
    }
}

/// Declares types and functions of the kernel, as far as the program needs them.
///
/// ```
/// use hachi_ebpf::kernel_types;
///
/// kernel_types! {
///     /// Documentation and visibility are as elsewhere.
///     pub struct task_struct {
///         pid: i32,                          // integers, `bool`, C's names (`c_int`)
///         comm: [u8; 16],                    // arrays, also of structures and pointers
///         real_parent: *const task_struct,   // a pointer to a type that is declared
///         stack: *const c_void,              // or an address
///         se: sched_entity,                  // an embedded structure
///         sched_reset_on_fork: u32 / 1,      // a bit field of one bit
///         last_siginfo: *const kernel_siginfo,
///         pcount: enum node_states,          // a number of an enum that is declared
///         kind: enum u32,                    // or of one without a name
///         alloc_lock: struct {               // one without a name: `task_struct_alloc_lock`
///             rlock: raw_spinlock,
///         },
///         #[name = "self"]                   // what the kernel calls a name that Rust cannot have
///         this: *const task_struct,
///     }
///     pub struct sched_entity { sum_exec_runtime: u64 }
///     pub struct raw_spinlock {}
///     pub struct kernel_siginfo;             // nothing is known about it
///
///     /// The fields that an older kernel has instead: `___` and the rest are not looked for.
///     pub struct task_struct___old { state: i64 }
///     /// A structure that only a `typedef` gives a name.
///     pub typedef atomic_t { counter: i32 }
///     /// A number, of which these values have names.
///     pub enum node_states: u32 { N_POSSIBLE = 0, N_ONLINE = 1 }
///
///     /// The arguments of a function or tracepoint: `wake_up_new_task::of(&ctx).p()`.
///     pub fn wake_up_new_task(p: *const task_struct);
///     /// A function that programs call (a kfunc); `weak` if the kernel may lack it.
///     pub kfunc bpf_task_release(p: *mut task_struct);
///     pub weak kfunc bpf_task_from_pid(pid: i32) -> *mut task_struct;
/// }
/// ```
/// Names, and the *kinds* of types, must be the kernel's; sizes and order need not be, nor must the
/// list of fields be complete. Members of structures and unions without a name belong to the
/// structure around them, as in C. `hachi bindgen` writes such declarations from a kernel's BTF.
///
/// A structure, union or `typedef` becomes a [handle](crate::kernel): a `Copy` type with a method
/// for each field. An `enum` becomes a struct around an integer (a Rust `enum` would make a value
/// that a newer kernel added undefined behaviour) with an associated constant for each enumerator;
/// [`enum_value!`](crate::enum_value) asks for the running kernel's value instead.
///
/// A kfunc takes and returns handles (`Option` of one where it returns a pointer). The verifier
/// checks these and integers, so calling it is safe, unless it has other pointers as parameters.
/// Whether the kernel has a `weak` one is a question to ask first:
/// [`kfunc_exists!`](crate::kfunc_exists). A program may declare a function as several kernels have
/// it, distinguished by what follows `___`.
#[macro_export]
macro_rules! kernel_types {
    ($($declarations:tt)*) => {
        $crate::macros::__kernel_types! { ($crate) $($declarations)* }
    };
}

/// Calls one of the kernel's functions, for the library itself.
#[cfg(hachi_bpf)]
#[doc(hidden)]
#[macro_export]
macro_rules! __call_kfunc {
    ([safe] $symbol:expr, ($($param:ident: $type:ty),*) $result:ty) => {{
        unsafe extern "C" {
            #[link_name = concat!("hachi:1:", $symbol)]
            safe fn kfunc($($param: $type),*) -> <$result as $crate::kernel::Returned>::Raw;
        }
        <$result as $crate::kernel::Returned>::from_raw(kfunc($($param),*))
    }};
    ([unsafe] $symbol:expr, ($($param:ident: $type:ty),*) $result:ty) => {{
        unsafe extern "C" {
            #[link_name = concat!("hachi:1:", $symbol)]
            fn kfunc($($param: $type),*) -> <$result as $crate::kernel::Returned>::Raw;
        }
        // SAFETY: the function around it is unsafe, or has checked, for the same conditions.
        <$result as $crate::kernel::Returned>::from_raw(unsafe { kfunc($($param),*) })
    }};
}

#[cfg(not(hachi_bpf))]
#[doc(hidden)]
#[macro_export]
macro_rules! __call_kfunc {
    ([$safety:ident] $symbol:expr, ($($param:ident: $type:ty),*) $result:ty) => {{
        $(let _ = $param;)*
        $crate::kernel::absent::<$result>()
    }};
}

/// What a kernel function returns.
///
/// A machine's own calling convention says nothing of the bits of a register beyond a `bool`'s or a
/// short integer's, while rustc takes them for zeros or the sign. So these are cut out of what
/// comes.
#[cfg(hachi_bpf)]
#[doc(hidden)]
pub trait Returned {
    type Raw;
    fn from_raw(raw: Self::Raw) -> Self;
}

#[cfg(hachi_bpf)]
mod returned {
    use super::Returned;

    macro_rules! whole {
        ($([$($param:ident)?] $t:ty;)*) => { $(
            impl$(<$param>)? Returned for $t {
                type Raw = $t;
                #[inline(always)]
                fn from_raw(raw: $t) -> $t {
                    raw
                }
            }
        )* };
    }

    macro_rules! cut {
        ($($t:ty: $raw:ident => $value:expr),*) => { $(
            impl Returned for $t {
                type Raw = u32;
                #[inline(always)]
                fn from_raw($raw: u32) -> $t {
                    $value
                }
            }
        )* };
    }

    whole! { [] (); [] u32; [] i32; [] u64; [] i64; [T] *const T; [T] *mut T; }
    cut! {
        bool: raw => raw as u8 != 0,
        u8: raw => raw as u8, i8: raw => raw as i8, u16: raw => raw as u16, i16: raw => raw as i16
    }
}

/// Calls the first of several forms of a kernel function that the kernel has, if any.
macro_rules! first_kfunc {
    ($($signature:literal ($($param:ident: $type:ty),*),)+ => $result:ty) => {
        'found: {
            $(
                if $crate::__question!("kfunc_exists:", $signature) != 0 {
                    let result = $crate::__call_kfunc!([unsafe] concat!("kfunc_weak:", $signature),
                        ($($param: $type),*) $result);
                    break 'found Some(result);
                }
            )+
            None
        }
    };
}
pub(crate) use first_kfunc;

/// What a kfunc gives where there is no kernel: zero.
#[cfg(not(hachi_bpf))]
#[doc(hidden)]
pub fn absent<T>() -> T {
    // SAFETY: the macro above lets kfuncs return integers, `bool`, raw pointers and nothing.
    unsafe { core::mem::zeroed() }
}

/// Reads what a path of fields leads to: `core_read!(task, mm.pgd)`.
///
/// ```
/// use hachi_ebpf::{core_read, kernel::Mode, kernel_types};
///
/// kernel_types! {
///     struct task_struct { real_parent: *const task_struct, tgid: i32, comm: [u8; 16] }
/// }
///
/// fn parent<M: Mode>(task: task_struct<M>) -> Result<i32, i64> {
///     core_read!(task, real_parent.tgid)
/// }
///
/// fn parents_initial(task: task_struct) -> Result<u8, i64> {
///     core_read!(task, real_parent.comm[0])
/// }
/// ```
/// Steps go into embedded structures and through pointers alike, with one read for each pointer and
/// one for what stands at the end, as `BPF_CORE_READ` does. An array at the end is read whole, and
/// an embedded structure at the end is a handle.
///
/// # Errors
/// It always gives a `Result<T, c_long>`: `-EFAULT` when a pointer on the way is null or leads
/// nowhere. For a [`Direct`](crate::kernel::Direct) handle without a pointer on the way it is
/// always `Ok`.
#[macro_export]
macro_rules! core_read {
    (@ $at:expr, $field:ident) => {
        $crate::kernel::Step::step($at.$field())
    };
    (@ $at:expr, $field:ident [ $index:expr ]) => {
        $crate::kernel::Step::step($at.$field().get($index))
    };
    (@ $at:expr, $field:ident . $($rest:tt)+) => {{
        let at = $crate::kernel::Step::step($at.$field())?;
        $crate::core_read!(@ at, $($rest)+)
    }};
    (@ $at:expr, $field:ident [ $index:expr ] . $($rest:tt)+) => {{
        let at = $crate::kernel::Step::step($at.$field().get($index))?;
        $crate::core_read!(@ at, $($rest)+)
    }};
    ($handle:expr, $($path:tt)+) => {
        (|| {
            let at = $handle;
            $crate::core_read!(@ at, $($path)+)
        })()
    };
}

/// Whether this kernel has a field: `field_exists!(task_struct, __state)`.
///
/// The first argument is a type made by [`kernel_types!`](crate::kernel_types), the second a path.
/// A path through a pointer asks for the fields on both sides of it. "Has" means: a field of that
/// name, of the same kind (integer, pointer, array, structure or union, enum), in a type of that
/// name. In a program it is a constant, so what does not exist costs nothing.
#[macro_export]
macro_rules! field_exists {
    ($type:ty, $($path:tt)+) => {
        $crate::__about!($crate::kernel::Exists, $type, $($path)+) != 0
    };
}

/// The size in bytes (`u64`) that a field has in this kernel: `field_size!(task_struct, comm)`. Of
/// a bit field, that of the unit it is loaded with.
#[macro_export]
macro_rules! field_size {
    ($type:ty, $($path:tt)+) => {
        $crate::__about!($crate::kernel::Size, $type, $($path)+)
    };
}

/// The offset in bytes (`u64`) at which a field lies in this kernel: `field_offset!(sock,
/// __sk_common.skc_family)`. It counts from the structure behind the last pointer on the path; of a
/// bit field, it is that of the unit it is loaded with.
#[macro_export]
macro_rules! field_offset {
    ($type:ty, $($path:tt)+) => {
        $crate::__about!($crate::kernel::Offset, $type, $($path)+)
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __about {
    (@ $at:expr, $field:ident) => {
        $crate::kernel::Answer::answer($at.$field())
    };
    (@ $at:expr, $field:ident [ $index:expr ]) => {
        $crate::kernel::Answer::answer($at.$field().get($index))
    };
    (@ $at:expr, $field:ident . $($rest:tt)+) => {
        $crate::__about!(@ $at.$field(), $($rest)+)
    };
    (@ $at:expr, $field:ident [ $index:expr ] . $($rest:tt)+) => {
        $crate::__about!(@ $at.$field().get($index), $($rest)+)
    };
    ($mode:ty, $type:ty, $($path:tt)+) => {
        $crate::__about!(
            @ <$mode>::about::<<$type as $crate::kernel::Handle>::In<$mode>>(),
            $($path)+
        )
    };
}

/// Asks a question about a type that is named, not bound.
#[doc(hidden)]
#[macro_export]
macro_rules! __about_type {
    ($kind:literal, struct $name:ident) => {
        $crate::__question!($kind, "struct:", stringify!($name))
    };
    ($kind:literal, union $name:ident) => {
        $crate::__question!($kind, "union:", stringify!($name))
    };
    ($kind:literal, enum $name:ident) => {
        $crate::__question!($kind, "enum:", stringify!($name))
    };
    ($kind:literal, typedef $name:ident = $($type:tt)+) => {
        $crate::__question!($kind, "typedef:", stringify!($name), ":", stringify!($($type)+))
    };
    ($kind:literal, $name:ident) => {
        $crate::__question!($kind, "struct:", stringify!($name))
    };
}

/// Whether this kernel has a type: `type_exists!(struct bpf_iter__task)`; also `union`, `enum` and
/// `typedef name = type`. Without a keyword it is a struct.
#[macro_export]
macro_rules! type_exists {
    ($($type:tt)+) => {
        $crate::__about_type!("type_exists:", $($type)+) != 0
    };
}

/// The size in bytes (`u64`) of a type in this kernel; 0 when there is none. The type is written as
/// for [`type_exists!`](crate::type_exists).
#[macro_export]
macro_rules! type_size {
    ($($type:tt)+) => {
        $crate::__about_type!("type_size:", $($type)+)
    };
}

/// The number (`u64`) of a type in this kernel's BTF, for helpers that take one
/// (`bpf_snprintf_btf`); 0 when there is none. The type is written as for
/// [`type_exists!`](crate::type_exists).
#[macro_export]
macro_rules! type_id {
    ($($type:tt)+) => {
        $crate::__about_type!("type_id_target:", $($type)+)
    };
}

/// The number (`u64`) of a type in the program's own BTF. The type is written as for
/// [`type_exists!`](crate::type_exists).
#[macro_export]
macro_rules! type_id_local {
    ($($type:tt)+) => {
        $crate::__about_type!("type_id_local:", $($type)+)
    };
}

/// Whether this kernel has a type with these members, of matching types, among others:
/// `type_matches!(struct task_struct { pid: i32, stack: *mut c_void })`. Here integers must be of
/// the same size, sign and name in C: write `u64` for `unsigned long long` and `c_ulong` for
/// `unsigned long`. Loaders know this question since libbpf 1.0.
#[macro_export]
macro_rules! type_matches {
    (struct $name:ident $body:tt) => {
        $crate::__question!(
            "type_matches:struct:",
            stringify!($name),
            ":",
            stringify!($body)
        ) != 0
    };
    (union $name:ident $body:tt) => {
        $crate::__question!(
            "type_matches:union:",
            stringify!($name),
            ":",
            stringify!($body)
        ) != 0
    };
    (enum $name:ident $body:tt) => {
        $crate::__question!(
            "type_matches:enum:",
            stringify!($name),
            ":",
            stringify!($body)
        ) != 0
    };
}

/// Whether this kernel's enum has an enumerator: `enum_value_exists!(bpf_func_id::BPF_FUNC_loop)`.
#[macro_export]
macro_rules! enum_value_exists {
    ($enum:ident :: $name:ident) => {
        $crate::__question!(
            "enumval_exists:enum:",
            stringify!($enum),
            ":",
            stringify!($name)
        ) != 0
    };
}

/// The value (`i64`) that an enumerator has in this kernel:
/// `enum_value!(bpf_func_id::BPF_FUNC_loop)`; of an enum with more than 32 bits,
/// `enum_value!(enum64 bpf_features::BPF_FEAT_A)`.
///
/// Where the kernel has no such enumerator the program does not load, unless the code is behind an
/// [`enum_value_exists!`](crate::enum_value_exists).
#[macro_export]
macro_rules! enum_value {
    (enum64 $enum:ident :: $name:ident) => {
        $crate::__question!(
            "enumval_value:enum64:",
            stringify!($enum),
            ":",
            stringify!($name)
        ) as i64
    };
    ($enum:ident :: $name:ident) => {
        $crate::__question!(
            "enumval_value:enum:",
            stringify!($enum),
            ":",
            stringify!($name)
        ) as i64
    };
}
