//! Finds a Rust toolchain that can build eBPF and builds eBPF packages with it.
