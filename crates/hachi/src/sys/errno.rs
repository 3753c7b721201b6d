//! What an errno means when a particular system call returns it.

use std::{fmt, io};

use super::{capability::Capability, refusal::Facts};

/// A failed system call: which, how, and what that usually means there.
#[derive(Debug)]
pub struct SyscallError {
    /// The call, as the kernel's documentation names it: `"BPF_PROG_LOAD"`, `"netlink
    /// RTM_SETLINK"`.
    pub call: &'static str,
    /// The operating system's error.
    pub io_error: io::Error,
    note: Option<String>,
}

impl SyscallError {
    /// The error that the last failed call left in `errno`.
    pub(crate) fn last(call: &'static str) -> Self {
        Self::new(call, io::Error::last_os_error())
    }

    pub(crate) fn new(call: &'static str, io_error: io::Error) -> Self {
        let note = meaning(call, io_error.raw_os_error().unwrap_or(0));
        SyscallError {
            call,
            io_error,
            note,
        }
    }

    /// As `new`, with the kernel's own words (netlink's extended acknowledgement) as the meaning.
    pub(crate) fn with_note(call: &'static str, errno: i32, note: Option<String>) -> Self {
        let mut error = Self::new(call, io::Error::from_raw_os_error(errno));
        if note.is_some() {
            error.note = note;
        }
        error
    }

    /// The same error, with `note` as its meaning: what its caller knows better.
    pub(crate) fn noted(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// The error number, 0 when the error is not the system's.
    #[inline]
    pub fn errno(&self) -> i32 {
        self.io_error.raw_os_error().unwrap_or(0)
    }

    /// What the error usually means for this call, when that is known.
    pub fn meaning(&self) -> Option<&str> {
        self.note.as_deref()
    }
}

impl fmt::Display for SyscallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed: ", self.call)?;
        match name(self.errno()) {
            Some(name) => write!(f, "{name}")?,
            None => write!(f, "{}", self.io_error)?,
        }
        match &self.note {
            Some(note) => write!(f, ": {note}"),
            None => match self.io_error.raw_os_error() {
                Some(errno) if name(errno).is_some() => {
                    write!(f, " ({})", description(&self.io_error))
                }
                _ => Ok(()),
            },
        }
    }
}

impl std::error::Error for SyscallError {}

/// The C library's words for an error, without the number that `io::Error` appends.
fn description(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// The kernel's own `ENOTSUPP`, which user-space headers do not know but bpf(2) returns.
pub(crate) const ENOTSUPP: i32 = 524;

/// The symbolic name of an error number, for those that bpf(2) and its neighbours return.
pub(crate) fn name(errno: i32) -> Option<&'static str> {
    Some(match errno {
        libc::EPERM => "EPERM",
        libc::ENOENT => "ENOENT",
        libc::ESRCH => "ESRCH",
        libc::EINTR => "EINTR",
        libc::EIO => "EIO",
        libc::ENXIO => "ENXIO",
        libc::E2BIG => "E2BIG",
        libc::EBADF => "EBADF",
        libc::EAGAIN => "EAGAIN",
        libc::ENOMEM => "ENOMEM",
        libc::EACCES => "EACCES",
        libc::EFAULT => "EFAULT",
        libc::EBUSY => "EBUSY",
        libc::EEXIST => "EEXIST",
        libc::ENODEV => "ENODEV",
        libc::ENOTDIR => "ENOTDIR",
        libc::ENOTSOCK => "ENOTSOCK",
        libc::ESTALE => "ESTALE",
        libc::EPROTO => "EPROTO",
        libc::EAFNOSUPPORT => "EAFNOSUPPORT",
        libc::EISDIR => "EISDIR",
        libc::EINVAL => "EINVAL",
        libc::EMFILE => "EMFILE",
        libc::ENFILE => "ENFILE",
        libc::ENOSPC => "ENOSPC",
        libc::EROFS => "EROFS",
        libc::ERANGE => "ERANGE",
        libc::ENAMETOOLONG => "ENAMETOOLONG",
        libc::ENOSYS => "ENOSYS",
        libc::ELOOP => "ELOOP",
        libc::EOPNOTSUPP => "EOPNOTSUPP",
        libc::EMSGSIZE => "EMSGSIZE",
        libc::EADDRINUSE => "EADDRINUSE",
        libc::ENETDOWN => "ENETDOWN",
        libc::ENOBUFS => "ENOBUFS",
        libc::ETIMEDOUT => "ETIMEDOUT",
        libc::ENOLINK => "ENOLINK",
        libc::EDOM => "EDOM",
        libc::EBADFD => "EBADFD",
        ENOTSUPP => "ENOTSUPP",
        _ => return None,
    })
}

