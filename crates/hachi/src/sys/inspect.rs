//! The bpf(2) commands that look at what is loaded, in depth.

use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};

use super::{
    attr::{self, Cmd},
    bpf::{address, call, call_fd, call_number, name_text, obj_info, pointer_mut, prog_info},
    errno::SyscallError,
    generated::system::{BPF_PERF_EVENT_TRACEPOINT, BPF_PERF_EVENT_UPROBE},
};

type Result<T> = std::result::Result<T, SyscallError>;

/// What the kernel made of a program, as it hands it out.
#[derive(Default)]
pub(crate) struct ProgCode {
    pub(crate) xlated: Vec<u8>,
    pub(crate) jited: Vec<u8>,
    /// For each function its address, and the bytes of machine code.
    pub(crate) ksyms: Vec<u64>,
    pub(crate) lengths: Vec<u32>,
    /// `struct bpf_func_info`: first instruction, type.
    pub(crate) func_info: Vec<[u32; 2]>,
    /// `struct bpf_line_info`: instruction, file, text, line and column.
    pub(crate) line_info: Vec<[u32; 4]>,
    /// The address of each line's machine code.
    pub(crate) addresses: Vec<u64>,
}

/// `BPF_OBJ_GET_INFO_BY_FD` of a program with everything of variable length. What the caller may
/// not see is empty, or zero.
pub(crate) fn prog_code(fd: BorrowedFd<'_>) -> Result<ProgCode> {
    let sizes = prog_info(fd)?;
    let mut code = ProgCode {
        xlated: vec![0; sizes.xlated_prog_len as usize],
        jited: vec![0; sizes.jited_prog_len as usize],
        ksyms: vec![0; sizes.nr_jited_ksyms as usize],
        lengths: vec![0; sizes.nr_jited_func_lens as usize],
        func_info: vec![[0; 2]; sizes.nr_func_info as usize],
        line_info: vec![[0; 4]; sizes.nr_line_info as usize],
        addresses: vec![0; sizes.nr_jited_line_info as usize],
    };
    let mut info = attr::ProgInfo {
        xlated_prog_len: sizes.xlated_prog_len,
        xlated_prog_insns: address(pointer_mut(&mut code.xlated)),
        jited_prog_len: sizes.jited_prog_len,
        jited_prog_insns: address(pointer_mut(&mut code.jited)),
        nr_jited_ksyms: sizes.nr_jited_ksyms,
        jited_ksyms: address(pointer_mut(&mut code.ksyms)),
        nr_jited_func_lens: sizes.nr_jited_func_lens,
        jited_func_lens: address(pointer_mut(&mut code.lengths)),
        func_info_rec_size: 8,
        nr_func_info: sizes.nr_func_info,
        func_info: address(pointer_mut(&mut code.func_info)),
        line_info_rec_size: 16,
        nr_line_info: sizes.nr_line_info,
        line_info: address(pointer_mut(&mut code.line_info)),
        jited_line_info_rec_size: 8,
        nr_jited_line_info: sizes.nr_jited_line_info,
        jited_line_info: address(pointer_mut(&mut code.addresses)),
        ..Default::default()
    };
    // SAFETY: every address was just set from a vector, next to its length (in records of the sizes
    // said).
    unsafe { obj_info(fd, &mut info) }?;
    Ok(code)
}

/// `BPF_ENABLE_STATS` for run times (Linux ≥ 5.8): they are counted as long as the descriptor is
/// open.
pub(crate) fn enable_stats() -> Result<OwnedFd> {
    let mut attr = attr::EnableStats { kind: 0 };
    // SAFETY: no address in the attribute.
    unsafe { call_fd(Cmd::EnableStats, &mut attr) }
        .map_err(|error| SyscallError::new(Cmd::EnableStats.name(), error))
}

/// `BPF_PROG_STREAM_READ_BY_FD` (Linux ≥ 6.17): takes what fits into `buffer` out of a stream of
/// program; how many bytes that is, 0 at its end.
pub(crate) fn stream_read(fd: BorrowedFd<'_>, stream: u32, buffer: &mut [u8]) -> Result<usize> {
    let mut attr = attr::StreamRead {
        stream_buf: address(pointer_mut(buffer)),
        stream_buf_len: u32::try_from(buffer.len()).unwrap_or(u32::MAX),
        stream_id: stream,
        prog_fd: fd.as_raw_fd() as u32,
        pad: 0,
    };
    // SAFETY: the address is of a live buffer that has at least the length said.
    unsafe { call_number(Cmd::ProgStreamReadByFd, &mut attr) }
}

