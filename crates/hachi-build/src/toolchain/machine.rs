//! The machine that the programs run on.
//!
//! A build script builds for the machine that its crate is built for, as cargo says;
//! everything else builds for this one.

use std::env;

use crate::{Target, cache::setting};

/// The eBPF target of its byte order.
pub(crate) fn target() -> Target {
    match setting("CARGO_CFG_TARGET_ENDIAN") {
        Some(order) if order == "big" => Target::Bpfeb,
        Some(_) => Target::Bpfel,
        None => Target::HOST,
    }
}

/// Its architecture as Rust calls it, whose registers a kprobe sees. When programs are built for
/// machines of the other byte order, it is the most common one of that order that can run them.
pub(crate) fn architecture(of: Target) -> String {
    if of == target() {
        let named = setting("CARGO_CFG_TARGET_ARCH").unwrap_or(env::consts::ARCH.into());
        return of_kernel(&named.to_string_lossy()).to_owned();
    }
    match of {
        Target::Bpfel => "x86_64".into(),
        Target::Bpfeb => "s390x".into(),
    }
}

/// The architecture of the kernel that runs such a program: 32-bit ones are taken to run on a
/// 64-bit kernel, as nearly all do, and registers are the kernel's.
fn of_kernel(program: &str) -> &str {
    match program {
        "x86" => "x86_64",
        "arm" => "aarch64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_of_32_bits_run_on_kernels_of_64() {
        assert_eq!(of_kernel("x86"), "x86_64");
        assert_eq!(of_kernel("arm"), "aarch64");
        assert_eq!(of_kernel("loongarch64"), "loongarch64");
    }
}
