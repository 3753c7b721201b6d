//! bpf(2), as little of it as the tests need.

use std::{
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

use hachi_obj::uapi::bpf_cmd::{
    self, BPF_BTF_LOAD, BPF_MAP_CREATE, BPF_MAP_UPDATE_ELEM, BPF_PROG_LOAD, BPF_PROG_TEST_RUN,
};
use hachi_obj::{MapType, ProgramType};

/// Program type XDP.
pub const XDP: u32 = ProgramType::Xdp as u32;

/// One call; `attr` is laid out as the kernel's `union bpf_attr` and zero beyond what is set.
fn bpf(command: bpf_cmd::Type, attr: &mut [u64; 20]) -> io::Result<i32> {
    // SAFETY: the attributes are as large as said, and what they point to lives through the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            attr.as_mut_ptr(),
            std::mem::size_of_val(attr),
        )
    };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result as i32)
    }
}

fn pair(low: u32, high: u32) -> u64 {
    u64::from(low) | (u64::from(high) << 32)
}

/// Can this process load programs?
pub fn usable() -> io::Result<()> {
    // r0 = 2; exit
    load(XDP, &[0x0000_0002_0000_00b7, 0x95])
        .map(drop)
        .map_err(|(error, _)| error)
}

/// An array map of one value.
pub fn array_of(value: &[u8]) -> io::Result<OwnedFd> {
    let mut attr = [0; 20];
    attr[0] = pair(MapType::Array as u32, 4);
    attr[1] = pair(value.len() as u32, 1);
    let fd = bpf(BPF_MAP_CREATE, &mut attr)?;
    // SAFETY: the kernel just opened it for us.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let key = 0u32;
    let mut attr = [0; 20];
    attr[0] = fd.as_raw_fd() as u64;
    attr[1] = &raw const key as u64;
    attr[2] = value.as_ptr() as u64;
    bpf(BPF_MAP_UPDATE_ELEM, &mut attr)?;
    Ok(fd)
}

/// Loads types.
pub fn load_btf(types: &[u8]) -> Result<OwnedFd, (io::Error, String)> {
    let mut log = vec![0u8; 1 << 20];
    let mut attr = [0; 20];
    attr[0] = types.as_ptr() as u64;
    attr[1] = log.as_mut_ptr() as u64;
    attr[2] = pair(types.len() as u32, log.len() as u32);
    attr[3] = 1;
    match bpf(BPF_BTF_LOAD, &mut attr) {
        // SAFETY: the kernel just opened it for us.
        Ok(fd) => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        Err(error) => Err((error, text(&log))),
    }
}

fn text(log: &[u8]) -> String {
    let end = log.iter().position(|b| *b == 0).unwrap_or(log.len());
    String::from_utf8_lossy(&log[..end]).into_owned()
}

/// Loads a program; on refusal, the error and the verifier's log.
pub fn load(kind: u32, code: &[u64]) -> Result<OwnedFd, (io::Error, String)> {
    load_typed(kind, code, None)
}

/// The same, with types: a loaded BTF, and (first instruction, type) of each function.
pub fn load_typed(
    kind: u32,
    code: &[u64],
    types: Option<(&OwnedFd, &[(u32, u32)])>,
) -> Result<OwnedFd, (io::Error, String)> {
    let license = c"GPL";
    // Without a log first: writing one is slow.
    for log_size in [0usize, 16 << 20] {
        let mut log = vec![0u8; log_size];
        let mut attr = [0; 20];
        attr[0] = pair(kind, code.len() as u32);
        attr[1] = code.as_ptr() as u64;
        attr[2] = license.as_ptr() as u64;
        if let Some((btf, functions)) = types {
            // { …, prog_btf_fd, func_info_rec_size, func_info, func_info_cnt, … }
            attr[9] = pair(btf.as_raw_fd() as u32, 8);
            attr[10] = functions.as_ptr() as u64;
            attr[11] = pair(functions.len() as u32, 0);
        }
        if log_size > 0 {
            attr[3] = pair(1, log_size as u32);
            attr[4] = log.as_mut_ptr() as u64;
        }
        match bpf(BPF_PROG_LOAD, &mut attr) {
            // SAFETY: the kernel just opened it for us.
            Ok(fd) => return Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
            Err(error) if log_size > 0 => {
                return Err((error, text(&log)));
            }
            Err(_) => {}
        }
    }
    unreachable!("the second round returns")
}

/// Runs a program once over a packet: its return value and the packet afterwards.
pub fn run(program: &OwnedFd, packet: &[u8]) -> io::Result<(u32, Vec<u8>)> {
    let mut out = vec![0u8; packet.len() + 256];
    let mut attr = [0; 20];
    // { fd, retval, size_in, size_out, data_in, data_out, repeat, … }
    attr[0] = pair(program.as_raw_fd() as u32, 0);
    attr[1] = pair(packet.len() as u32, out.len() as u32);
    attr[2] = packet.as_ptr() as u64;
    attr[3] = out.as_mut_ptr() as u64;
    bpf(BPF_PROG_TEST_RUN, &mut attr)?;
    out.truncate((attr[1] >> 32) as usize);
    Ok(((attr[0] >> 32) as u32, out))
}
