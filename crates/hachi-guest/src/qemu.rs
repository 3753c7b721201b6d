//! Starts QEMU, with settings that are reliable in software emulation.

use crate::Kernel;
use crate::error::{Error, IoContext, Result};
use crate::machine::{Machine, PROCESSORS};
use crate::protocol::PORT;
use crate::sys::{Child, find_program};
use hachi_build::Arch;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where QEMU is; an error with the fix if no guest of that kind can run here.
pub(crate) fn require(arch: Arch) -> Result<PathBuf> {
    let machine = Machine::of(arch);
    let named = std::env::var_os("HACHI_QEMU").filter(|_| Arch::here() == Some(arch));
    let found = match named {
        Some(path) => Some(PathBuf::from(path)).filter(|path| path.is_file()),
        None => find_program(machine.qemu),
    };
    found.ok_or(Error::Missing {
        program: machine.qemu,
        package: machine.package,
    })
}

/// Starts a guest. The kernel's console goes to a file, the virtio serial port to QEMU's stdout.
pub(crate) fn start(
    kernel: &Kernel,
    initramfs: &Path,
    init: &Path,
    console: &Path,
    megabytes: u64,
) -> Result<Child> {
    let file = |path: &Path| path.display().to_string().replace(',', ",,");
    let machine = Machine::of(kernel.arch());
    let program = require(kernel.arch())?;
    let mut qemu = Command::new(&program);
    qemu.args([
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-no-reboot",
    ])
    .args(machine.arguments)
    .args(["-accel", "tcg,thread=single", "-smp", PROCESSORS])
    .args(["-m", &megabytes.to_string()])
    .arg("-kernel")
    .arg(kernel.image())
    .arg("-initrd")
    .arg(initramfs)
    .args(["-append", &command_line(machine, init)])
    .args(["-serial", &format!("file:{}", file(console))])
    .args([
        "-device",
        machine.serial,
        "-chardev",
        "file,id=port,path=/dev/stdout",
    ])
    .args([
        "-device",
        &format!("virtserialport,chardev=port,name={PORT}"),
    ]);
    Child::spawn(&mut qemu).during("run", &program)
}

fn command_line(machine: &Machine, init: &Path) -> String {
    let init = format!("rdinit={}", init.display());
    let console = format!("console={}", machine.console);
    [
        init.as_str(),
        console.as_str(),
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
