use crate::bindings::bpf_sock_addr;

super::context! {
    /// An address that a process of a cgroup uses a socket with.
    SockAddrContext {
        /// The kernel's context.
        pub sock_addr: bpf_sock_addr
    }
}
