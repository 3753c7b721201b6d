//! Loads, attaches, pins and inspects eBPF programs.
