//! The kernel's own data: its structures, read field by field where they lie on *this* kernel.
//!
//! ```
//! use hachi_ebpf::{core_read, kernel::Probed, kernel_types};
//!
//! kernel_types! {
//!     /// The fields this program needs of it; `hachi bindgen task_struct` writes all of them.
//!     pub struct task_struct {
//!         pid: i32,
//!         comm: [u8; 16],
//!         real_parent: *const task_struct,
//!     }
//! }
//!
//! /// The parent's number, by accessors…
//! fn parent(task: task_struct) -> Option<i32> {
//!     Some(task.real_parent()?.pid())
//! }
//!
//! /// …or by a path; and here from a pointer that the verifier knows nothing about.
//! fn grandparent(task: task_struct<Probed>) -> Result<i32, i64> {
//!     core_read!(task, real_parent.real_parent.pid)
//! }
//! ```
//!
//! Where a field lies is not compiled in. Each access leaves a question in the object (a CO-RE
//! relocation) that the loader answers from the running kernel's BTF, so one object runs on every
//! kernel that has the field. [`field_exists!`](crate::field_exists) asks about those that may not;
//! code behind such a question is never reached, nor verified, where the answer is no.
//!
//! # Handles, and two ways to read
//! A value of a type made by [`kernel_types!`](crate::kernel_types) is a *handle*: one pointer into
//! the kernel's memory. Its parameter says how reading goes, because that decides what an access
//! can give:
//!
//! | | [`Direct`], the default | [`Probed`] |
//! | --- | --- | --- |
//! | for pointers | that the verifier follows | of any origin |
//! | a read is | one load instruction | a call of `bpf_probe_read_kernel` |
//! | a field gives | `T` | `Result<T, c_long>` |
//! | a pointer gives | `Option<handle>` | `Result<handle, c_long>` |
//!
//! The verifier follows the arguments of `btf_tracepoint`, `fentry`, `fexit`, `lsm` and `iter`
//! programs, the result of `bpf_get_current_task_btf`, and what is read through them. It does not
//! follow the arguments of kprobes and raw tracepoints, nor the result of `bpf_get_current_task`.
//!
//! Neither needs `unsafe`. The kernel checks both: the verifier refuses a program that loads
//! through a pointer it does not know, or past the end of the structure it knows; and
//! `bpf_probe_read_kernel` returns an error where nothing is mapped. What is read may be stale or
//! change while it is read, as kernel memory does; so all values are of types of which every
//! pattern of bits is one (a kernel's `bool` is read as a byte and compared with zero, its `enum`
//! is a number).
//!
//! The parameter is part of the handle's type, rather than of a wrapper around it (`Trusted<T>`)
//! or of Rust's own pointers (`&T` read directly, `*const T` probed), so that a type's accessors
//! exist once, as ordinary methods, and functions can be written for both: `fn f<M: Mode>(task:
//! task_struct<M>)`. And a reference `&task_struct` would promise Rust that the pointer is not
//! null, which the kernel does not.
//!
//! Functions of the kernel (`kfunc` in [`kernel_types!`](crate::kernel_types), asked about by
//! [`kfunc_exists!`](crate::kfunc_exists)), variables ([`ksym!`](crate::ksym)) and options of its
//! configuration ([`kconfig!`](crate::kconfig)) are found by the loader, by name.
//!
//! An embedded structure is a handle as well (`task.se()`), at no cost: offsets add up. An array is
//! an [`Array`], to be read whole or by element.

mod args;
mod array;
mod ask;
mod externs;
mod handle;
mod macros;
mod mode;
mod scalar;
mod text;
mod write;

#[doc(hidden)]
pub use args::argument_at;
pub use args::{Argument, Outcome, Source, SourceOfResult};
pub use array::{Array, Element, To};
#[doc(hidden)]
pub use ask::{Answer, Ask};
pub use ask::{Asked, Exists, Offset, Size};
#[doc(hidden)]
pub use externs::OptionValue;
pub use externs::Tristate;
pub use handle::Handle;
#[cfg(hachi_bpf)]
#[doc(hidden)]
pub use macros::Returned;
#[doc(hidden)]
pub use macros::Step;
#[cfg(not(hachi_bpf))]
#[doc(hidden)]
pub use macros::absent;
pub(crate) use macros::first_kfunc;
#[doc(hidden)]
pub use mode::Bits;
pub use mode::{Direct, Mode, Probed};
pub use scalar::Scalar;
pub use text::c_chars;
#[doc(hidden)]
pub use write::place_of;