/// One sentence for an error of `call`; `None` when the errno's own text says as much.
fn meaning(call: &str, errno: i32) -> Option<String> {
    let text = match (call, errno) {
        ("BPF_LINK_UPDATE", libc::EPERM) if has_all_rights() => {
            "the link runs another program than the one that was to be replaced"
        }
        ("BPF_TOKEN_CREATE", _) => return token(errno),
        (_, libc::EPERM) => return Some(Facts::here().explain(call)),
        ("BPF_OBJ_PIN" | "BPF_OBJ_GET", libc::EACCES) => {
            "the path's permissions forbid it; pins belong to who made them (usually root)"
        }
        (_, libc::EMFILE) => {
            "the process has no file descriptor left; raise `ulimit -n` or close some"
        }
        (_, libc::ENFILE) => "the system has no file descriptor left; raise fs.file-max",
        (_, libc::ENOSYS) => "this kernel is built without bpf(2) (CONFIG_BPF_SYSCALL)",
        ("BPF_MAP_CREATE", libc::EINVAL) => {
            "the kernel does not accept this combination of type, key size, value size, entries \
             and flags, or it is older than the map type"
        }
        ("BPF_MAP_CREATE", libc::E2BIG) => "the map would be larger than the kernel allows",
        ("BPF_MAP_CREATE", libc::ENOMEM) => {
            "not enough memory for the map's elements; lower max_entries, or the cgroup's memory \
             limit is reached"
        }
        ("BPF_MAP_UPDATE_ELEM", libc::E2BIG) => {
            "the map is full (max_entries), or the index is beyond its end"
        }
        ("BPF_MAP_UPDATE_ELEM", libc::ENOSPC) => "the map is full (max_entries)",
        ("BPF_MAP_UPDATE_ELEM", libc::EEXIST) => {
            "the key exists, and the flag BPF_NOEXIST was given"
        }
        ("BPF_MAP_UPDATE_ELEM", libc::ENOENT) => {
            "the key does not exist, and the flag BPF_EXIST was given"
        }
        ("BPF_MAP_DELETE_ELEM", libc::EINVAL) => {
            "elements of this map type cannot be deleted (arrays have all their elements, always)"
        }
        ("BPF_MAP_FREEZE", libc::EBUSY) => {
            "the map is memory-mapped for writing, or frozen already; freeze it before it is mapped"
        }
        ("BPF_PROG_LOAD", libc::E2BIG) => "the program is too large for the verifier",
        ("BPF_PROG_LOAD", libc::ENOMEM) => "not enough memory to verify or to compile the program",
        ("BPF_PROG_TEST_RUN", ENOTSUPP | libc::EOPNOTSUPP) => {
            "this kernel cannot test-run programs of this type"
        }
        (
            "BPF_RAW_TRACEPOINT_OPEN"
            | "BPF_LINK_CREATE (tracing)"
            | "BPF_LINK_CREATE (tracing_multi)",
            ENOTSUPP,
        ) => {
            "this kernel cannot call programs in place of functions on this machine (fentry, \
             fexit, LSM, freplace): its ftrace or its JIT compiler lacks what that takes; use a \
             kprobe"
        }
        ("BPF_LINK_CREATE (xdp)" | "netlink RTM_SETLINK", libc::EOPNOTSUPP) => {
            "the interface's driver does not support XDP in this mode; try XdpFlags::SKB_MODE"
        }
        ("BPF_LINK_CREATE (xdp)" | "netlink RTM_SETLINK", libc::ENODEV) => "the interface is gone",
        ("BPF_LINK_CREATE (kprobe_multi)", libc::ESRCH) => {
            "one of the functions does not exist, cannot be traced, or has several of its name"
        }
        ("BPF_LINK_CREATE (kprobe_multi)", libc::EOPNOTSUPP) => {
            "this kernel is built without CONFIG_FPROBE"
        }
        ("BPF_LINK_CREATE (iter)", libc::EBADF | libc::EINVAL) => {
            "the iterator needs to be told what to visit, and takes nothing else"
        }
        ("BPF_RAW_TRACEPOINT_OPEN", libc::E2BIG) => {
            "the function has as many programs as it can have"
        }
        ("BPF_RAW_TRACEPOINT_OPEN", libc::EBUSY) => {
            "another program takes the function's place, or traces it"
        }
        ("perf_event_open" | "writing kprobe_events", libc::EINVAL) => {
            "no instruction begins there, the function may not be probed, or the kernel does not \
             count that"
        }
        ("perf_event_open", libc::EACCES) if has(Capability::Perfmon) => {
            "probes made so need CAP_SYS_ADMIN on this kernel, CAP_PERFMON is not enough; \
             `uprobe.multi` and `kprobe.multi` do with it"
        }
        ("perf_event_open", libc::EACCES) => {
            "needs CAP_PERFMON, or a lower /proc/sys/kernel/perf_event_paranoid; root has it, so \
             try sudo"
        }
        ("writing uprobe_events", libc::EINVAL) => "the offset lies beyond the file",
        ("PERF_EVENT_IOC_SET_BPF", libc::EEXIST) => "the event has a program already",
        ("PERF_EVENT_IOC_SET_BPF" | "BPF_LINK_CREATE (perf_event)", libc::EINVAL) => {
            "the program is of another type than the event wants, or a sleepable one not for \
             uprobes"
        }
        ("BPF_LINK_UPDATE", libc::ENOLINK) => "the link is detached already",
        ("netlink RTM_NEWTFILTER", libc::EEXIST) => {
            "there is a filter with this priority and handle; choose others, or 0 to let the \
             kernel choose"
        }
        ("netlink RTM_NEWTFILTER", libc::EINVAL | libc::ENOENT) => {
            "the interface has no such qdisc, or the kernel has no BPF filters (module cls_bpf)"
        }
        ("netlink RTM_NEWQDISC", libc::ENOENT) => {
            "the kernel has no qdisc clsact (module sch_ingress)"
        }
        ("BPF_PROG_QUERY", libc::EINVAL) => {
            "the kernel cannot list programs of this kind there, or not yet"
        }
        ("getsockopt SO_COOKIE", libc::ENOTSOCK) => "the descriptor is no socket's",
        ("setsockopt SO_ATTACH_REUSEPORT_EBPF", libc::EINVAL) => {
            "the socket shares its port with none: set SO_REUSEPORT before it is bound"
        }
        ("setsockopt SO_ATTACH_BPF" | "setsockopt SO_ATTACH_REUSEPORT_EBPF", libc::ENOMEM) => {
            "the program is larger than net.core.optmem_max allows"
        }
        ("BPF_MAP_LOOKUP_ELEM" | "BPF_OBJ_GET_INFO_BY_FD", libc::EBADF) => {
            "the descriptor is not of the expected kind"
        }
        (_, ENOTSUPP) => "this kernel does not support that, at least not on this kind of machine",
        _ => return None,
    };
    Some(text.to_owned())
}

