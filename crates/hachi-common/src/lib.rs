//! Types shared by eBPF programs and their user space.
