//! Programs and libraries as files: where functions and probes lie in them.

mod debug_files;
pub(crate) mod elf;
pub(crate) mod error;
mod image;
pub(crate) mod ld_cache;
pub(crate) mod path;
pub(crate) mod usdt;
pub(crate) mod usdt_args;

/// Reads `bytes` as everything this module reads.
#[cfg(any(fuzzing, test))]
pub fn fuzz(bytes: &[u8]) {
    let _ = ld_cache::look_up(bytes, "libc");
    for word in [4, 8] {
        for note in usdt::notes(bytes, word) {
            let _ = usdt_args::parse(note.arguments());
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(arguments) = usdt_args::parse(text)
    {
        usdt_args::spec(&arguments, 0);
    }
    elf::fuzz(bytes);
}

#[cfg(test)]
mod tests;
