//! The kernel's own way to print.

/// Prints to `/sys/kernel/tracing/trace_pipe`, with the placeholders of the kernel's printk (`%d`,
/// `%u`, `%x`, `%llu`, …) and integers: three of them, or up to twelve (5.16).
///
/// ```
/// # fn f() {
/// hachi_ebpf::bpf_printk!("packet of %u bytes", 60u32);
/// # }
/// ```
/// The program must have a GPL-compatible licence (4.1). The file is one for the whole machine: for
/// messages of your own, [`info!`](crate::info) and its like send them to the process that loaded
/// the program.
#[macro_export]
macro_rules! bpf_printk {
    ($format:literal $(,)?) => {
        $crate::bpf_printk!($format, 0, 0, 0)
    };
    ($format:literal, $a:expr $(,)?) => {
        $crate::bpf_printk!($format, $a, 0, 0)
    };
    ($format:literal, $a:expr, $b:expr $(,)?) => {
        $crate::bpf_printk!($format, $a, $b, 0)
    };
    ($format:literal, $a:expr, $b:expr, $c:expr $(,)?) => {{
        const FORMAT: &str = concat!($format, "\0");
        // SAFETY: the string is a constant that ends with a NUL.
        #[allow(
            clippy::unnecessary_cast,
            reason = "the arguments may be of any integer type"
        )]
        unsafe {
            $crate::helpers::bpf_trace_printk(
                FORMAT.as_ptr().cast(),
                FORMAT.len() as u32,
                $a as u64,
                $b as u64,
                $c as u64,
            )
        }
    }};
    ($format:literal, $($arg:expr),+ $(,)?) => {{
        const FORMAT: &str = concat!($format, "\0");
        #[allow(
            clippy::unnecessary_cast,
            reason = "the arguments may be of any integer type"
        )]
        let arguments = [$($arg as u64),+];
        // SAFETY: the string is a constant that ends with a NUL; the arguments are readable.
        unsafe {
            $crate::helpers::bpf_trace_vprintk(
                FORMAT.as_ptr().cast(),
                FORMAT.len() as u32,
                arguments.as_ptr().cast(),
                ::core::mem::size_of_val(&arguments) as u32,
            )
        }
    }};
}
