use crate::cty::c_void;

super::context! {
    /// The call of a hook of the security modules.
    LsmContext { ctx: c_void }
}
