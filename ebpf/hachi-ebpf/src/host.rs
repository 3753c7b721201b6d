//! What an eBPF program is when it is built for the development machine: a program that says so.

/// Lets `cargo build --workspace` build an eBPF crate for the development machine too.
///
/// The crate has no `main`, since the kernel calls its programs. Built for a machine with an
/// operating system it needs one all the same. This macro gives it one that says how to build it;
/// for the kernel, and in tests, the macro gives nothing.
///
/// ```ignore
/// #![cfg_attr(not(test), no_std, no_main)]
///
/// hachi_ebpf::license!("GPL");
/// hachi_ebpf::host_main!();
/// ```
#[macro_export]
macro_rules! host_main {
    () => {
        $crate::__host_main!();
    };
}

#[cfg(not(all(feature = "panic-handler", not(hachi_bpf))))]
#[doc(hidden)]
#[macro_export]
macro_rules! __host_main {
    () => {};
}

#[cfg(all(feature = "panic-handler", not(hachi_bpf)))]
#[doc(hidden)]
#[macro_export]
macro_rules! __host_main {
    () => {
        #[cfg(not(test))]
        const _: () = {
            #[unsafe(no_mangle)]
            extern "C" fn main(_: i32, _: *const *const u8) -> i32 {
                $crate::__host_main()
            }
        };
    };
}

/// The exit code of such a `main`: wrong usage.
#[cfg(all(feature = "panic-handler", not(hachi_bpf)))]
#[doc(hidden)]
pub fn __host_main() -> i32 {
    std::eprintln!(
        "this is an eBPF program, built for this machine instead of the kernel: run the user side \
         (`cargo run`), or build it with `hachi build`"
    );
    2
}
