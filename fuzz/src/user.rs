//! What is read to find a place in a program: its symbols, its USDT notes, and the dynamic linker's
//! cache.

/// Fails by a panic.
pub fn run(bytes: &[u8]) {
    hachi::fuzzing::user(bytes);
}