fn token(errno: i32) -> Option<String> {
    let text = match errno {
        libc::ENOENT => {
            "that file system delegates nothing (mount options delegate_cmds and others)"
        }
        libc::EOPNOTSUPP => {
            "tokens are for processes in a user namespace of their own; elsewhere capabilities \
             count"
        }
        libc::EPERM => {
            "the file system was mounted for another user namespace, or this process lacks \
             CAP_BPF in its own"
        }
        libc::EINVAL => {
            "that is not a mounted BPF file system, or the kernel is older than Linux 6.9"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

fn has(capability: Capability) -> bool {
    capability.is_effective().unwrap_or(false)
}

/// Whether nothing can be refused for want of a capability.
fn has_all_rights() -> bool {
    has(Capability::SysAdmin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_call_errno_and_meaning() {
        let error = SyscallError::new(
            "BPF_MAP_UPDATE_ELEM",
            io::Error::from_raw_os_error(libc::E2BIG),
        );
        assert_eq!(
            error.to_string(),
            "BPF_MAP_UPDATE_ELEM failed: E2BIG: the map is full (max_entries), or the index is \
             beyond its end"
        );
        let error = SyscallError::new("BPF_BTF_LOAD", io::Error::from_raw_os_error(libc::EIO));
        assert_eq!(
            error.to_string(),
            "BPF_BTF_LOAD failed: EIO (Input/output error)"
        );
    }

    #[test]
    fn the_kernels_own_number_gets_a_name_and_a_meaning() {
        for (call, words) in [
            ("BPF_RAW_TRACEPOINT_OPEN", "use a kprobe"),
            ("BPF_LINK_CREATE (tracing)", "use a kprobe"),
            ("BPF_PROG_TEST_RUN", "cannot test-run programs of this type"),
            ("BPF_MAP_CREATE", "not on this kind of machine"),
        ] {
            let error = SyscallError::new(call, io::Error::from_raw_os_error(ENOTSUPP));
            let text = error.to_string();
            assert!(
                text.contains("ENOTSUPP: ") && text.contains(words),
                "{text}"
            );
            assert!(!text.contains("524"), "{text}");
        }
    }

    #[test]
    fn extended_acknowledgement_wins() {
        let error = SyscallError::with_note(
            "netlink RTM_SETLINK",
            libc::EINVAL,
            Some("MTU too large".to_owned()),
        );
        assert_eq!(
            error.to_string(),
            "netlink RTM_SETLINK failed: EINVAL: MTU too large"
        );
    }
}
