//! Keys that are numbers.

/// A key of 4 bytes as a number, in the order of the machine that is imitated: little-endian.
pub fn number(key: &[u8]) -> Option<u32> {
    key.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

/// The index that a key is, if it is below the end.
pub fn array(key: &[u8], max_entries: u32) -> Option<u32> {
    number(key).filter(|at| *at < max_entries)
}
