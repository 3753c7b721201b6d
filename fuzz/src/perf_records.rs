//! Rings of perf events: their positions, and the records between them.

/// Fails by a panic.
pub fn run(bytes: &[u8]) {
    hachi::fuzzing::perf_records(bytes);
}
