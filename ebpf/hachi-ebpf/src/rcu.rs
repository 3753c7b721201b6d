//! RCU: what others have removed stays until all who read are done.

/// Takes the RCU lock: pointers read from the kernel's structures stay good while the guard is
/// there (6.2). For sleepable programs; all others hold it anyway, and may take it as well.
///
/// Nothing that sleeps may be called meanwhile. The verifier makes sure of that, and that the lock
/// is given back on every way out; it knows no such locks in one another.
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
