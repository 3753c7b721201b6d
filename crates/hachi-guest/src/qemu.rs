//! Starts QEMU, with settings that are reliable in software emulation.

use crate::Kernel;
use crate::error::{Error, IoContext, Result};
use crate::machine::{Machine, PROCESSORS};
use crate::protocol::PORT;
use crate::sys::{Child, find_program};
use hachi_build::{Arch, Hash};
use std::os::unix::fs::MetadataExt;
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

/// What a guest is made of.
pub(crate) struct Setup<'a> {
    pub(crate) kernel: &'a Kernel,
    pub(crate) initramfs: &'a Path,
    /// The first process, by its path in the guest.
    pub(crate) init: &'a Path,
    /// The file that the kernel's console goes to.
    pub(crate) console: &'a Path,
    pub(crate) megabytes: u64,
    pub(crate) way: Way<'a>,
}

/// How a guest comes to run.
pub(crate) enum Way<'a> {
    /// It boots. The serial port goes to QEMU's stdout.
    Boot,
    /// It boots to be saved.
    Save(Saved<'a>),
    /// It goes on where a saved one stood, and leaves that as it is.
    Resume(Saved<'a>),
}

/// The files of a guest that is saved.
#[derive(Clone, Copy)]
pub(crate) struct Saved<'a> {
    /// Its memory.
    pub(crate) memory: &'a Path,
    /// The socket of its serial port.
    pub(crate) port: &'a Path,
    /// The socket of QEMU's monitor.
    pub(crate) monitor: &'a Path,
}

/// Starts a guest.
pub(crate) fn start(setup: &Setup<'_>) -> Result<Child> {
    let Setup {
        kernel,
        initramfs,
        console,
        way,
        ..
    } = setup;
    let machine = Machine::of(kernel.arch());
    let program = require(kernel.arch())?;
    let mut qemu = Command::new(&program);
    qemu.args(fixed(machine, setup.megabytes))
        .arg("-kernel")
        .arg(kernel.image())
        .arg("-initrd")
        .arg(initramfs)
        .args(["-append", &command_line(machine, setup.init)])
        .args(["-serial", &format!("file:{}", escaped(console))]);
    match way {
        Way::Boot => {
            qemu.args(["-chardev", "file,id=port,path=/dev/stdout"]);
        }
        Way::Save(saved) | Way::Resume(saved) => {
            let (share, incoming) = match way {
                Way::Resume(_) => ("off", true),
                _ => ("on", false),
            };
            let size = setup.megabytes;
            let memory = escaped(saved.memory);
            let memory =
                format!("memory-backend-file,id=ram,size={size}M,mem-path={memory},share={share}");
            let socket = |path| format!("path={},server=on,wait=off", escaped(path));
            qemu.args(["-object", &memory])
                .args(["-machine", "memory-backend=ram"])
                .args([
                    "-chardev",
                    &format!("socket,id=port,{}", socket(saved.port)),
                ])
                .args([
                    "-chardev",
                    &format!("socket,id=monitor,{}", socket(saved.monitor)),
                ])
                .args(["-mon", "chardev=monitor,mode=control"]);
            if incoming {
                qemu.args(["-incoming", "defer"]);
            }
        }
    }
    qemu.args(["-device", machine.serial]).args([
        "-device",
        &format!("virtserialport,chardev=port,name={PORT}"),
    ]);
    Child::spawn(&mut qemu).during("run", &program)
}

/// A path as part of an option.
fn escaped(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

/// The options that do not depend on where files are.
fn fixed(machine: &Machine, megabytes: u64) -> Vec<String> {
    let common = [
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-no-reboot",
    ];
    let common = common.iter().chain(machine.arguments);
    let mut options: Vec<String> = common.map(|&option| option.to_owned()).collect();
    options.extend(["-accel", "tcg,thread=single", "-smp", PROCESSORS, "-m"].map(String::from));
    options.push(megabytes.to_string());
    options
}

/// Notes what a saved guest depends on besides its files: QEMU, its options, and the kernel.
pub(crate) fn identify(setup: &Setup<'_>, hash: &mut Hash) -> Result<()> {
    let machine = Machine::of(setup.kernel.arch());
    for option in fixed(machine, setup.megabytes) {
        hash.add(option.as_bytes());
    }
    hash.add(machine.serial.as_bytes());
    hash.add(command_line(machine, setup.init).as_bytes());
    // By size and time: a new version of either is a new file.
    for file in [require(setup.kernel.arch())?, setup.kernel.image()] {
        let data = std::fs::metadata(&file).during("read", &file)?;
        hash.add(file.as_os_str().as_encoded_bytes());
        for number in [data.len() as i64, data.mtime(), data.mtime_nsec()] {
            hash.add(&number.to_le_bytes());
        }
    }
    Ok(())
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
