//! BTF and BTF.ext: parse, build and repair the type information of eBPF.
