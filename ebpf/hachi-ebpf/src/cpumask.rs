//! Sets of CPUs, as the kernel's schedulers have them (6.3).

use crate::Owned;
use crate::kernel::Handle;

crate::kernel_types! {
    /// A set of CPUs that a program has made: `struct bpf_cpumask` (6.3).
    ///
    /// [`CpuMask`] owns one, and a [`KPtr`](crate::KPtr) in the value of a map keeps one.
    pub struct bpf_cpumask {
        /// The set, to be asked.
        cpumask: cpumask,
    }

    /// A set of CPUs of the kernel's, such as those that a task may run on: `struct cpumask`.
    pub struct cpumask {}
}

crate::counted! {
    bpf_cpumask: bpf_cpumask_acquire, bpf_cpumask_release;
}

/// A set of CPUs that the program owns, given back when it is dropped (6.3).
///
/// ```
/// use hachi_ebpf::cpumask::{CpuMask, cpumask};
/// use hachi_ebpf::{EbpfContext, kernel_types, programs::BtfTracePointContext};
///
/// kernel_types! {
///     struct task_struct { cpus_ptr: *const cpumask }
/// }
///
/// /// On how many CPUs other than the first the task may run.
/// fn others(ctx: &BtfTracePointContext) -> Option<u32> {
///     let allowed = ctx.current_task::<task_struct>().cpus_ptr()?;
///     let mine = CpuMask::create()?;
///     mine.copy_from(allowed);
///     mine.clear_cpu(0);
///     Some(mine.cpumask().count())
/// }
/// ```
pub type CpuMask = Owned<bpf_cpumask>;

macro_rules! kfuncs {
    ($($name:ident = $symbol:literal ($($param:ident: $type:ty),*) -> $result:ty;)*) => { $(
        #[inline(always)]
        fn $name($($param: $type),*) -> $result {
            crate::__call_kfunc!([safe] $symbol, ($($param: $type),*) $result)
        }
    )* };
}

type Ptr = *const crate::cty::c_void;

kfuncs! {
    create = "kfunc:bpf_cpumask_create:fn() -> *bpf_cpumask" () -> Ptr;
    set_cpu = "kfunc:bpf_cpumask_set_cpu:fn(u32, *bpf_cpumask)" (cpu: u32, mask: Ptr) -> ();
    clear_cpu = "kfunc:bpf_cpumask_clear_cpu:fn(u32, *bpf_cpumask)" (cpu: u32, mask: Ptr) -> ();
    test_and_set_cpu = "kfunc:bpf_cpumask_test_and_set_cpu:fn(u32, *bpf_cpumask) -> bool"
        (cpu: u32, mask: Ptr) -> bool;
    test_and_clear_cpu = "kfunc:bpf_cpumask_test_and_clear_cpu:fn(u32, *bpf_cpumask) -> bool"
        (cpu: u32, mask: Ptr) -> bool;
    setall = "kfunc:bpf_cpumask_setall:fn(*bpf_cpumask)" (mask: Ptr) -> ();
    clear = "kfunc:bpf_cpumask_clear:fn(*bpf_cpumask)" (mask: Ptr) -> ();
    and = "kfunc:bpf_cpumask_and:fn(*bpf_cpumask, *cpumask, *cpumask) -> bool"
        (mask: Ptr, a: Ptr, b: Ptr) -> bool;
    or = "kfunc:bpf_cpumask_or:fn(*bpf_cpumask, *cpumask, *cpumask)"
        (mask: Ptr, a: Ptr, b: Ptr) -> ();
    xor = "kfunc:bpf_cpumask_xor:fn(*bpf_cpumask, *cpumask, *cpumask)"
        (mask: Ptr, a: Ptr, b: Ptr) -> ();
    copy = "kfunc:bpf_cpumask_copy:fn(*bpf_cpumask, *cpumask)" (mask: Ptr, from: Ptr) -> ();
    test_cpu = "kfunc:bpf_cpumask_test_cpu:fn(u32, *cpumask) -> bool" (cpu: u32, mask: Ptr) -> bool;
    first = "kfunc:bpf_cpumask_first:fn(*cpumask) -> u32" (mask: Ptr) -> u32;
    first_zero = "kfunc:bpf_cpumask_first_zero:fn(*cpumask) -> u32" (mask: Ptr) -> u32;
    weight = "kfunc:bpf_cpumask_weight:fn(*cpumask) -> u32" (mask: Ptr) -> u32;
    empty = "kfunc:bpf_cpumask_empty:fn(*cpumask) -> bool" (mask: Ptr) -> bool;
    full = "kfunc:bpf_cpumask_full:fn(*cpumask) -> bool" (mask: Ptr) -> bool;
    equal = "kfunc:bpf_cpumask_equal:fn(*cpumask, *cpumask) -> bool" (a: Ptr, b: Ptr) -> bool;
    intersects = "kfunc:bpf_cpumask_intersects:fn(*cpumask, *cpumask) -> bool"
        (a: Ptr, b: Ptr) -> bool;
    subset = "kfunc:bpf_cpumask_subset:fn(*cpumask, *cpumask) -> bool" (a: Ptr, b: Ptr) -> bool;
    any_distribute = "kfunc:bpf_cpumask_any_distribute:fn(*cpumask) -> u32" (mask: Ptr) -> u32;
}

