//! Builds the kernel sides; the program has their objects inside.

fn main() -> Result<(), hachi_build::Error> {
    hachi_build::build_ebpf(["programs-ebpf"])
}
