//! Contexts that are an array of arguments, with types that the verifier knows from BTF.

/// Defines such a context.
macro_rules! context_of_arguments {
    ($(#[$meta:meta])* $name:ident, $mode:ident) => {
        $(#[$meta])*
        #[derive(Debug)]
        #[repr(transparent)]
        pub struct $name {
            ctx: *mut c_void,
        }

        impl $name {
            /// Wraps the context that the kernel called the program with. The attribute does so.
            ///
            /// # Safety
            /// `ctx` must be that pointer, and there must be no other context made from it.
            #[inline(always)]
            pub unsafe fn new(ctx: *mut c_void) -> Self {
                Self { ctx }
            }

            /// The argument number `n`, counted from 0.
            ///
            /// The verifier refuses a number that is too large. It knows the argument's type from
            /// BTF, whatever `T` says; `T` decides what the program makes of it. Functions declared
            /// in [`kernel_types!`](crate::kernel_types), or made by `hachi bindgen`, have their
            /// arguments by name.
            #[inline(always)]
            pub fn arg<T: Argument>(&self, n: usize) -> T {
                T::from_argument(self.register(n))
            }
        }

        impl Source for $name {
            type Mode = $mode;

            #[inline(always)]
            fn register(&self, number: usize) -> u64 {
                // Where no verifier looks.
                #[cfg(not(hachi_bpf))]
                assert!(number < crate::programs::ARGUMENTS, "there is no argument {number}");
                // SAFETY: the context is an array of arguments; the verifier checks its bounds.
                // Volatile because several loads with variable numbers must not become one.
                unsafe { self.ctx.cast::<u64>().add(number).read_volatile() }
            }
        }

        // SAFETY: `new` was given the kernel's context.
        unsafe impl EbpfContext for $name {
            #[inline(always)]
            fn as_ptr(&self) -> *mut c_void {
                self.ctx
            }
        }
    };
}

pub(super) use context_of_arguments;

/// Asking for the result without knowing how many arguments there are.
macro_rules! function_result {
    ($name:ident) => {
        impl $name {
            /// What the function returned, or what an earlier program returned in its place
            /// (`bpf_get_func_ret`, 5.17).
            ///
            /// `T` may be a `Result`, of which `Err` is what the kernel counts as an error:
            /// `ctx.ret::<Result<u32, c_long>>()`. See [`Argument`].
            ///
            /// # Errors
            /// `-EOPNOTSUPP` where the program runs at the function's entry.
            #[inline(always)]
            pub fn ret<T: Argument>(&self) -> Result<T, $crate::cty::c_long> {
                let mut value = 0;
                // SAFETY: the context is the kernel's, the value is writable.
                let result = unsafe { $crate::helpers::bpf_get_func_ret(self.ctx, &raw mut value) };
                $crate::helpers::check(result)?;
                Ok(T::from_argument(value))
            }
        }
    };
}

pub(super) use function_result;
