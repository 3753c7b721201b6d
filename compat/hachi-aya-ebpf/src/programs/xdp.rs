use crate::bindings::xdp_md;

super::context! {
    /// A packet as the driver has received it.
    XdpContext {
        /// The kernel's context.
        pub ctx: xdp_md
    }
}

impl XdpContext {
    /// Index of the interface the packet came from (4.16).
    #[inline(always)]
    pub fn ingress_ifindex(&self) -> usize {
        (**self).ingress_ifindex() as usize
    }
}
