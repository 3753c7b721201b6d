//! As programs for Aya have it today; the toolchain named is not needed.

use aya_build::Toolchain;

fn main() -> anyhow::Result<()> {
    let package = aya_build::Package {
        name: "book-firewall-ebpf",
        root_dir: "../book-firewall-ebpf",
        ..Default::default()
    };
    aya_build::build_ebpf([package], Toolchain::default())
}
