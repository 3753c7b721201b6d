use crate::bindings::bpf_cgroup_dev_ctx;

super::context! {
    /// A device that a process of a cgroup opens or makes.
    DeviceContext {
        /// The kernel's context.
        pub device: bpf_cgroup_dev_ctx
    }
}
