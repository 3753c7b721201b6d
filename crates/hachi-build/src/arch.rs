//! Kinds of machines that programs are built for.

use std::{fmt, str::FromStr};

use crate::Target;

/// A kind of machine whose registers `hachi-ebpf` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Arch {
    /// amd64.
    X86_64,
    /// arm64.
    Aarch64,
    /// 64-bit RISC-V.
    Riscv64,
    /// IBM Z, the big-endian one.
    S390x,
}

impl Arch {
    /// All of them.
    pub const ALL: [Arch; 4] = [Arch::X86_64, Arch::Aarch64, Arch::Riscv64, Arch::S390x];

    /// This machine's, if it is one of them.
    pub fn here() -> Option<Arch> {
        Self::named(std::env::consts::ARCH)
    }

    /// As Rust calls it: `aarch64`.
    pub fn name(self) -> &'static str {
        match self {
            Arch::X86_64 => "x86_64",
            Arch::Aarch64 => "aarch64",
            Arch::Riscv64 => "riscv64",
            Arch::S390x => "s390x",
        }
    }

    /// As Debian and Go call it: `arm64`.
    pub fn debian(self) -> &'static str {
        match self {
            Arch::X86_64 => "amd64",
            Arch::Aarch64 => "arm64",
            Arch::Riscv64 => "riscv64",
            Arch::S390x => "s390x",
        }
    }

    /// The target of Rust programs that run in its user space: `aarch64-unknown-linux-gnu`.
    pub fn triple(self) -> &'static str {
        match self {
            Arch::X86_64 => "x86_64-unknown-linux-gnu",
            Arch::Aarch64 => "aarch64-unknown-linux-gnu",
            Arch::Riscv64 => "riscv64gc-unknown-linux-gnu",
            Arch::S390x => "s390x-unknown-linux-gnu",
        }
    }

    /// As GNU's tools and Debian's directories call its user space: `aarch64-linux-gnu`.
    pub fn gnu(self) -> &'static str {
        match self {
            Arch::X86_64 => "x86_64-linux-gnu",
            Arch::Aarch64 => "aarch64-linux-gnu",
            Arch::Riscv64 => "riscv64-linux-gnu",
            Arch::S390x => "s390x-linux-gnu",
        }
    }

    /// The eBPF target of its byte order.
    pub fn target(self) -> Target {
        match self {
            Arch::S390x => Target::Bpfeb,
            _ => Target::Bpfel,
        }
    }

    /// The one that Rust calls so.
    fn named(name: &str) -> Option<Arch> {
        Self::ALL.into_iter().find(|arch| arch.name() == name)
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no [`Arch`] has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownArch(String);

impl fmt::Display for UnknownArch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no kind of machine `{}`; there are x86_64 (amd64), aarch64 (arm64), riscv64 and s390x",
            self.0
        )
    }
}

impl std::error::Error for UnknownArch {}

impl FromStr for Arch {
    type Err = UnknownArch;

    /// Rust's name, or Debian's.
    fn from_str(text: &str) -> Result<Arch, UnknownArch> {
        let known = |arch: &Arch| text == arch.name() || text == arch.debian();
        let found = Self::ALL.into_iter().find(known);
        found.ok_or_else(|| UnknownArch(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_rusts_or_debians() {
        assert_eq!("arm64".parse(), Ok(Arch::Aarch64));
        assert_eq!("aarch64".parse(), Ok(Arch::Aarch64));
        assert_eq!("amd64".parse(), Ok(Arch::X86_64));
        let error = "mips".parse::<Arch>().unwrap_err().to_string();
        assert!(
            error.contains("`mips`") && error.contains("s390x"),
            "{error}"
        );
        assert_eq!(Arch::S390x.target(), Target::Bpfeb);
    }
}
