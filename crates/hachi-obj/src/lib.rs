//! eBPF object files: an ELF file in, a plain-data Spec out.
