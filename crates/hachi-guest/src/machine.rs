//! How QEMU is told to be a machine of each kind, and how its kernels differ.

use hachi_build::Arch;

/// How many processors a guest has, whatever its kind.
pub(crate) const PROCESSORS: &str = "2";

/// One kind of machine.
pub(crate) struct Machine {
    /// The program of QEMU.
    pub(crate) qemu: &'static str,
    /// The package that it is in.
    pub(crate) package: &'static str,
    /// The arguments that make the machine, besides its processors and memory.
    pub(crate) arguments: &'static [&'static str],
    /// The device that carries serial ports.
    pub(crate) serial: &'static str,
    /// The console that is QEMU's first serial line, as the kernel calls it.
    pub(crate) console: &'static str,
    /// How Debian's kernels for it that are meant for guests end.
    pub(crate) flavour: &'static str,
}

/// With a thread for each processor, or with `cmpxchg16b`, QEMU 7.2 (Debian 12) crashes one guest
/// in ten in places that have nothing to do with what the guest runs.
const X86_64: Machine = Machine {
    qemu: "qemu-system-x86_64",
    package: "qemu-system-x86",
    arguments: &["-cpu", "max,-cx16"],
    serial: "virtio-serial-pci",
    console: "ttyS0",
    flavour: "-cloud-amd64",
};

/// Signed pointers in the way of the processor that is emulated cost half of the time.
const AARCH64: Machine = Machine {
    qemu: "qemu-system-aarch64",
    package: "qemu-system-arm",
    arguments: &["-machine", "virt", "-cpu", "max,pauth-impdef=on"],
    serial: "virtio-serial-pci",
    console: "ttyAMA0",
    flavour: "-cloud-arm64",
};

const RISCV64: Machine = Machine {
    qemu: "qemu-system-riscv64",
    package: "qemu-system-misc",
    arguments: &["-machine", "virt", "-cpu", "rv64"],
    serial: "virtio-serial-pci",
    console: "ttyS0",
    flavour: "-riscv64",
};

const S390X: Machine = Machine {
    qemu: "qemu-system-s390x",
    package: "qemu-system-misc",
    arguments: &["-machine", "s390-ccw-virtio", "-cpu", "max"],
    serial: "virtio-serial-ccw",
    console: "ttysclp0",
    flavour: "-s390x",
};

impl Machine {
    pub(crate) fn of(arch: Arch) -> &'static Machine {
        match arch {
            Arch::X86_64 => &X86_64,
            Arch::Aarch64 => &AARCH64,
            Arch::Riscv64 => &RISCV64,
            Arch::S390x => &S390X,
        }
    }
}

/// The machine that a kernel of Debian's is for: `6.12.9-cloud-arm64`.
pub(crate) fn of_release(release: &str) -> Option<Arch> {
    let last = release.rsplit('-').next()?;
    Arch::ALL.into_iter().find(|arch| arch.debian() == last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_tell_machines() {
        for arch in Arch::ALL {
            let release = format!("6.12.118+deb13{}", Machine::of(arch).flavour);
            assert_eq!(of_release(&release), Some(arch));
        }
        assert_eq!(of_release("6.12.118"), None);
    }
}
