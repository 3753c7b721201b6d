use crate::bindings::bpf_sk_lookup;

super::context! {
    /// A packet that looks for its socket.
    SkLookupContext {
        /// The kernel's context.
        pub lookup: bpf_sk_lookup
    }
}
