use crate::cty::c_void;

super::context! {
    /// A tracepoint that was hit.
    RawTracePointContext { ctx: c_void }
}
