//! RCU: what others have removed stays until all who read are done.

/// Takes the RCU lock: pointers read from the kernel's structures stay good while the guard is
/// there (6.2). For sleepable programs; all others hold it anyway, and may take it as well.
///
/// Nothing that sleeps may be called meanwhile, and nothing may panic: a panic ends the program at
/// once, without giving the lock back. (In a debug build `+` and `-` panic when they overflow.) The
/// verifier makes sure of both, and that the lock is given back on every way out; it knows no such
/// locks in one another.
///
/// ```
/// use hachi_ebpf::{EbpfContext, kernel_types, sync::rcu_read_lock};
/// use hachi_ebpf::programs::BtfTracePointContext;
///
/// kernel_types! {
///     struct task_struct { tgid: i32, real_parent: *const task_struct }
/// }
///
/// fn parent(ctx: &BtfTracePointContext) -> Option<i32> {
///     let _lock = rcu_read_lock();
///     let task = ctx.current_task::<task_struct>();
///     Some(task.real_parent()?.tgid())
/// }
/// # fn main() {}
/// ```
#[inline(always)]
pub fn rcu_read_lock() -> RcuReadGuard {
    crate::__call_kfunc!([safe] "kfunc:bpf_rcu_read_lock:fn()", () ());
    RcuReadGuard(())
}

/// The RCU lock, held.
#[must_use = "dropped, it unlocks at once"]
#[derive(Debug)]
pub struct RcuReadGuard(());

impl Drop for RcuReadGuard {
    #[inline(always)]
    fn drop(&mut self) {
        crate::__call_kfunc!([safe] "kfunc:bpf_rcu_read_unlock:fn()", () ());
    }
}
