use crate::cty::c_void;

super::context! {
    /// A tracepoint that was hit.
    BtfTracePointContext { ctx: c_void }
}
