//! Fuzz targets: everything that reads bytes from outside. No input may make one panic, run without
//! end, or allocate what a length in the input claims.
//!
//! Each target is a function here and a program in `fuzz_targets`. `cargo xtask test --all` runs
//! the programs under libFuzzer; `cargo test --no-default-features` in this directory feeds the
//! functions the seeds and mutations of them.

pub mod bindings;
pub mod btf;
pub mod core;
pub mod edit;
pub mod ext;
pub mod inline;
pub mod insns;
pub mod kconfig;
pub mod link;
pub mod log_record;
pub mod netlink;
pub mod object;
pub mod perf_records;
pub mod print;
pub mod split;
pub mod user;
pub mod verifier_log;
pub mod vm;

/// A function to feed with bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, also that of its program and of the directory of its seeds in `seeds`.
    pub name: &'static str,
    /// The function.
    pub run: fn(&[u8]),
}

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run }
}

/// All of them.
pub const TARGETS: &[Target] = &[
    target("bindings", bindings::run),
    target("btf", btf::run),
    target("core", core::run),
    target("edit", edit::run),
    target("ext", ext::run),
    target("inline", inline::run),
    target("insns", insns::run),
    target("kconfig", kconfig::run),
    target("link", link::run),
    target("log_record", log_record::run),
    target("netlink", netlink::run),
    target("object", object::run),
    target("perf_records", perf_records::run),
    target("print", print::run),
    target("split", split::run),
    target("user", user::run),
    target("verifier_log", verifier_log::run),
    target("vm", vm::run),
];

/// An input that is two: its first two bytes say where the first part ends.
pub fn two_parts(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<2>()?;
    Some(rest.split_at(usize::from(u16::from_le_bytes(*len)).min(rest.len())))
}
