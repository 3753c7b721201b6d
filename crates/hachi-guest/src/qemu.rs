//! Starts QEMU, with settings that are reliable in software emulation.

use crate::Kernel;
use crate::error::{Error, IoContext, Result};
use crate::protocol::PORT;
use crate::sys::{Child, find_program};
use std::path::{Path, PathBuf};
use std::process::Command;

const PROGRAM: &str = "qemu-system-x86_64";

/// Where QEMU is; an error with the fix if no guest can run here.
pub(crate) fn require() -> Result<PathBuf> {
    if !cfg!(target_arch = "x86_64") {
        return Err(Error::Architecture);
    }
    let found = match std::env::var_os("HACHI_QEMU") {
        Some(path) => Some(PathBuf::from(path)).filter(|path| path.is_file()),
        None => find_program(PROGRAM),
    };
    found.ok_or(Error::Missing {
        program: PROGRAM,
        purpose: "runs other kernels",
        fix: "apt-get install --no-install-recommends qemu-system-x86",
    })
}

/// Starts a guest. The kernel's console goes to a file, the virtio serial port to QEMU's stdout.
///
/// With a thread per processor, or with `cmpxchg16b`, QEMU 7.2 (Debian 12) crashes one guest in ten
/// in places that have nothing to do with what the guest runs.
pub(crate) fn start(
    kernel: &Kernel,
    initramfs: &Path,
    init: &Path,
    console: &Path,
    megabytes: u64,
) -> Result<Child> {
    let file = |path: &Path| path.display().to_string().replace(',', ",,");
    let program = require()?;
    let mut qemu = Command::new(&program);
    qemu.args([
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-no-reboot",
    ])
    .args([
        "-accel",
        "tcg,thread=single",
        "-cpu",
        "max,-cx16",
        "-smp",
        "2",
    ])
    .args(["-m", &megabytes.to_string()])
    .arg("-kernel")
    .arg(kernel.image())
    .arg("-initrd")
    .arg(initramfs)
    .args(["-append", &command_line(init)])
    .args(["-serial", &format!("file:{}", file(console))])
    .args([
        "-device",
        "virtio-serial-pci",
        "-chardev",
        "file,id=port,path=/dev/stdout",
    ])
    .args([
        "-device",
        &format!("virtserialport,chardev=port,name={PORT}"),
    ]);
    Child::spawn(&mut qemu).during("run", &program)
}

fn command_line(init: &Path) -> String {
    let init = format!("rdinit={}", init.display());
    [
        init.as_str(),
        "console=ttyS0",
        "quiet",
        // On an oops or panic the kernel resets, and `-no-reboot` ends QEMU.
        "panic=-1",
        "oops=panic",
        // BPF programs as security modules run only where `bpf` is in this list; Linux 5.10 has it
        // compiled in but not on by default.
        "lsm=landlock,yama,bpf",
        // On a busy machine the timer may be late; the kernel would report a broken board.
        "no_timer_check",
        // Guests hold no secrets, and mitigations cost time.
        "mitigations=off",
        "random.trust_cpu=1",
    ]
    .join(" ")
}
