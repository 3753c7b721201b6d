use crate::bindings::bpf_sockopt;

super::context! {
    /// An option of a socket that a process of a cgroup gets or sets.
    SockoptContext {
        /// The kernel's context.
        pub sockopt: bpf_sockopt
    }
}
