//! Write eBPF programs in Rust: contexts, maps, helpers and logging.
