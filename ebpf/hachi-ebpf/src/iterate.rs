//! What programs can go through in [`bpf_for!`](crate::bpf_for): numbers, and the kernel's tasks,
//! cgroups and memory areas.
//!
//! ```
//! use hachi_ebpf::{bpf_for, iterate::Tasks, kernel_types};
//!
//! kernel_types! {
//!     struct task_struct { pid: i32, flags: u32 }
//! }
//!
//! fn kernel_threads() -> u32 {
//!     let mut count = 0;
//!     bpf_for!(task in Tasks::<task_struct>::processes() => {
//!         if task.flags() & 0x0020_0000 != 0 {
//!             count += 1;
//!         }
//!     });
//!     count
//! }
//! ```
//! They are made of kernel functions (`bpf_iter_…_new`, `_next`, `_destroy`); the last is called on
//! every way out of the loop. What a round gives may be used in that round. Sleepable programs go
//! through tasks and cgroups with the [RCU lock](crate::sync::rcu_read_lock) held.

use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ops::Range;

use crate::cty::c_void;
use crate::kernel::{Direct, Handle};

/// A loop over a range of `i32` that need not be known when loading (6.4), or over what else is in
/// [`iterate`](crate::iterate).
///
/// ```
/// use hachi_ebpf::bpf_for;
///
/// fn first_multiple(of: i32, end: i32) -> Option<i32> {
///     bpf_for!(i in 1..end => {
///         if i % of == 0 {
///             return Some(i);
///         }
///     });
///     None
/// }
/// ```
/// `break`, `continue`, `return` and `?` work as in a `for`. The verifier follows the body until
/// another round can bring nothing new: what changes in each round without limit (a counter, a sum)
/// should be memory of a map or a global, or [`bpf_loop`](crate::bpf_loop) be taken.
#[macro_export]
macro_rules! bpf_for {
    ($variable:pat in $range:expr => $body:block) => {{
        let range = $range;
        let mut state = $crate::iterate::state(&range);
        let mut items = $crate::iterate::Items::new(&mut state, range);
        while let ::core::option::Option::Some($variable) = items.next_item() {
            $body
        }
    }};
}

/// What [`bpf_for!`](crate::bpf_for) goes through.
pub trait Walk {
    /// What each round gets.
    type Item;
    /// The kernel's `struct bpf_iter_…`, which the verifier wants to find where it was made.
    #[doc(hidden)]
    type State;
    #[doc(hidden)]
    fn start(self, state: &mut MaybeUninit<Self::State>);
    #[doc(hidden)]
    fn next(state: &mut MaybeUninit<Self::State>) -> Option<Self::Item>;
    #[doc(hidden)]
    fn end(state: &mut MaybeUninit<Self::State>);
}

#[doc(hidden)]
#[inline(always)]
pub fn state<W: Walk>(_walk: &W) -> MaybeUninit<W::State> {
    MaybeUninit::uninit()
}

/// An iteration, ended when it is dropped.
#[doc(hidden)]
pub struct Items<'a, W: Walk>(&'a mut MaybeUninit<W::State>);

impl<'a, W: Walk> Items<'a, W> {
    #[inline(always)]
    pub fn new(state: &'a mut MaybeUninit<W::State>, walk: W) -> Self {
        walk.start(state);
        Items(state)
    }

    #[inline(always)]
    pub fn next_item(&mut self) -> Option<W::Item> {
        W::next(self.0)
    }
}

impl<W: Walk> Drop for Items<'_, W> {
    #[inline(always)]
    fn drop(&mut self) {
        W::end(self.0);
    }
}

/// Calls a kernel function with what Rust knows to be a place for a state.
macro_rules! call {
    ($symbol:literal ($($param:ident: $type:ty),*) -> $result:ty) => {
        // SAFETY: the signature is the kernel's; the verifier follows what states go through.
        $crate::__call_kfunc!([unsafe] $symbol, ($($param: $type),*) $result)
    };
}

#[cfg(hachi_bpf)]
impl Walk for Range<i32> {
    type Item = i32;
    type State = u64;

    #[inline(always)]
    fn start(self, state: &mut MaybeUninit<u64>) {
        let (state, start, end) = (state.as_mut_ptr(), self.start, self.end);
        // If the range is bad the iteration is an empty one.
        call!("kfunc:bpf_iter_num_new:fn(*bpf_iter_num, i32, i32) -> i32"
            (state: *mut u64, start: i32, end: i32) -> i32);
    }

    #[inline(always)]
    fn next(state: &mut MaybeUninit<u64>) -> Option<i32> {
        let state = state.as_mut_ptr();
        let number = call!("kfunc:bpf_iter_num_next:fn(*bpf_iter_num) -> *i32"
            (state: *mut u64) -> *const i32);
        // SAFETY: the number is there until the next call.
        (!number.is_null()).then(|| unsafe { *number })
    }

    #[inline(always)]
    fn end(state: &mut MaybeUninit<u64>) {
        let state = state.as_mut_ptr();
        call!("kfunc:bpf_iter_num_destroy:fn(*bpf_iter_num)" (state: *mut u64) -> ());
    }
}

/// Where there is no kernel, numbers are easy.
#[cfg(not(hachi_bpf))]
impl Walk for Range<i32> {
    type Item = i32;
    type State = Range<i32>;

    fn start(self, state: &mut MaybeUninit<Range<i32>>) {
        state.write(self);
    }

    fn next(state: &mut MaybeUninit<Range<i32>>) -> Option<i32> {
        // SAFETY: `start` has written it.
        unsafe { state.assume_init_mut() }.next()
    }

