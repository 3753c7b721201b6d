//! Builds the kernel side; its object ends up inside the program.

fn main() -> Result<(), hachi_build::Error> {
    hachi_build::build_ebpf(["xdp-firewall-ebpf"])
}