/// What `BPF_TASK_FD_QUERY` says.
pub(crate) struct TaskFd {
    pub(crate) program_id: u32,
    /// `enum bpf_task_fd_type`.
    pub(crate) kind: u32,
    pub(crate) name: String,
    pub(crate) offset: u64,
    pub(crate) address: u64,
}

/// `BPF_TASK_FD_QUERY`: what program is behind a perf event or raw tracepoint of a process (Linux ≥
/// 4.18; CAP_SYS_ADMIN).
pub(crate) fn task_fd_query(pid: u32, fd: u32) -> Result<TaskFd> {
    // Functions and paths; what is longer is cut.
    let mut name = [0u8; 4096];
    let mut attr = attr::TaskFdQuery {
        pid,
        fd,
        buf_len: name.len() as u32,
        buf: address(name.as_mut_ptr()),
        ..Default::default()
    };
    // SAFETY: the buffer is live, writable, and as long as said.
    match unsafe { call(Cmd::TaskFdQuery, &mut attr) } {
        Err(error) if error.errno() != libc::ENOSPC => return Err(error),
        _ => {}
    }
    Ok(TaskFd {
        program_id: attr.prog_id,
        kind: attr.fd_type,
        name: name_text(&name),
        offset: attr.probe_offset,
        address: attr.probe_addr,
    })
}

pub(crate) use super::generated::link_types::LinkType;

/// What a link is at, if it is of a raw tracepoint or of a perf event (the latter: Linux ≥ 6.6).
pub(crate) struct LinkPlace {
    /// The link's type, and within `BPF_LINK_TYPE_PERF_EVENT` the `enum bpf_perf_event_type`.
    pub(crate) kind: (u32, u32),
    pub(crate) name: String,
    pub(crate) offset: u64,
    pub(crate) address: u64,
}

/// As [`link_info`](super::bpf::link_info), with the name, for which the kernel wants a buffer.
pub(crate) fn link_place(fd: BorrowedFd<'_>, info: &attr::LinkInfo) -> Result<Option<LinkPlace>> {
    const RAW_TRACEPOINT: u32 = LinkType::RawTracepoint as u32;
    const PERF_EVENT: u32 = LinkType::PerfEvent as u32;
    // Where in the union the name's address and length are (in words).
    let at = match (info.link_type, info.union[0]) {
        (RAW_TRACEPOINT, _) => 0,
        // The events from uprobes to tracepoints have a name.
        (PERF_EVENT, BPF_PERF_EVENT_UPROBE..=BPF_PERF_EVENT_TRACEPOINT) => 2,
        _ => return Ok(None),
    };
    let mut name = [0u8; 4096];
    let mut asked = attr::LinkInfo::default();
    let pointer = address(name.as_mut_ptr()).to_ne_bytes();
    let (first, second) = pointer.split_at(4);
    let word = |bytes: &[u8]| u32::from_ne_bytes(bytes.try_into().unwrap_or_default());
    asked.union[at] = word(first);
    asked.union[at + 1] = word(second);
    asked.union[at + 2] = name.len() as u32;
    // SAFETY: the kernel reads address and length there for links of these types, and the buffer is
    // live, writable and as long as said.
    unsafe { obj_info(fd, &mut asked) }?;
    let probe = info.link_type == PERF_EVENT && info.union[0] != BPF_PERF_EVENT_TRACEPOINT;
    let long = |low: u32, high: u32| match cfg!(target_endian = "big") {
        true => u64::from(low) << 32 | u64::from(high),
        false => u64::from(high) << 32 | u64::from(low),
    };
    // `kprobe` has an address after the offset, `uprobe` a cookie.
    let kprobe = probe && matches!(info.union[0], 3 | 4);
    Ok(Some(LinkPlace {
        kind: (info.link_type, info.union[0]),
        name: name_text(&name),
        offset: if probe { asked.union[5].into() } else { 0 },
        address: if kprobe {
            long(asked.union[6], asked.union[7])
        } else {
            0
        },
    }))
}
