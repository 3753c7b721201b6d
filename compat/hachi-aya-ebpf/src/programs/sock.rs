use crate::bindings::bpf_sock;

super::context! {
    /// A socket that a process of a cgroup makes, binds or releases.
    SockContext {
        /// The kernel's context.
        pub sock: bpf_sock
    }
}
