//! Builds the eBPF side; its object ends up inside this program.

fn main() -> Result<(), hachi_build::Error> {
    hachi_build::build_ebpf(["first-xdp-ebpf"])
}
