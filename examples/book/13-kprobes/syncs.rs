#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use hachi_ebpf::macros::{fentry, fexit, kprobe};
use hachi_ebpf::programs::{FEntryContext, FExitContext, ProbeContext};
use hachi_ebpf::{core_read, info, kernel_types};

kernel_types! {
    struct file { f_inode: *const inode }
    struct inode { i_ino: u64 }

    /// Writes what is in memory of a file to its disk.
    fn vfs_fsync(file: *mut file, datasync: i32) -> i32;
}

/// A breakpoint at the function's first instruction.
#[kprobe(function = "vfs_fsync")]
fn by_breakpoint(ctx: ProbeContext) -> Result<(), i64> {
    let file = vfs_fsync::of(&ctx).file();
    info!(&ctx, "file {} is written", core_read!(file, f_inode.i_ino)?);
    Ok(())
}

/// A call at its first instruction.
#[fentry(function = "vfs_fsync")]
fn by_call(ctx: FEntryContext) -> Result<(), i64> {
    let file = vfs_fsync::of(&ctx).file();
    info!(&ctx, "file {} is written", core_read!(file, f_inode.i_ino)?);
    Ok(())
}

/// A call at its end, with the arguments and the result.
#[fexit(function = "vfs_fsync")]
fn at_the_end(ctx: FExitContext) -> Result<(), i64> {
    let call = vfs_fsync::of(&ctx);
    let number = core_read!(call.file(), f_inode.i_ino)?;
    info!(&ctx, "file {} is written: {}", number, call.result());
    Ok(())
}

hachi_ebpf::license!("GPL");
