//! How a helper is called: the kernel knows each by a number.

#[cfg(hachi_bpf)]
macro_rules! helper_call {
    ($number:literal, ($($arg:ident: $ty:ty),*) -> $ret:ty) => {{
        // SAFETY: the BPF machine's `call` instruction takes the helper's number where others take
        // an address, and LLVM makes a call of a constant address that instruction. The signature
        // is the kernel's; its conditions are the caller's.
        unsafe {
            let helper: unsafe extern "C" fn($($ty),*) -> $ret =
                core::mem::transmute(core::ptr::without_provenance::<()>($number));
            helper($($arg),*)
        }
    }};
}

#[cfg(not(hachi_bpf))]
macro_rules! helper_call {
    ($number:literal, ($($arg:ident: $ty:ty),*) -> $ret:ty) => {{
        $(let _ = $arg;)*
        <$ret as $crate::helpers::call::Absent>::ABSENT
    }};
}

/// What helpers give where there is no kernel behind them.
#[cfg(not(hachi_bpf))]
pub(crate) trait Absent {
    const ABSENT: Self;
}

#[cfg(not(hachi_bpf))]
mod absent {
    use super::Absent;

    /// `ENOSYS`, "function not implemented".
    const ENOSYS: i64 = 38;

    impl Absent for () {
        const ABSENT: Self = ();
    }
    impl Absent for u32 {
        const ABSENT: Self = 0;
    }
    impl Absent for u64 {
        const ABSENT: Self = 0;
    }
    impl Absent for i32 {
        const ABSENT: Self = -(ENOSYS as i32);
    }
    impl Absent for i64 {
        const ABSENT: Self = -ENOSYS;
    }
    impl<T> Absent for *mut T {
        const ABSENT: Self = core::ptr::null_mut();
    }
}
