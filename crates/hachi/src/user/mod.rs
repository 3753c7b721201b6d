//! Programs and libraries as files: where functions and probes lie in them.

pub(crate) mod elf;
pub(crate) mod error;
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
        usdt_args::spec(&arguments, 0, usdt_args::Layout::Wide);
    }
    elf::fuzz(bytes);
}

#[cfg(test)]
mod tests {
    /// Simple fuzzing: this very program, shortened and with bytes changed.
    #[test]
    fn damaged_binaries_are_errors() {
        let mut bytes = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        bytes.truncate(1 << 16);
        for len in (0..bytes.len()).step_by(4099) {
            super::fuzz(&bytes[..len]);
        }
        for at in (0..512).step_by(3) {
            let old = std::mem::replace(&mut bytes[at], 0xff);
            super::fuzz(&bytes);
            bytes[at] = old;
        }
    }
}