    fn end(_: &mut MaybeUninit<Range<i32>>) {}
}

/// Implements [`Walk`] for what gives handles.
macro_rules! walk {
    (
        $name:ident, [$words:literal] $kernels:literal,
        $new:literal ($self:ident => $($param:ident: $type:ty = $value:expr),*), $next:literal
    ) => {
        impl<H: Handle<Mode = Direct>> Walk for $name<H> {
            type Item = H;
            type State = [u64; $words];

            #[inline(always)]
            fn start($self, state: &mut MaybeUninit<Self::State>) {
                let state: *mut c_void = state.as_mut_ptr().cast();
                $(let $param: $type = $value;)*
                // An iteration that could not start is an empty one.
                let _ = call!($new (state: *mut c_void, $($param: $type),*) -> i32);
            }

            #[inline(always)]
            fn next(state: &mut MaybeUninit<Self::State>) -> Option<H> {
                let state: *mut c_void = state.as_mut_ptr().cast();
                let item = call!($next (state: *mut c_void) -> *const c_void);
                if item.is_null() { None } else { Some(H::from_ptr(item)) }
            }

            #[inline(always)]
            fn end(state: &mut MaybeUninit<Self::State>) {
                let state: *mut c_void = state.as_mut_ptr().cast();
                call!($kernels (state: *mut c_void) -> ());
            }
        }
    };
}

/// The tasks of the machine, or the threads of one (6.7). `H` is the handle that `task_struct` is
/// declared as in [`kernel_types!`](crate::kernel_types).
#[derive(Clone, Copy, Debug)]
pub struct Tasks<H> {
    of: *const c_void,
    which: u32,
    handle: PhantomData<H>,
}

impl<H: Handle<Mode = Direct>> Tasks<H> {
    const fn new(of: *const c_void, which: u32) -> Self {
        Tasks {
            of,
            which,
            handle: PhantomData,
        }
    }

    /// One task, the first thread, of each process.
    #[inline(always)]
    pub fn processes() -> Self {
        Tasks::new(core::ptr::null(), 0)
    }

    /// All threads of all processes.
    #[inline(always)]
    pub fn threads() -> Self {
        Tasks::new(core::ptr::null(), 1)
    }

    /// The threads of the process that `task` belongs to.
    #[inline(always)]
    pub fn threads_of(task: H) -> Self {
        Tasks::new(task.as_ptr(), 2)
    }
}

walk! {
    Tasks, [3] "kfunc:bpf_iter_task_destroy:fn(*bpf_iter_task)",
    "kfunc:bpf_iter_task_new:fn(*bpf_iter_task, *task_struct, u32) -> i32"
    (self => task: *const c_void = self.of, flags: u32 = self.which),
    "kfunc:bpf_iter_task_next:fn(*bpf_iter_task) -> *task_struct"
}

/// The subsystem states of cgroups, below or above one (6.7). `H` is the handle that
/// `cgroup_subsys_state` is declared as.
#[derive(Clone, Copy, Debug)]
pub struct Cgroups<H> {
    from: *const c_void,
    order: u32,
    handle: PhantomData<H>,
}

impl<H: Handle<Mode = Direct>> Cgroups<H> {
    fn new(from: H, order: u32) -> Self {
        Cgroups {
            from: from.as_ptr(),
            order,
            handle: PhantomData,
        }
    }

    /// `from`, and all below it, each before those below it.
    #[inline(always)]
    pub fn below(from: H) -> Self {
        Cgroups::new(from, 2)
    }

    /// `from`, and all below it, each after those below it.
    #[inline(always)]
    pub fn below_first(from: H) -> Self {
        Cgroups::new(from, 3)
    }

    /// `from`, and all above it, up to the root.
    #[inline(always)]
    pub fn above(from: H) -> Self {
        Cgroups::new(from, 4)
    }
}

walk! {
    Cgroups, [3] "kfunc:bpf_iter_css_destroy:fn(*bpf_iter_css)",
    "kfunc:bpf_iter_css_new:fn(*bpf_iter_css, *cgroup_subsys_state, u32) -> i32"
    (self => css: *const c_void = self.from, flags: u32 = self.order),
    "kfunc:bpf_iter_css_next:fn(*bpf_iter_css) -> *cgroup_subsys_state"
}

/// The areas of a task's memory, in the order of their addresses (6.7). `H` is the handle that
/// `vm_area_struct` is declared as.
///
/// There are none when the memory is locked by somebody else at this moment.
#[derive(Clone, Copy, Debug)]
pub struct Areas<H> {
    task: *const c_void,
    address: u64,
    handle: PhantomData<H>,
}

impl<H: Handle<Mode = Direct>> Areas<H> {
    /// Those of `task`, from the one that `address` is in, or the next.
    #[inline(always)]
    pub fn of<T: Handle<Mode = Direct>>(task: T, address: u64) -> Self {
        Areas {
            task: task.as_ptr(),
            address,
            handle: PhantomData,
        }
    }
}

walk! {
    Areas, [1] "kfunc:bpf_iter_task_vma_destroy:fn(*bpf_iter_task_vma)",
    "kfunc:bpf_iter_task_vma_new:fn(*bpf_iter_task_vma, *task_struct, u64) -> i32"
    (self => task: *const c_void = self.task, address: u64 = self.address),
    "kfunc:bpf_iter_task_vma_next:fn(*bpf_iter_task_vma) -> *vm_area_struct"
}
