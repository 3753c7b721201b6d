//! The system calls, wrapped so that the rest of the crate needs no `unsafe`.

pub(crate) mod attach;
pub(crate) mod attr;
mod bitfield;
pub(crate) mod bpf;
pub(crate) mod capability;
pub(crate) mod cpu;
pub(crate) mod epoll;
pub(crate) mod errno;
pub(crate) mod fs;
pub(crate) mod generated;
pub(crate) mod inspect;
pub(crate) mod jit;
pub(crate) mod mmap;
pub(crate) mod net;
pub(crate) mod netlink;
pub(crate) mod perf;
pub(crate) mod perf_buffer;
pub(crate) mod poll;
pub(crate) mod process;
mod refusal;
pub(crate) mod socket;
pub(crate) mod tracefs;
pub(crate) mod tracing;
