//! Forbids opening or executing chosen files.

use anyhow::Context;
use clap::Parser;
use hachi::Ebpf;
use hachi::maps::HashMap;
use std::collections::HashMap as Names;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use tools::{attach, follow, object, text};
use tools_common::guard::{Denial, EXEC, FileId, OPEN};

/// Forbids everybody to open or execute some files, under whatever name, until Ctrl-C.
///
/// Needs a kernel with `bpf` among its security modules (lsm=…,bpf on its command line).
#[derive(Parser)]
struct Args {
    /// Nobody may open this file
    #[arg(long, value_name = "FILE")]
    deny_open: Vec<PathBuf>,
    /// Nobody may execute this file
    #[arg(long, value_name = "FILE")]
    deny_exec: Vec<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut ebpf = Ebpf::load(object!("guard"))?;
    let mut denied: HashMap<_, FileId, u32> = HashMap::try_from(ebpf.map_mut("DENIED")?)?;
    let mut names = Names::new();
    for (files, what) in [(args.deny_open, OPEN), (args.deny_exec, EXEC)] {
        for path in files {
            let id = identify(&path)?;
            let others = denied.try_get(&id, 0)?.unwrap_or(0);
            denied.insert(id, others | what, 0)?;
            names.insert(id, path);
        }
    }
    attach(&mut ebpf)?;
    println!("{:>7} {:16} {:8} FILE", "PID", "COMM", "DENIED");
    follow(&mut ebpf, |denial: &Denial| {
        let what = if denial.what == EXEC { "exec" } else { "open" };
        let name = names
            .get(&denial.file)
            .map_or("?".into(), |path| path.to_string_lossy());
        println!(
            "{:>7} {:16} {what:8} {name}",
            denial.pid,
            text(&denial.comm)
        );
    })
}

/// The file as the kernel knows it.
fn identify(path: &PathBuf) -> anyhow::Result<FileId> {
    let data = std::fs::metadata(path).with_context(|| path.display().to_string())?;
    // To user space the kernel writes device numbers in another way (`new_encode_dev` in
    // include/linux/kdev_t.h).
    let (major, minor) = (
        data.dev() >> 8 & 0xfff,
        data.dev() & 0xff | data.dev() >> 12 & 0xfff00,
    );
    Ok(FileId {
        device: major << 20 | minor,
        inode: data.ino(),
    })
}
