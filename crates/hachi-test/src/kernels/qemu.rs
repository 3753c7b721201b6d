//! QEMU, with the settings that work.

use super::Kernel;
use super::error::{Error, Result};
use super::protocol::PORT;
use crate::process::{Guarded, find_program};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PROGRAM: &str = "qemu-system-x86_64";

/// An error with the fix if no guest can be run here.
pub(super) fn require() -> Result<PathBuf> {
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

/// Starts a guest: the kernel's console goes to a file, the serial port to the process's standard
/// output.
///
/// Debian 12's QEMU 7.2 needs care: with a thread per processor, or with `cmpxchg16b`, one guest in
/// ten crashes in places that have nothing to do with what it runs.
pub(super) fn start(
    kernel: &Kernel,
    initramfs: &Path,
    init: &Path,
    console: &Path,
    megabytes: u64,
) -> Result<Guarded> {
    let file = |path: &Path| path.display().to_string().replace(',', ",,");
    let mut qemu = Command::new(require()?);
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
    ])
    .stdout(Stdio::piped())
    .stderr(Stdio::piped());
    Guarded::spawn(&mut qemu).map_err(|error| Error::Guest {
        release: kernel.release().to_owned(),
        problem: error.to_string(),
    })
}

fn command_line(init: &Path) -> String {
    let init = format!("rdinit={}", init.display());
    [
        init.as_str(),
        "console=ttyS0",
        "quiet",
        // A kernel in trouble ends at once, and QEMU with it.
        "panic=-1",
        "oops=panic",
        // BPF programs as security modules run only where `bpf` is in this list; Linux 5.10 has it
        // compiled in but not on by default.
        "lsm=landlock,yama,bpf",
        // On a busy machine the timer may be late, which the kernel would take for a broken board.
        "no_timer_check",
        // Nothing in the guest is worth the time.
        "mitigations=off",
        "random.trust_cpu=1",
    ]
    .join(" ")
}
