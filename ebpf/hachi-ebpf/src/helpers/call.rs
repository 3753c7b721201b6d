//! How a helper is called: the kernel knows each by a number.

#[cfg(hachi_bpf)]
macro_rules! helper_call {
    ($number:literal $(, $arg:ident)*) => {{
        // SAFETY: the BPF machine's `call` instruction takes the helper's number where others take
        // an address, and LLVM turns a call of a constant address into that instruction. The types
        // are inferred from the function around the call, which has the kernel's signature; its
        // conditions are the caller's.
        unsafe {
            let helper: unsafe extern "C" fn($(helper_call!(@any $arg)),*) -> _ =
                core::mem::transmute(core::ptr::without_provenance::<()>($number));
            helper($($arg),*)
        }
    }};
    (@any $arg:ident) => { _ };
}

#[cfg(not(hachi_bpf))]
macro_rules! helper_call {
    ($number:literal $(, $arg:ident)*) => {
        // SAFETY: the arguments are those of the helper of this number, its conditions the
        // caller's.
        $crate::helpers::call::Register::from_register(unsafe {
            $crate::helpers::call::host(
                $number,
                &[$($crate::helpers::call::Register::to_register($arg)),*],
            )
        })
    };
}

/// Calls what stands in a helper's place on the development machine; `None` if nothing does.
#[cfg(all(not(hachi_bpf), feature = "test"))]
pub(crate) use crate::test::call as host;

#[cfg(all(not(hachi_bpf), not(feature = "test")))]
#[allow(clippy::missing_safety_doc, reason = "of its namesake it is unsafe")]
pub(crate) unsafe fn host(_number: u32, _arguments: &[u64]) -> Option<u64> {
    None
}

/// What helpers take and give, as the registers hold it.
#[cfg(not(hachi_bpf))]
pub(crate) trait Register {
    fn to_register(self) -> u64;
    /// What a helper gave; of one that is not there, a failure.
    fn from_register(register: Option<u64>) -> Self;
}

#[cfg(not(hachi_bpf))]
mod register {
    use super::Register;
    use crate::errno::ENOSYS;

    impl Register for () {
        fn to_register(self) -> u64 {
            0
        }
        fn from_register(_: Option<u64>) {}
    }

    macro_rules! integers {
        ($($t:ty: $absent:expr),*) => { $(
            impl Register for $t {
                fn to_register(self) -> u64 {
                    self as u64
                }
                fn from_register(register: Option<u64>) -> $t {
                    register.map_or($absent, |register| register as $t)
                }
            }
        )* };
    }

    integers!(u16: 0, u32: 0, u64: 0, i32: -(ENOSYS as i32), i64: -ENOSYS);

    impl<T> Register for *mut T {
        fn to_register(self) -> u64 {
            self.expose_provenance() as u64
        }
        fn from_register(register: Option<u64>) -> *mut T {
            core::ptr::with_exposed_provenance_mut(register.unwrap_or(0) as usize)
        }
    }

    impl<T> Register for *const T {
        fn to_register(self) -> u64 {
            self.expose_provenance() as u64
        }
        fn from_register(register: Option<u64>) -> *const T {
            core::ptr::with_exposed_provenance(register.unwrap_or(0) as usize)
        }
    }
}
