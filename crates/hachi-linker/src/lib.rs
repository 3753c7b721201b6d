//! Links Rust and C into eBPF objects with the LLVM inside the user's rustc.
