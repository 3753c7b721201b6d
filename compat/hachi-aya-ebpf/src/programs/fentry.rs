use crate::cty::c_void;

super::context! {
    /// The call of a function of the kernel.
    FEntryContext { ctx: c_void }
}
