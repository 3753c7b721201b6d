//! Programs and libraries as files: where functions and probes lie in them.

pub(crate) mod elf;
pub(crate) mod ld_cache;
pub(crate) mod path;
pub(crate) mod usdt;
pub(crate) mod usdt_args;
