//! Forbids opening or executing chosen files, no matter who asks and by which name.

#![no_std]
#![no_main]

use aya_ebpf::{
    helpers::bpf_probe_read_kernel,
    macros::{lsm, map},
    maps::{HashMap, RingBuf},
    programs::LsmContext,
};
use aya_ports::{
    current_comm, current_pid,
    vmlinux::{file, linux_binprm},
};
use tools_common::guard::{Denial, EXEC, FileId, MAX_FILES, OPEN};

/// What may not be done with a file: `OPEN`, `EXEC` or both.
#[map]
static DENIED: HashMap<FileId, u32> = HashMap::with_max_entries(MAX_FILES, 0);

#[map]
static EVENTS: RingBuf = RingBuf::with_byte_size(64 * 1024, 0);

const EPERM: i32 = 1;

#[lsm(hook = "file_open")]
pub fn opening(ctx: LsmContext) -> i32 {
    judge(ctx.arg(0), OPEN)
}

#[lsm(hook = "bprm_check_security")]
pub fn executing(ctx: LsmContext) -> i32 {
    let bprm: *const linux_binprm = ctx.arg(0);
    // SAFETY: the hook's argument is the kernel's.
    judge(unsafe { (*bprm).file }, EXEC)
}

/// What the hook returns for doing `what` with the file.
fn judge(file: *const file, what: u32) -> i32 {
    let Ok(id) = identify(file) else {
        return 0;
    };
    // SAFETY: the value is copied at once.
    match unsafe { DENIED.get(id).copied() } {
        Some(denied) if denied & what != 0 => {
            report(id, what);
            -EPERM
        }
        _ => 0,
    }
}

fn identify(file: *const file) -> Result<FileId, i32> {
    // SAFETY: the kernel checks what is read.
    unsafe {
        let inode = bpf_probe_read_kernel(&raw const (*file).f_inode)?;
        let super_block = bpf_probe_read_kernel(&raw const (*inode).i_sb)?;
        Ok(FileId {
            device: bpf_probe_read_kernel(&raw const (*super_block).s_dev)?.into(),
            inode: bpf_probe_read_kernel(&raw const (*inode).i_ino)?,
        })
    }
}

fn report(file: FileId, what: u32) {
    if let Some(mut event) = EVENTS.reserve::<Denial>(0) {
        event.write(Denial {
            file,
            what,
            pid: current_pid(),
            comm: current_comm(),
        });
        event.submit(0);
    }
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";
