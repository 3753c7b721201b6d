#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use hachi_ebpf::macros::{lsm, map};
use hachi_ebpf::maps::HashMap;
use hachi_ebpf::programs::LsmContext;
use hachi_ebpf::{core_read, info, kernel_types};

kernel_types! {
    struct file { f_inode: *const inode }
    struct inode { i_ino: u64, i_sb: *const super_block }
    struct super_block { s_dev: u32 }

    fn file_open(file: *const file);
}

/// Files that nobody opens: their device and their number on it.
#[map]
static FORBIDDEN: HashMap<[u64; 2], u8> = HashMap::with_max_entries(1024, 0);

const EPERM: i32 = 1;

#[lsm(hook = "file_open")]
fn guard(ctx: LsmContext) -> i32 {
    match identify(file_open::of(&ctx).file()) {
        Ok(id) if FORBIDDEN.get(id).is_some() => {
            info!(&ctx, "file {} of device {:#x} stays closed", id[1], id[0]);
            -EPERM
        }
        _ => 0,
    }
}

/// A file has many names, but one number.
fn identify(file: file) -> Result<[u64; 2], i64> {
    let device = core_read!(file, f_inode.i_sb.s_dev)?;
    Ok([device.into(), core_read!(file, f_inode.i_ino)?])
}

hachi_ebpf::license!("GPL");
