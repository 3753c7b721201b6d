//! Attribute macros of hachi-ebpf.
