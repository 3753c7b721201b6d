//! Test support: network namespaces, traffic and eBPF fixtures.
