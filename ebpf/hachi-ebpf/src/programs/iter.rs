//! Iterators: programs that write what user space reads from a file.

use super::EbpfContext;
use super::btf_args::context_of_arguments;
use crate::cty::{c_long, c_void};
use crate::helpers;
use crate::kernel::{Argument, Direct, Handle as _, Source};

crate::kernel_types! {
    struct bpf_iter_meta {
        seq: *const seq_file,
        session_id: u64,
        seq_num: u64,
    }
    struct seq_file;
}

context_of_arguments! {
    /// What an iterator has come to: argument 0 describes the iteration, the others the object
    /// (5.8).
    ///
    /// The program is called once for each object, and once more at the end with null for the
    /// object: take it as an `Option`.
    ///
    /// ```
    /// use hachi_ebpf::{kernel_types, macros::iter, programs::IterContext, seq_printf};
    ///
    /// kernel_types! {
    ///     struct task_struct { tgid: i32, pid: i32 }
    /// }
    ///
    /// #[iter(target = "task")]
    /// fn list(ctx: IterContext) -> i32 {
    ///     if let Some(task) = ctx.arg::<Option<task_struct>>(1) {
    ///         seq_printf!(ctx, "%d %d\n", task.tgid(), task.pid());
    ///     }
    ///     0
    /// }
    /// ```
    IterContext, Direct
}

impl IterContext {
    fn meta(&self) -> bpf_iter_meta {
        self.arg(0)
    }

    /// Which reading of the file this is.
    #[inline(always)]
    pub fn session_id(&self) -> u64 {
        self.meta().session_id()
    }

    /// The number of objects before this one.
    #[inline(always)]
    pub fn seq_num(&self) -> u64 {
        self.meta().seq_num()
    }

    /// Writes bytes for the reader.
    ///
    /// # Errors
    /// `-EOVERFLOW` when the buffer is full: the kernel makes a larger one and calls the program
    /// again, so the error may be ignored.
    #[inline(always)]
    pub fn write(&self, bytes: &[u8]) -> Result<(), c_long> {
        let seq = self.seq_file();
        // SAFETY: the file is the iteration's, the bytes are readable for their length.
        let result =
            unsafe { helpers::bpf_seq_write(seq, bytes.as_ptr().cast(), bytes.len() as u32) };
        helpers::check(result)
    }

    /// The file, for helpers.
    #[inline(always)]
    pub fn seq_file(&self) -> *mut c_void {
        match self.meta().seq() {
            Some(seq) => seq.as_ptr().cast_mut(),
            None => core::ptr::null_mut(),
        }
    }
}

/// Writes text for the reader of an iterator: `seq_printf!(ctx, "%d %s\n", pid, name.as_ptr())`,
/// with the placeholders of the kernel's printf (5.8).
///
/// Arguments are integers, and for `%s` and the `%p…` kinds pointers. Gives a `Result<(), c_long>`
/// as [`IterContext::write`](crate::programs::IterContext::write) does, which need not be used.
#[macro_export]
macro_rules! seq_printf {
    ($ctx:expr, $format:literal $(, $argument:expr)* $(,)?) => {{
        const FORMAT: &str = concat!($format, "\0");
        let arguments: [u64; _] = [$($argument as u64),*];
        // SAFETY: the format is a constant that ends with a NUL, the arguments are an array.
        let _ = unsafe {
            $crate::helpers::bpf_seq_printf(
                $ctx.seq_file(),
                FORMAT.as_ptr().cast(),
                FORMAT.len() as u32,
                arguments.as_ptr().cast(),
                size_of_val(&arguments) as u32,
            )
        };
    }};
}
