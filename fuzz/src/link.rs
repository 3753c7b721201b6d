//! An object or an archive as the linker takes it: linked, and what comes of it judged.

/// Fails by a panic.
pub fn run(bytes: &[u8]) {
    hachi_linker::fuzzing::link(bytes);
}
