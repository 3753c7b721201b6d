//! Builds the kernel sides; each tool has its object inside.

fn main() -> Result<(), hachi_build::Error> {
    hachi_build::build_ebpf(["tools-ebpf"])
}
