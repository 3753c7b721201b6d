//! Loads raw programs into the running kernel, to see how it words a rejection.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use hachi_asm::{Endian, Insn};
pub use hachi_obj::flags::{
    BPF_F_RDONLY_PROG as RDONLY_PROG, BPF_F_STRICT_ALIGNMENT as STRICT_ALIGNMENT,
};
use hachi_obj::uapi::bpf_cmd::{self, BPF_BTF_LOAD, BPF_MAP_CREATE, BPF_PROG_LOAD};
use hachi_obj::{MapType, ProgramType};

pub const SCHED_CLS: u32 = ProgramType::SchedCls as u32;
pub const XDP: u32 = ProgramType::Xdp as u32;
pub const CGROUP_SKB: u32 = ProgramType::CgroupSkb as u32;

pub const HASH: u32 = MapType::Hash as u32;
pub const ARRAY: u32 = MapType::Array as u32;
pub const RINGBUF: u32 = MapType::Ringbuf as u32;

/// The head of `union bpf_attr` for `BPF_MAP_CREATE`.
#[repr(C)]
#[derive(Default)]
struct MapCreate {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
}

/// The head of `union bpf_attr` for `BPF_PROG_LOAD`.
#[repr(C)]
#[derive(Default)]
struct ProgLoad {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
}

/// The head of `union bpf_attr` for `BPF_BTF_LOAD`.
#[repr(C)]
#[derive(Default)]
struct BtfLoad {
    btf: u64,
    log_buf: u64,
    size: u32,
    log_size: u32,
    log_level: u32,
}

fn bpf<T>(command: bpf_cmd::Type, attr: &T) -> io::Result<OwnedFd> {
    // SAFETY: `attr` is a live `repr(C)` structure of the size passed, and the pointers in it stay
    // valid for the call; the kernel writes only into the log buffer it names.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attr as *const T, size_of::<T>()) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(result as i32) })
}

pub struct Map(OwnedFd);

impl Map {
    pub fn new(kind: u32, key: u32, value: u32, entries: u32, flags: u32) -> Map {
        let attr = MapCreate {
            map_type: kind,
            key_size: key,
            value_size: value,
            max_entries: entries,
            map_flags: flags,
        };
        Map(bpf(BPF_MAP_CREATE, &attr).expect("creating a map"))
    }

    pub fn fd(&self) -> i32 {
        self.0.as_raw_fd()
    }
}

/// Loads a program and gives the error and log of its rejection.
pub fn rejection(
    kind: u32,
    flags: u32,
    license: &str,
    insns: &[Insn],
    log_size: usize,
) -> (io::Error, String) {
    let code = Insn::encode_all(insns, Endian::NATIVE);
    let license = CString::new(license).unwrap();
    let mut log = vec![0u8; log_size];
    let attr = ProgLoad {
        prog_type: kind,
        insn_cnt: insns.len() as u32,
        insns: code.as_ptr() as u64,
        license: license.as_ptr() as u64,
        log_level: 1,
        log_size: log.len() as u32,
        log_buf: log.as_mut_ptr() as u64,
        kern_version: 0,
        prog_flags: flags,
    };
    let error = bpf(BPF_PROG_LOAD, &attr).expect_err("the program was meant to be rejected");
    (error, text(log))
}

/// Hands over BTF made of these types (as words, ids in order from 1) and strings, and gives the
/// log of its rejection.
pub fn btf_rejection(types: &[u32], strings: &[u8]) -> (io::Error, String) {
    let length = size_of_val(types) as u32;
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&0xeb9f_u16.to_ne_bytes());
    bytes.extend_from_slice(&[1, 0]);
    for word in [24, 0, length, length, strings.len() as u32]
        .iter()
        .chain(types)
    {
        bytes.extend_from_slice(&word.to_ne_bytes());
    }
    bytes.extend_from_slice(strings);
    let mut log = vec![0u8; 1 << 16];
    let attr = BtfLoad {
        btf: bytes.as_ptr() as u64,
        log_buf: log.as_mut_ptr() as u64,
        size: bytes.len() as u32,
        log_size: log.len() as u32,
        log_level: 1,
    };
    let error = bpf(BPF_BTF_LOAD, &attr).expect_err("the types were meant to be rejected");
    (error, text(log))
}

fn text(mut log: Vec<u8>) -> String {
    let end = log.iter().position(|byte| *byte == 0).unwrap_or(log.len());
    log.truncate(end);
    String::from_utf8_lossy(&log).into_owned()
}
