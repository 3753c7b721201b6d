use crate::bindings::bpf_sysctl;

super::context! {
    /// A kernel parameter that a process of a cgroup reads or writes.
    SysctlContext {
        /// The kernel's context.
        pub sysctl: bpf_sysctl
    }
}
