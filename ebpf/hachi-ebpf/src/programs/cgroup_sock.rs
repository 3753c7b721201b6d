//! Sockets that the processes of a cgroup make.

use super::{context, context_fields, context_setters};
use crate::bindings::bpf_sock;

context! {
    /// The socket a `#[cgroup_sock]` program is called for (4.10). The program returns 1 to allow,
    /// 0 to forbid.
    ///
    /// ```
    /// use hachi_ebpf::macros::cgroup_sock;
    /// use hachi_ebpf::programs::SockContext;
    ///
    /// #[cgroup_sock(sock_create)]
    /// fn no_raw_sockets(ctx: SockContext) -> i32 {
    ///     const SOCK_RAW: u32 = 3;
    ///     (ctx.sock_type() != SOCK_RAW).into()
    /// }
    /// ```
    SockContext(bpf_sock), "#[cgroup_sock]"
}

context_fields! { SockContext {
    /// Index of the interface the socket is bound to; 0 for none.
    bound_dev_if: bound_dev_if -> u32;
    /// `AF_INET` (2) or `AF_INET6` (10).
    family: family -> u32;
    /// `SOCK_STREAM` (1), `SOCK_DGRAM` (2), …
    sock_type: r#type -> u32;
    /// `IPPROTO_TCP` (6), `IPPROTO_UDP` (17), …
    protocol: protocol -> u32;
    /// The mark of its packets (4.14).
    mark: mark -> u32;
    /// The priority of its packets (4.14).
    priority: priority -> u32;
    /// The IPv4 address it was bound to, in network byte order (post_bind4; 4.17).
    src_ip4: src_ip4 -> u32;
    /// The port it was bound to, in host byte order (post_bind4, post_bind6; 4.17).
    src_port: src_port -> u32;
} }

context_setters! { SockContext {
    /// Binds the socket to an interface.
    set_bound_dev_if: bound_dev_if = u32;
    /// Sets the mark of its packets (4.14).
    set_mark: mark = u32;
    /// Sets the priority of its packets (4.14).
    set_priority: priority = u32;
} }
