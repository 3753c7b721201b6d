//! Forbids opening or executing chosen files, no matter who asks and by which name.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use hachi_ebpf::{
    core_read, kernel_types,
    macros::{lsm, map},
    maps::{HashMap, RingBuf},
    programs::LsmContext,
};
use tools_common::guard::{Denial, EXEC, FileId, MAX_FILES, OPEN};
use tools_ebpf::{current_comm, current_pid};

// The kernel calls the struct and the hook's argument `file` alike.
kernel_types! {
    struct file { f_inode: *const inode }
    struct inode { i_ino: u64, i_sb: *const super_block }
    struct super_block { s_dev: u32 }
    struct linux_binprm { file: *const file }

    fn file_open(file: *const file);
    fn bprm_check_security(bprm: *const linux_binprm);
}

/// What may not be done with a file: `OPEN`, `EXEC` or both.
#[map]
static DENIED: HashMap<FileId, u32> = HashMap::with_max_entries(MAX_FILES, 0);

#[map]
static EVENTS: RingBuf = RingBuf::with_byte_size(64 * 1024, 0);

const EPERM: i32 = 1;

#[lsm(hook = "file_open")]
fn opening(ctx: LsmContext) -> i32 {
    judge(file_open::of(&ctx).file(), OPEN)
}

#[lsm(hook = "bprm_check_security")]
fn executing(ctx: LsmContext) -> i32 {
    match bprm_check_security::of(&ctx).bprm().file() {
        Some(file) => judge(file, EXEC),
        None => 0,
    }
}

/// What the hook returns for doing `what` with the file.
fn judge(file: file, what: u32) -> i32 {
    match identify(file) {
        Ok(id) if DENIED.get(id).is_some_and(|denied| denied & what != 0) => {
            report(id, what);
            -EPERM
        }
        _ => 0,
    }
}

fn identify(file: file) -> Result<FileId, i64> {
    Ok(FileId {
        device: core_read!(file, f_inode.i_sb.s_dev)?.into(),
        inode: core_read!(file, f_inode.i_ino)?,
    })
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

hachi_ebpf::license!("GPL");
