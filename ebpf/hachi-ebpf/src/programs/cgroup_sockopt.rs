//! Socket options that the processes of a cgroup set and get.

use super::{context, context_fields, context_setters};
use crate::bindings::bpf_sockopt;

context! {
    /// The option a `#[cgroup_sockopt]` program is called for (5.3). The program returns 1 to
    /// allow, 0 to forbid.
    ///
    /// ```
    /// use hachi_ebpf::macros::cgroup_sockopt;
    /// use hachi_ebpf::programs::SockoptContext;
    ///
    /// #[cgroup_sockopt(setsockopt)]
    /// fn no_marks(ctx: SockoptContext) -> i32 {
    ///     const SOL_SOCKET: i32 = 1;
    ///     const SO_MARK: i32 = 36;
    ///     (ctx.level() != SOL_SOCKET || ctx.optname() != SO_MARK).into()
    /// }
    /// ```
    SockoptContext(bpf_sockopt), "#[cgroup_sockopt]"
}

context_fields! { SockoptContext {
    /// Level of the option, such as `SOL_SOCKET` (1).
    level: level -> i32;
    /// The option.
    optname: optname -> i32;
    /// Length of its value in bytes.
    optlen: optlen -> i32;
    /// What the system call returns (getsockopt).
    retval: retval -> i32;
} }

context_setters! { SockoptContext {
    /// Replaces the level (setsockopt).
    set_level: level = i32;
    /// Replaces the option (setsockopt).
    set_optname: optname = i32;
    /// Replaces the length of the value; -1 (setsockopt) leaves it all to this program.
    set_optlen: optlen = i32;
    /// Replaces what the system call returns (getsockopt); only 0 is allowed.
    set_retval: retval = i32;
} }

packet_reads!(SockoptContext);
packet_writes!(SockoptContext);

impl SockoptContext {
    /// The ends of the option's value, which the methods look into.
    #[inline(always)]
    fn packet(&self) -> (*mut u8, *mut u8) {
        (
            ctx_field!(volatile self.optval).cast(),
            ctx_field!(self.optval_end).cast(),
        )
    }
}
