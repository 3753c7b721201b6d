use hachi_ebpf::kernel::Argument;

use crate::cty::c_void;

super::context! {
    /// The return of a function of the kernel.
    FExitContext { ctx: c_void }
}

impl FExitContext {
    /// What the function returned (5.17).
    ///
    /// # Errors
    /// `-EOPNOTSUPP` where the program runs at the function's entry.
    #[inline(always)]
    pub fn ret<T: Argument>(&self) -> Result<T, i32> {
        (**self).ret().map_err(|error| error as i32)
    }
}
