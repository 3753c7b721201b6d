//! The bpf(2) commands that attach programs of the tracing family.

use std::{
    ffi::CStr,
    os::fd::{BorrowedFd, OwnedFd},
};

use super::{
    attr::{self, Cmd},
    bpf::{address, call_fd, pointer, raw},
    errno::SyscallError,
};

type Result<T> = std::result::Result<T, SyscallError>;

/// `BPF_RAW_TRACEPOINT_OPEN`. Without a name it attaches to what the program was loaded for
/// (`tp_btf`, `fentry`, `lsm`, …). A cookie needs Linux ≥ 6.10.
pub(crate) fn raw_tracepoint_open(
    program: BorrowedFd<'_>,
    name: Option<&CStr>,
    cookie: u64,
) -> Result<OwnedFd> {
    let mut attr = attr::RawTracepoint {
        name: name.map_or(0, |name| address(name.as_ptr())),
        prog_fd: raw(program),
        pad: 0,
        cookie,
    };
    // SAFETY: the name is NUL-terminated and outlives the call.
    unsafe { call_fd(Cmd::RawTracepointOpen, &mut attr) }
        .map_err(|error| SyscallError::new(Cmd::RawTracepointOpen.name(), error))
}

/// `BPF_ITER_CREATE`: one run of an iterator, as a file to read.
pub(crate) fn iter_create(link: BorrowedFd<'_>) -> Result<OwnedFd> {
    let mut attr = attr::IterCreate {
        link_fd: raw(link),
        flags: 0,
    };
    // SAFETY: no address in the attribute.
    unsafe { call_fd(Cmd::IterCreate, &mut attr) }
        .map_err(|error| SyscallError::new(Cmd::IterCreate.name(), error))
}

/// What follows the common part of `BPF_LINK_CREATE`, by attach type.
pub(crate) enum LinkTo<'a> {
    /// A perf event (`BPF_PERF_EVENT`, Linux ≥ 5.15).
    PerfEvent { event: BorrowedFd<'a>, cookie: u64 },
    /// What the program was loaded for (with a cookie: Linux ≥ 5.18).
    Tracing { cookie: u64 },
    /// A function of another program (Linux ≥ 5.10).
    Function {
        program: BorrowedFd<'a>,
        btf_id: u32,
        cookie: u64,
    },
    /// An iterator; `info` is a `union bpf_iter_link_info`, or empty.
    Iter { info: &'a [u8] },
    /// Several kernel functions (`BPF_TRACE_KPROBE_MULTI`, `…_SESSION`).
    KprobeMulti {
        symbols: &'a [&'a CStr],
        /// Instead of symbols.
        addresses: &'a [u64],
        cookies: &'a [u64],
        flags: u32,
    },
    /// Several functions of the kernel's BTF (`BPF_TRACE_FENTRY_MULTI`, `…_FEXIT_MULTI`,
    /// `…_FSESSION_MULTI`).
    TracingMulti { ids: &'a [u32], cookies: &'a [u64] },
    /// Several places of one binary (`BPF_TRACE_UPROBE_MULTI`, `…_SESSION`).
    UprobeMulti {
        path: &'a CStr,
        offsets: &'a [u64],
        semaphores: &'a [u64],
        cookies: &'a [u64],
        flags: u32,
        pid: u32,
    },
}

/// `BPF_LINK_CREATE` with `attach_type`.
pub(crate) fn link_create(
    program: BorrowedFd<'_>,
    attach_type: u32,
    to: &LinkTo<'_>,
) -> Result<OwnedFd> {
    let mut attr = attr::LinkCreateTracing {
        prog_fd: raw(program),
        attach_type,
        ..Default::default()
    };
    let words = &mut attr.words;
    // Addresses of C strings, kept until the call is made.
    let pointers: Vec<u64>;
    match *to {
        LinkTo::PerfEvent { event, cookie } => {
            attr.target_fd = raw(event);
            words[0] = cookie;
        }
        LinkTo::Tracing { cookie } => words[1] = cookie,
        LinkTo::Function {
            program,
            btf_id,
            cookie,
        } => {
            attr.target_fd = raw(program);
            words[0] = pair(btf_id, 0);
            words[1] = cookie;
        }
        LinkTo::Iter { info } => {
            words[0] = address(pointer(info));
            words[1] = pair(info.len() as u32, 0);
        }
        LinkTo::KprobeMulti {
            symbols,
            addresses,
            cookies,
            flags,
        } => {
            pointers = symbols.iter().map(|name| address(name.as_ptr())).collect();
            let count = symbols.len().max(addresses.len());
            words[0] = pair(flags, count as u32);
            words[1] = address(pointer(&pointers));
            words[2] = address(pointer(addresses));
            words[3] = address(pointer(same_length(cookies, count)));
        }
        LinkTo::TracingMulti { ids, cookies } => {
            words[0] = address(pointer(ids));
            words[1] = address(pointer(same_length(cookies, ids.len())));
            words[2] = pair(ids.len() as u32, 0);
        }
        LinkTo::UprobeMulti {
            path,
            offsets,
            semaphores,
            cookies,
            flags,
            pid,
        } => {
            let count = offsets.len();
            words[0] = address(path.as_ptr());
            words[1] = address(pointer(offsets));
            words[2] = address(pointer(same_length(semaphores, count)));
            words[3] = address(pointer(same_length(cookies, count)));
            words[4] = pair(count as u32, flags);
            words[5] = pair(pid, 0);
        }
    }
    // SAFETY: every address is that of a slice or C string that outlives the call, and as long as
    // the count beside it says.
    unsafe { call_fd(Cmd::LinkCreate, &mut attr) }
        .map_err(|error| SyscallError::new(to.call(), error))
}

impl LinkTo<'_> {
    /// The call in messages.
    fn call(&self) -> &'static str {
        match self {
            LinkTo::PerfEvent { .. } => "BPF_LINK_CREATE (perf_event)",
            LinkTo::Tracing { .. } | LinkTo::Function { .. } => "BPF_LINK_CREATE (tracing)",
            LinkTo::Iter { .. } => "BPF_LINK_CREATE (iter)",
            LinkTo::KprobeMulti { .. } => "BPF_LINK_CREATE (kprobe_multi)",
            LinkTo::TracingMulti { .. } => "BPF_LINK_CREATE (tracing_multi)",
            LinkTo::UprobeMulti { .. } => "BPF_LINK_CREATE (uprobe_multi)",
        }
    }
}

/// Two 32-bit fields, as they lie in memory.
fn pair(first: u32, second: u32) -> u64 {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&first.to_ne_bytes());
    bytes[4..].copy_from_slice(&second.to_ne_bytes());
    u64::from_ne_bytes(bytes)
}

/// The kernel reads `count` values, or none.
fn same_length(values: &[u64], count: usize) -> &[u64] {
    assert!(
        values.is_empty() || values.len() == count,
        "one value for each place"
    );
    values
}
