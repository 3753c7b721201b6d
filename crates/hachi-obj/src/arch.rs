//! `.hachi.arch`: the kind of machine whose registers the programs of an object read.
//!
//! Most programs run on every machine of their byte order. Those whose context is the machine's
//! registers do not, and nothing in their code tells: a place that holds an argument on x86-64
//! holds something else on arm64. Objects that have no such section (clang's) say nothing.

use crate::{ProgramSpec, inspect::registers_read};

/// Name of the section. It holds the name alone, as Rust spells it: `aarch64`.
pub const SECTION: &str = ".hachi.arch";

/// The machine that programs loaded by this process run on, as Rust spells it. A 32-bit process
/// takes its kernel to be the 64-bit one of its family.
pub const HERE: &str = match std::env::consts::ARCH.as_bytes() {
    b"x86" => "x86_64",
    b"arm" => "aarch64",
    _ => std::env::consts::ARCH,
};

/// Of a program of an object built for the machine `of` (a [`Spec`](crate::Spec)'s `arch`) that
/// reads registers, when that is another kind of machine than this one: the first instruction that
/// does, as a slot of its code. `None` for programs that can run here.
pub fn foreign_registers(of: Option<&str>, program: &ProgramSpec) -> Option<usize> {
    let foreign = of.is_some_and(|of| of != HERE);
    let code = foreign.then(|| program.code().ok()).flatten()?;
    registers_read(program.program_type, &code)
}

/// The name in the section, if it is one.
pub(crate) fn read(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?.trim_end_matches('\0');
    is_name(text).then(|| text.to_owned())
}

/// Whether this can be the name of a kind of machine: a few letters, digits and underscores.
pub fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=32).contains(&text.len()) && text.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_are_read() {
        assert_eq!(read(b"aarch64").as_deref(), Some("aarch64"));
        assert_eq!(read(b"x86_64\0").as_deref(), Some("x86_64"));
        for bytes in [b"".as_slice(), b"\xff", b"\x1b[31m", b"arm 64", &[b'a'; 33]] {
            assert_eq!(read(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn this_machine_has_a_name() {
        assert!(is_name(HERE) && HERE != "x86" && HERE != "arm");
    }
}
