//! The eBPF instruction set: encode, decode, assemble and disassemble.