impl CpuMask {
    /// A new set, with no CPU in it; `None` when there is no memory.
    #[inline(always)]
    pub fn create() -> Option<CpuMask> {
        let mask = create();
        (!mask.is_null()).then(|| Owned::new(bpf_cpumask::from_ptr(mask)))
    }
}

/// CPUs with numbers that the machine does not have are in no set: to add or remove one does
/// nothing.
impl bpf_cpumask {
    /// Adds a CPU.
    #[inline(always)]
    pub fn set_cpu(self, cpu: u32) {
        set_cpu(cpu, self.as_ptr());
    }

    /// Removes a CPU.
    #[inline(always)]
    pub fn clear_cpu(self, cpu: u32) {
        clear_cpu(cpu, self.as_ptr());
    }

    /// Adds a CPU, in one atomic step with asking whether it was there.
    #[inline(always)]
    pub fn test_and_set_cpu(self, cpu: u32) -> bool {
        test_and_set_cpu(cpu, self.as_ptr())
    }

    /// Removes a CPU, in one atomic step with asking whether it was there.
    #[inline(always)]
    pub fn test_and_clear_cpu(self, cpu: u32) -> bool {
        test_and_clear_cpu(cpu, self.as_ptr())
    }

    /// Adds all CPUs.
    #[inline(always)]
    pub fn set_all(self) {
        setall(self.as_ptr());
    }

    /// Removes all CPUs.
    #[inline(always)]
    pub fn clear(self) {
        clear(self.as_ptr());
    }

    /// Makes it the same as another.
    #[inline(always)]
    pub fn copy_from(self, other: cpumask) {
        copy(self.as_ptr(), other.as_ptr());
    }

    /// Makes it what is in both sets; says whether anything is.
    #[inline(always)]
    pub fn set_to_and(self, a: cpumask, b: cpumask) -> bool {
        and(self.as_ptr(), a.as_ptr(), b.as_ptr())
    }

    /// Makes it what is in one of the sets or in both.
    #[inline(always)]
    pub fn set_to_or(self, a: cpumask, b: cpumask) {
        or(self.as_ptr(), a.as_ptr(), b.as_ptr());
    }

    /// Makes it what is in one of the sets and not in the other.
    #[inline(always)]
    pub fn set_to_xor(self, a: cpumask, b: cpumask) {
        xor(self.as_ptr(), a.as_ptr(), b.as_ptr());
    }
}

impl cpumask {
    /// Whether a CPU is in it.
    #[inline(always)]
    pub fn has(self, cpu: u32) -> bool {
        test_cpu(cpu, self.as_ptr())
    }

    /// The CPU with the lowest number; that of the machine's CPUs, or more, when there is none.
    #[inline(always)]
    pub fn first(self) -> u32 {
        first(self.as_ptr())
    }

    /// The CPU with the lowest number that is not in it; the number of the machine's CPUs, or more,
    /// when all are.
    #[inline(always)]
    pub fn first_missing(self) -> u32 {
        first_zero(self.as_ptr())
    }

    /// A CPU in it, another one each time; the number of the machine's CPUs, or more, when there is
    /// none.
    #[inline(always)]
    pub fn any(self) -> u32 {
        any_distribute(self.as_ptr())
    }

    /// How many CPUs are in it (`bpf_cpumask_weight`, 6.8).
    #[inline(always)]
    pub fn count(self) -> u32 {
        weight(self.as_ptr())
    }

    /// Whether no CPU is in it.
    #[inline(always)]
    pub fn is_empty(self) -> bool {
        empty(self.as_ptr())
    }

    /// Whether all CPUs are in it.
    #[inline(always)]
    pub fn is_full(self) -> bool {
        full(self.as_ptr())
    }

    /// Whether both have the same CPUs.
    #[inline(always)]
    pub fn equals(self, other: cpumask) -> bool {
        equal(self.as_ptr(), other.as_ptr())
    }

    /// Whether there is a CPU in both.
    #[inline(always)]
    pub fn intersects(self, other: cpumask) -> bool {
        intersects(self.as_ptr(), other.as_ptr())
    }

    /// Whether all its CPUs are in the other one.
    #[inline(always)]
    pub fn is_subset_of(self, other: cpumask) -> bool {
        subset(self.as_ptr(), other.as_ptr())
    }
}
