//! perf_event_open(2), as far as programs are attached to perf events.

use std::{
    ffi::CStr,
    io,
    os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
};

use super::{
    bitfield,
    errno::SyscallError,
    generated::system::{PERF_FLAG_FD_CLOEXEC, PERF_TYPE_TRACEPOINT},
};

/// `struct perf_event_attr` up to `PERF_ATTR_SIZE_VER5` (Linux 4.4).
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct Attr {
    pub(crate) kind: u32,
    pub(crate) size: u32,
    pub(crate) config: u64,
    /// Or a frequency, with [`FREQ`].
    pub(crate) sample_period: u64,
    pub(crate) sample_type: u64,
    pub(crate) read_format: u64,
    pub(crate) flags: u64,
    pub(crate) wakeup_events: u32,
    pub(crate) bp_type: u32,
    /// `bp_addr`, `kprobe_func`, `uprobe_path`.
    pub(crate) config1: u64,
    /// `bp_len`, `kprobe_addr`, `probe_offset`.
    pub(crate) config2: u64,
    pub(crate) branch_sample_type: u64,
    pub(crate) sample_regs_user: u64,
    pub(crate) sample_stack_user: u32,
    pub(crate) clockid: i32,
    pub(crate) sample_regs_intr: u64,
    pub(crate) aux_watermark: u32,
    pub(crate) sample_max_stack: u16,
    pub(crate) reserved: u16,
}

/// Bits of `flags`, a row of C bitfields.
pub(crate) const INHERIT: u64 = bitfield::bit(1, 64);
pub(crate) const FREQ: u64 = bitfield::bit(10, 64);

/// Opens an event. `pid` -1 is every process (then `cpu` must be one), `cpu` -1 every CPU.
fn open(attr: &mut Attr, pid: i32, cpu: i32) -> Result<OwnedFd, SyscallError> {
    attr.size = size_of::<Attr>() as u32;
    // SAFETY: the struct is live, as long as its size says, and what it points to is vouched for by
    // the callers below.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            std::ptr::from_mut(attr),
            pid,
            cpu,
            -1,
            PERF_FLAG_FD_CLOEXEC,
        )
    };
    if fd < 0 {
        return Err(SyscallError::last("perf_event_open"));
    }
    // SAFETY: the kernel just made this descriptor for us; it fits an int.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as libc::c_int) })
}

/// An event whose attribute holds no address of ours.
pub(crate) fn open_plain(mut attr: Attr, pid: i32, cpu: i32) -> Result<OwnedFd, SyscallError> {
    open(&mut attr, pid, cpu)
}

/// A tracepoint, by its number in tracefs.
pub(crate) fn open_tracepoint(id: u64, pid: i32, cpu: i32) -> Result<OwnedFd, SyscallError> {
    let attr = Attr {
        kind: PERF_TYPE_TRACEPOINT,
        config: id,
        sample_period: 1,
        ..Default::default()
    };
    open_plain(attr, pid, cpu)
}

/// A probe of the dynamic kind `kind` (what the `kprobe` or `uprobe` PMU is called by number):
/// `name` is a kernel function or the path of a binary, `place` the offset in it.
pub(crate) fn open_probe(
    kind: u32,
    config: u64,
    name: Option<&CStr>,
    place: u64,
    pid: i32,
    cpu: i32,
) -> Result<OwnedFd, SyscallError> {
    let mut attr = Attr {
        kind,
        config,
        // The name is NUL-terminated and outlives the call.
        config1: name.map_or(0, |name| name.as_ptr() as usize as u64),
        config2: place,
        ..Default::default()
    };
    open(&mut attr, pid, cpu)
}

/// `_IO`/`_IOW` of `linux/perf_event.h`, whose direction bits some architectures place elsewhere.
const ENABLE: libc::c_ulong = ioctl(NONE, 0, 0);
const DISABLE: libc::c_ulong = ioctl(NONE, 0, 1);
const SET_BPF: libc::c_ulong = ioctl(WRITE, 4, 8);

const OTHER: bool = cfg!(any(
    target_arch = "powerpc64",
    target_arch = "powerpc",
    target_arch = "mips",
    target_arch = "mips64",
    target_arch = "sparc64"
));
const NONE: libc::c_ulong = if OTHER { 1 << 29 } else { 0 };
const WRITE: libc::c_ulong = if OTHER { 4 << 29 } else { 1 << 30 };

const fn ioctl(
    direction: libc::c_ulong,
    size: libc::c_ulong,
    number: libc::c_ulong,
) -> libc::c_ulong {
    direction | size << 16 | (b'$' as libc::c_ulong) << 8 | number
}

fn control(
    event: BorrowedFd<'_>,
    call: &'static str,
    request: libc::c_ulong,
    argument: libc::c_int,
) -> Result<(), SyscallError> {
    // SAFETY: these requests take a number.
    if unsafe { libc::ioctl(event.as_raw_fd(), request as _, argument) } < 0 {
        return Err(SyscallError::last(call));
    }
    Ok(())
}

pub(crate) fn enable(event: BorrowedFd<'_>) -> Result<(), SyscallError> {
    control(event, "PERF_EVENT_IOC_ENABLE", ENABLE, 0)
}

pub(crate) fn disable(event: BorrowedFd<'_>) -> Result<(), SyscallError> {
    control(event, "PERF_EVENT_IOC_DISABLE", DISABLE, 0)
}

pub(crate) fn set_bpf(event: BorrowedFd<'_>, program: BorrowedFd<'_>) -> Result<(), SyscallError> {
    control(
        event,
        "PERF_EVENT_IOC_SET_BPF",
        SET_BPF,
        program.as_raw_fd(),
    )
}

/// A number from a file of a PMU below `/sys/bus/event_source/devices`: `kprobe`, `type` or
/// `format/retprobe` (`config:0`). `None` if the kernel has no such file.
pub(crate) fn pmu(name: &str, file: &str) -> io::Result<Option<u32>> {
    let path = format!("/sys/bus/event_source/devices/{name}/{file}");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io::Error::new(error.kind(), format!("{path}: {error}"))),
    };
    let number = text.trim().rsplit(':').next().unwrap_or("");
    let number = number.split('-').next().unwrap_or("").parse();
    number
        .map(Some)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, format!("{path}: {text:?}")))
}

/// The bit of a probe's `config` that makes it one of returns.
pub(crate) fn return_bit(name: &str) -> io::Result<u64> {
    // Always bit 0 so far.
    let bit = pmu(name, "format/retprobe")?.unwrap_or(0);
    Ok(1u64.checked_shl(bit).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_and_numbers_are_the_kernels() {
        assert_eq!(size_of::<Attr>(), 112);
        assert_eq!(std::mem::offset_of!(Attr, config1), 56);
        if cfg!(target_arch = "x86_64") {
            assert_eq!((ENABLE, DISABLE, SET_BPF), (0x2400, 0x2401, 0x4004_2408));
        }
    }
}
